"""bronze.events → silver: one disposition for every line, and whose each id is."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from affinity.algorithms.identities import IdentityRules, resolved
from affinity.algorithms.identity_updates import updated
from affinity.features import identities, links
from affinity.io.entry import main
from affinity.io.job import Inputs, Job, Kind, Outputs
from affinity.tables import bronze, ops, silver


def transform(inputs: Inputs, settings: IdentityRules) -> Outputs:
    """Learn from lines and statements whose ids are whose; the lines themselves are sorted where they lie."""
    fresh = links.unknown(inputs.told, inputs[silver.CUSTOMERS], inputs.seen_again, inputs[silver.LINKS]).persist()
    return Outputs(
        {silver.LINKS: fresh, silver.IDENTITIES: _identities(inputs, fresh, settings)},
        release=(fresh,),
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
