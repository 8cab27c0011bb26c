"""What each landed file says of items and customers, per day: its last statement of a day holds."""

from collections.abc import Mapping
from types import MappingProxyType

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from affinity.core.source import MAX_CATEGORIES
from affinity.privacy.columns import customer_id

_CATEGORIES = tuple(f"category_{level}" for level in range(1, MAX_CATEGORIES + 1))
_NONE: Mapping[str, Column] = MappingProxyType({})


def item_observations(rows: DataFrame, currency: str | None) -> DataFrame:
    """The last word of each file on each item and day.

    Columns: ``reading.described_rows.ITEM_COLUMNS``, source → silver.items without ``run_id``.

    Of statements of one time the later line holds. ``currency`` is that of all prices.
    """
    seen = ("description", "unit_price", "brand", *_CATEGORIES, "is_recommendable")
    last = _last_of_day(rows, ("source", "item_id"), seen)
    return last.withColumn("currency", F.lit(currency).cast("string"))


def customer_observations(rows: DataFrame) -> DataFrame:
    """Likewise of customers.

    Columns: ``reading.described_rows.CUSTOMER_COLUMNS`` and source → silver.customers without ``run_id``.

    ``linked`` are the further ids of all statements of file and day: a file may name them in a line each.
    """
    named = F.array_sort(F.array_distinct(F.flatten(F.collect_list("linked"))))
    linked = F.when(F.size(named) > 0, named)
    last = _last_of_day(rows, ("source", "subject_key"), ("subject_kind", "country", "tier"), {"linked": linked})
    return last.withColumn("subject_id", customer_id(F.col("subject_key")))


def _last_of_day(
    rows: DataFrame, subject: tuple[str, ...], seen: tuple[str, ...], of_all: Mapping[str, Column] = _NONE
) -> DataFrame:
    """One row per subject, day and file with the values ``seen`` last and what is made ``of_all``."""
    one = (*subject, "observed_date", "file_id")
    observed = F.struct("observed_ts", "line_no", *seen)
    return (
        rows.groupBy(*one)
        .agg(F.max(observed).alias("last"), *(made.alias(name) for name, made in of_all.items()))
        .select(*one, *(f"last.{name}" for name in ("observed_ts", *seen)), *of_all)
    )
