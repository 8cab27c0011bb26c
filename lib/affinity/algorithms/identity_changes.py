"""Which links are new, and whose ids change by them: of few links one process finds it out, of many the cluster."""

from datetime import date

import pyarrow as pa
from pyspark.sql import DataFrame

from affinity.algorithms.identities import IdentityRules, resolved
from affinity.algorithms.identity_updates import updated
from affinity.features import identities, links
from affinity.features.known_ids import KnownIds, Link

_IDENTITIES = pa.schema(
    [
        *((name, pa.string()) for name in ("subject_key", "subject_kind", "subject_id", "customer_id")),
        ("linked_date", pa.date32()),
        *((name, pa.bool_()) for name in ("is_shared", "is_capped")),
    ]
)
_HOLDING = pa.schema([("subject_key", pa.string()), ("valid_from_date", pa.date32()), ("change_no", pa.int32())])


def news_of_few(told: DataFrame, known: KnownIds) -> tuple[DataFrame, int]:
    """The links that are not known, or not from so early a day, and how many they are: silver.links of few lines."""
    rows = known.news(told.toArrow())
    return told.sparkSession.createDataFrame(rows), rows.num_rows


def news_of_many(told: DataFrame, seen_again: DataFrame, known: DataFrame) -> tuple[DataFrame, int]:
    """``news_of_few`` of any number of lines, and of links whose witness was lost; the rows are cached."""
    fresh = links.news(links.first_seen(told, seen_again), known).persist()
    return fresh, fresh.count()


def changed_by_few(fresh: DataFrame, known: KnownIds, rules: IdentityRules, day: date) -> DataFrame:
    """Rows of silver.identity_changes by which few new links are told from a day on."""
    told = [Link(*row) for row in fresh.select(*Link._fields).collect()]
    changes = updated(told, known, rules)
    changed = pa.Table.from_pylist([change.row._asdict() for change in changes], _IDENTITIES)
    held = [change.before._asdict() for change in changes if change.before]
    spark = fresh.sparkSession
    current = spark.createDataFrame(pa.Table.from_pylist(held, _HOLDING))
    return identities.dated(spark.createDataFrame(changed), current, day)


def changed_anew(standing: DataFrame, known: DataFrame, rules: IdentityRules, day: date) -> DataFrame:
    """``changed_by_few`` of any number: all ``standing`` links are resolved and held against what was ``known``."""
    current = identities.holding(known)
    return identities.dated(identities.changed(resolved(standing, rules), current), current, day)
