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
    fresh = links.unknown(lines, inputs[silver.CUSTOMERS], inputs.seen_again, inputs[silver.LINKS]).persist()
    return Outputs(
        {
            silver.EVENTS: cleaning.accepted_events(rows),
            silver.QUARANTINE: cleaning.rejected_rows(rows),
            silver.LINKS: fresh,
            silver.IDENTITIES: _identities(inputs, fresh, settings),
            ops.DISPOSITIONS: cleaning.disposition_counts(rows),
        },
        release=(repeated, fresh),
    )


def _identities(inputs: Inputs, fresh: DataFrame, rules: IdentityRules) -> DataFrame:
    if fresh.isEmpty() and not inputs.is_anew:
        return inputs[silver.IDENTITIES].drop("run_id").limit(0)
    current = inputs[silver.IDENTITIES].where(F.col("valid_to_date").isNull())
    all_links = inputs[silver.LINKS].unionByName(fresh)
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
    writes=(silver.EVENTS, silver.SUBJECT_DAILY, silver.QUARANTINE, silver.LINKS, silver.IDENTITIES, ops.DISPOSITIONS),
    settings=IdentityRules,
    transform=transform,
)


if __name__ == "__main__":
    main(JOB)
