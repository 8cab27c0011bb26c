"""bronze.events → silver: one disposition for every line, and whose each id is."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from affinity.algorithms.identities import IdentityRules, resolved
from affinity.algorithms.identity_updates import updated
from affinity.features import cleaning, identities, links
from affinity.io.entry import main
from affinity.io.job import Inputs, Job, Kind, Outputs
from affinity.tables import bronze, ops, silver

_MAX_BROADCAST = 500_000


def transform(inputs: Inputs, settings: IdentityRules) -> Outputs:
    """Judge the lines of the run, sort them into events and quarantine, and learn from them whose ids are whose."""
    lines = inputs[bronze.EVENTS]
    are_few = lines.count() <= _MAX_BROADCAST
    repeated = cleaning.duplicates(lines, inputs.rivals, are_few=are_few).persist()
    is_small = repeated.count() <= _MAX_BROADCAST  # then no line crosses the network for it
    rows = cleaning.judged(lines, F.broadcast(repeated) if is_small else repeated)
    known = inputs[silver.LINKS]
    current = inputs[silver.IDENTITIES].where(F.col("valid_to_date").isNull())
    fresh = _fresh_links(inputs, known).persist()
    return Outputs(
        {
            silver.EVENTS: cleaning.accepted_events(rows),
            silver.QUARANTINE: cleaning.rejected_rows(rows),
            silver.LINKS: fresh,
            silver.IDENTITIES: _identities(inputs, current, known.unionByName(fresh), fresh, settings),
            ops.DISPOSITIONS: cleaning.disposition_counts(rows),
        },
        release=(repeated, fresh),
    )


def _fresh_links(inputs: Inputs, known: DataFrame) -> DataFrame:
    """Pairs of ids that no earlier run saw, or not so early: on lines that count, or in what is said of customers."""
    on_lines, in_statements = links.of_lines(inputs[bronze.EVENTS]), links.of_statements(inputs[silver.CUSTOMERS])
    return links.news(links.first_seen(on_lines, in_statements, inputs.seen_again), known)


def _identities(
    inputs: Inputs, current: DataFrame, all_links: DataFrame, fresh: DataFrame, rules: IdentityRules
) -> DataFrame:
    if fresh.isEmpty() and not inputs.is_anew:
        return inputs[silver.IDENTITIES].drop("run_id").limit(0)
    if inputs.is_anew or current.isEmpty():
        changed = identities.changed(resolved(all_links, rules), current)
    else:
        changed = updated(fresh, all_links, current, rules)
    return identities.dated(changed, current.drop("run_id"), inputs.cut)


JOB = Job(
    name="clean_events",
    kind=Kind.CLEAN,
    doc="Accept, filter, quarantine or recognise as duplicate every line of new files; judge anew what they take back.",
    reads=(bronze.EVENTS, silver.CUSTOMERS),
    writes=(
        silver.EVENTS,
        silver.SUBJECT_DAILY,
        silver.QUARANTINE,
        silver.LINKS,
        silver.IDENTITIES,
        ops.DISPOSITIONS,
    ),
    settings=IdentityRules,
    transform=transform,
)


if __name__ == "__main__":
    main(JOB)
