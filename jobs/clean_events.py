"""bronze.events → silver: one disposition for every line, and whose each id is."""

from contextlib import nullcontext
from datetime import date

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

_FEW_LINKS = 50_000
"""So many one process resolves with all that they concern: some ten kilobytes for each."""
_IDENTITIES = pa.schema(
    [
        *((name, pa.string()) for name in ("subject_key", "subject_kind", "subject_id", "customer_id")),
        ("linked_date", pa.date32()),
        *((name, pa.bool_()) for name in ("is_shared", "is_capped")),
    ]
)


def transform(inputs: Inputs, settings: IdentityRules) -> Outputs:
    """Learn from lines and statements whose ids are whose; the lines themselves are sorted where they lie."""
    with inputs.known_ids.opened() if inputs.known_ids else nullcontext() as known:
        fresh, n_fresh = _news(inputs, known)
        if known is not None and n_fresh <= _FEW_LINKS:
            changed = _of_few(fresh, known, settings, inputs.cut)
        else:
            changed = _of_all(fresh, n_fresh, inputs, settings)
    return Outputs({silver.LINKS: fresh, silver.IDENTITIES: changed}, release=(fresh,))


def _news(inputs: Inputs, known: KnownIds | None) -> tuple[DataFrame, int]:
    """The links that are not known, or not from so early a day, and how many they are."""
    if known is None or not inputs.are_few:
        fresh = links.news(links.first_seen(inputs.told, inputs.seen_again), inputs[silver.LINKS]).persist()
        return fresh, fresh.count()
    rows = known.news(inputs.told.toArrow())
    return inputs.told.sparkSession.createDataFrame(rows), rows.num_rows


def _of_all(fresh: DataFrame, n_fresh: int, inputs: Inputs, rules: IdentityRules) -> DataFrame:
    """Whose all ids are, as far as that is new."""
    current = inputs[silver.IDENTITIES].where(F.col("valid_to_date").isNull()).drop("run_id")
    if not n_fresh and not inputs.is_anew:
        return current.limit(0)
    found = resolved(inputs[silver.LINKS].unionByName(fresh), rules)
    return identities.dated(identities.changed(found, current), current, inputs.cut)


def _of_few(fresh: DataFrame, known: KnownIds, rules: IdentityRules, day: date) -> DataFrame:
    """Whose the ids are that few new links concern."""
    told = [Link(*row) for row in fresh.select(*Link._fields).collect()]
    changed = pa.Table.from_pylist([row._asdict() for row in updated(told, known, rules)], _IDENTITIES)
    holding = known.holding(changed["subject_key"].to_pylist()).drop_columns(["run_id"])
    spark = fresh.sparkSession
    return identities.dated(spark.createDataFrame(changed), spark.createDataFrame(holding), day)


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
