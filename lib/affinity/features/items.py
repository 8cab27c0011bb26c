"""What is known of items at a date: the newest statement before it."""

from datetime import date

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from affinity.features.events import within


def current_items(observations: DataFrame, *, as_of: date) -> DataFrame:
    """Take the newest description of each item before a date.

    Columns in and out: silver.items; one row per item_id, the one with the latest observed_ts of those with
    observed_date < as_of; ties by file_id, then source, the greater wins.
    """
    newest_first = Window.partitionBy("item_id").orderBy(F.desc("observed_ts"), F.desc("file_id"), F.desc("source"))
    return (
        observations.where(within("observed_date", None, as_of))
        .withColumn("_row", F.row_number().over(newest_first))
        .where("_row = 1")
        .drop("_row")
    )


def item_categories(observations: DataFrame, *, as_of: date) -> DataFrame:
    """The widest category of each item, as known before a date: silver.items → ``item_id, category``, neither null."""
    named = current_items(observations, as_of=as_of).select("item_id", F.col("category_1").alias("category"))
    return named.where("category IS NOT NULL")
