"""bronze.events → silver: one disposition for every line, and whose each id is."""

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from affinity.algorithms.identities import IdentityRules, resolved
from affinity.algorithms.identity_updates import updated
from affinity.features import identities, links
from affinity.features.known_ids import KnownIds, Link
from affinity.io.entry import main
from affinity.io.job import Inputs, Job, Kind, Outputs
from affinity.tables import bronze, ops, silver

_IDENTITIES = pa.schema(
    [
        *((name, pa.string()) for name in ("subject_key", "subject_kind", "subject_id", "customer_id")),
        ("linked_date", pa.date32()),
        *((name, pa.bool_()) for name in ("is_shared", "is_capped")),
    ]
)


def transform(inputs: Inputs, settings: IdentityRules) -> Outputs:
    """Learn from lines and statements whose ids are whose; the lines themselves are sorted where they lie."""
    if inputs.known_ids is not None:
        return _of_few(inputs, inputs.known_ids, settings)
    fresh = links.news(links.first_seen(inputs.told, inputs.seen_again), inputs[silver.LINKS]).persist()
    return Outputs(
        {silver.LINKS: fresh, silver.IDENTITIES: _identities(inputs, fresh, settings)},
        release=(fresh,),
    )


def _identities(inputs: Inputs, fresh: DataFrame, rules: IdentityRules) -> DataFrame:
    """Whose all ids are, as far as that is new."""
    current = inputs[silver.IDENTITIES].where(F.col("valid_to_date").isNull()).drop("run_id")
    if fresh.isEmpty() and not inputs.is_anew:
        return current.limit(0)
    found = resolved(inputs[silver.LINKS].unionByName(fresh), rules)
    return identities.dated(identities.changed(found, current), current, inputs.cut)


def _of_few(inputs: Inputs, known: KnownIds, rules: IdentityRules) -> Outputs:
    """What few lines tell, and whose the ids are that it concerns."""
    spark = inputs.told.sparkSession
    fresh = known.news(inputs.told.toArrow())
    named = ("subject_key", "subject_kind", "other_key", "other_kind", "first_date")
    rows = fresh.select(named).to_pylist()
    changed = updated((Link(**row) for row in rows), known, rules) if rows else []
    table = pa.Table.from_pylist([row._asdict() for row in changed], _IDENTITIES)
    holding = known.holding(table["subject_key"].to_pylist())
    dated = identities.dated(spark.createDataFrame(table), spark.createDataFrame(holding).drop("run_id"), inputs.cut)
    return Outputs({silver.LINKS: spark.createDataFrame(fresh), silver.IDENTITIES: dated})


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
