"""What is known of items and customers at a date: the newest statement before it."""

from collections.abc import Sequence
from datetime import date

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from affinity.features.events import within


def current_items(observations: DataFrame, *, as_of: date) -> DataFrame:
    """Take the newest description of each item before a date.

    Columns in and out: silver.items; one row per item_id, the one with the latest observed_ts of those with
    observed_date < as_of; ties by file_id, then source, the greater wins.
    """
    return _newest(observations, key="item_id", tie_breakers=("file_id", "source"), as_of=as_of)


def current_customers(observations: DataFrame, *, as_of: date) -> DataFrame:
    """Take the newest statement about each customer before a date.

    Columns in and out: silver.customers; one row per customer_id, the one with the latest observed_ts of those with
    observed_date < as_of; ties by file_id, then source, then subject_key, the greater wins.
    """
    tie_breakers = ("file_id", "source", "subject_key")
    return _newest(observations, key="customer_id", tie_breakers=tie_breakers, as_of=as_of)


def _newest(observations: DataFrame, *, key: str, tie_breakers: Sequence[str], as_of: date) -> DataFrame:
    newest_first = Window.partitionBy(key).orderBy(F.desc("observed_ts"), *(F.desc(name) for name in tie_breakers))
    return (
        observations.where(within("observed_date", None, as_of))
        .withColumn("_row", F.row_number().over(newest_first))
        .where("_row = 1")
        .drop("_row")
    )
