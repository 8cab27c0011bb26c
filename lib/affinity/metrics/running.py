"""Running sums and positions over all rows of a frame, without one task that sees them all."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

# 64 buckets keep the window of a hundred million rows at some two million per task; the sample is large enough for
# buckets of about equal size and small enough for every task to hold.
_N_SAMPLED = 1024
_ROWS_PER_BOUND = 16


def with_running_sums(frame: DataFrame, *, by: Column, **values: Column) -> DataFrame:
    """Add, for each named value, its sum over all rows up to this one.

    Columns in: what ``by`` and ``values`` read; ``by`` is a total order (unique, not null). Columns out: the frame's
    own and, per value, ``<name>`` (running sum in ascending ``by``, this row included) and ``<name>_total``. A value
    that is null counts as 0.

    A window without partition columns would bring all rows into one task. Here rows fall into ranges of ``by``, cut at
    a fixed sample of its values (those with the smallest hash); a window runs inside each range and the sums of the
    ranges before it are added. Nothing depends on partitions, and nothing passes through the driver; the frame is
    evaluated three times, so it must be deterministic.
    """
    names = list(values)
    valued = frame.select("*", by.alias("_by"), *(F.coalesce(values[n], F.lit(0)).alias(n) for n in names))
    bucketed = _bucketed(valued)
    upto = Window.partitionBy("_bucket").orderBy("_by").rowsBetween(Window.unboundedPreceding, Window.currentRow)
    return bucketed.join(F.broadcast(_offsets(bucketed, names)), on="_bucket", how="inner").select(
        *frame.columns,
        *((F.sum(n).over(upto) + F.col(f"_before_{n}")).alias(n) for n in names),
        *(f"{n}_total" for n in names),
    )


def with_position(frame: DataFrame, *, by: Column) -> DataFrame:
    """Number all rows from 1 in ascending ``by``.

    Columns out: the frame's own, position bigint, position_total bigint (number of rows). See ``with_running_sums``.
    """
    return with_running_sums(frame, by=by, position=F.lit(1).cast("bigint"))


def _bucketed(valued: DataFrame) -> DataFrame:
    """Add the range of ``by`` that a row falls into, as the number of cuts at or below it."""
    sample = valued.select("_by").orderBy(F.xxhash64("_by"), "_by").limit(_N_SAMPLED)
    cuts = sample.agg(F.sort_array(F.collect_list("_by")).alias("_cuts")).select(
        F.filter("_cuts", lambda _, index: index % _ROWS_PER_BOUND == 0).alias("_cuts")
    )
    bucket = F.size(F.filter("_cuts", lambda cut: cut <= F.col("_by")))
    return valued.crossJoin(F.broadcast(cuts)).withColumn("_bucket", bucket).drop("_cuts")


def _offsets(bucketed: DataFrame, names: list[str]) -> DataFrame:
    """One row per range: the sums of all ranges before it, and of all ranges."""
    sums = bucketed.groupBy("_bucket").agg(*(F.sum(n).alias(n) for n in names))
    ranges = sums.agg(F.collect_list(F.struct("_bucket", *names)).alias("_ranges"))
    return ranges.select(F.explode("_ranges").alias("_range"), "_ranges").select(
        "_range._bucket",
        *(_sum_before(n).alias(f"_before_{n}") for n in names),
        *(_sum_all(n).alias(f"{n}_total") for n in names),
    )


def _sum_before(name: str) -> Column:
    before = F.filter("_ranges", lambda r: r["_bucket"] < F.col("_range._bucket"))
    return _sum(F.transform(before, lambda r: r[name]), name)


def _sum_all(name: str) -> Column:
    return _sum(F.transform("_ranges", lambda r: r[name]), name)


def _sum(numbers: Column, name: str) -> Column:
    """The sum of an array, in the type of its elements."""
    zero = F.col(f"_range.{name}") - F.col(f"_range.{name}")
    return F.aggregate(numbers, zero, lambda total, number: total + number)
