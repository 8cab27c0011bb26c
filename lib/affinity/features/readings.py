"""Lines that were read more than once: which reading counts, and what a corrected mapping takes."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from affinity.core.vocabulary import Defect

_LINE = ("source", "file_id", "line_no")


def last_readings(lines: DataFrame) -> DataFrame:
    """Of every line its last reading: rows of bronze.events → those that count."""
    again = lines.where(F.col("reading") > 1).groupBy(*_LINE).agg(F.max("reading").alias("last_reading"))
    found = lines.join(again, on=list(_LINE), how="left")
    return found.where(F.col("reading") == F.coalesce("last_reading", F.lit(1))).drop("last_reading")


def taken(rows: DataFrame, before: DataFrame, reason: Defect) -> DataFrame:
    """Rows that their source takes now and did not for ``reason``, as bronze.events without ``run_id``.

    ``rows`` are all lines of some files as they are read now: bronze.events without ``reading`` and ``run_id``.
    ``before`` are the same lines as they count in bronze.events, one row each.
    """
    asked = before.where(F.col("rejection") == reason).select(*_LINE, (F.col("reading") + 1).alias("reading"))
    found = rows.where(F.col("rejection").isNull()).join(asked, on=list(_LINE), how="inner")
    return _with_own_ids(found, before)


def _with_own_ids(rows: DataFrame, before: DataFrame) -> DataFrame:
    """Another id where a line that was taken before has it: lines can be equal that are spelled in two ways."""
    names = ("source", "file_id", "event_id")
    used = before.where(F.col("rejection").isNull() & _is_of_line()).select(*names, F.lit(True).alias("is_used"))
    known = rows.join(used.distinct(), on=list(names), how="left")
    spelled = F.concat_ws("|", "source", "event_id", F.col("line_no").cast("string"))
    own_id = F.concat(F.lit("l"), F.left(F.sha2(spelled, 256), F.lit(31)))
    return known.withColumn("event_id", F.when(F.col("is_used"), own_id).otherwise(F.col("event_id"))).drop("is_used")


def _is_of_line() -> Column:
    return F.col("event_id").startswith("l")
