"""What a segment is like, in figures and in words."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from affinity.features.events import only_currency


def profiles(features: DataFrame, segments: DataFrame) -> DataFrame:
    """Summarise each segment.

    Columns in: gold.customer_features; segments with customer_id (unique) and segment_id. Columns out:
    gold.segment_profiles without as_of_date, run_id and model_version; one row per segment that has customers.
    Medians are exact.

    Raises (when evaluated): a segment mixes currencies.
    """
    members = features.join(segments.select("customer_id", "segment_id"), on="customer_id", how="inner")
    overall = members.agg(
        F.count(F.lit(1)).alias("all_customers"),
        F.sum("monetary_amount").alias("all_amount"),
        F.median("recency_days").alias("all_recency"),
        F.mean("frequency").alias("all_frequency"),
        F.mean("monetary_amount").cast("double").alias("all_monetary"),
    )
    return _summed(members).crossJoin(F.broadcast(overall)).transform(_described)


def segment_name(recency: Column, frequency: Column, monetary: Column) -> Column:
    """A reading aid made of a segment's figures over those of all customers.

    Columns: three ratios (segment over all) of median recency, mean frequency and mean spend → string. Recent is a
    ratio of at most 1; frequent and high are at least 1.5, rare and low at most 0.5, the rest is average. Two segments
    may read alike: the name is no key.

    >>> from pyspark.sql import SparkSession
    >>> spark = SparkSession.builder.getOrCreate()
    >>> ratios = [(0.2, 3.0, 4.0), (2.5, 0.4, 0.3), (0.9, 1.0, 0.8)]
    >>> segments = spark.createDataFrame(ratios, "r double, f double, m double")
    >>> segments.select(segment_name(F.col("r"), F.col("f"), F.col("m")).alias("segment_name")).show(truncate=False)
    +-------------------------------------+
    |segment_name                         |
    +-------------------------------------+
    |recent, frequent orders, high spend  |
    |lapsed, rare orders, low spend       |
    |recent, average orders, average spend|
    +-------------------------------------+
    <BLANKLINE>
    """
    return F.concat_ws(
        ", ",
        F.when(recency <= 1, "recent").when(recency > 1, "lapsed"),
        F.concat_ws(" ", _level(frequency, "frequent", "rare"), F.lit("orders")),
        F.concat_ws(" ", _level(monetary, "high", "low"), F.lit("spend")),
    )


def _level(ratio: Column, high: str, low: str) -> Column:
    return F.when(ratio >= 1.5, high).when(ratio <= 0.5, low).when(ratio.isNotNull(), "average")


def _summed(members: DataFrame) -> DataFrame:
    return members.groupBy("segment_id").agg(
        F.count(F.lit(1)).alias("n_customers"),
        F.sum("monetary_amount").alias("amount"),
        F.median("recency_days").alias("recency_median_days"),
        F.mean("frequency").alias("frequency_mean"),
        F.mean("monetary_amount").alias("monetary_mean"),
        F.min("currency").alias("lowest_currency"),
        F.max("currency").alias("highest_currency"),
    )


def _described(summed: DataFrame) -> DataFrame:
    # Divisions by try_divide: where all recencies or amounts are 0 a ratio is unknown, and its word is left out.
    name = segment_name(
        F.try_divide(F.col("recency_median_days"), F.col("all_recency")),
        F.try_divide(F.col("frequency_mean"), F.col("all_frequency")),
        F.try_divide(F.col("monetary_mean").cast("double"), F.col("all_monetary")),
    )
    return summed.select(
        "segment_id",
        name.alias("segment_name"),
        "n_customers",
        (F.col("n_customers") / F.col("all_customers")).alias("customers_share"),
        _share("amount", "all_amount").alias("monetary_share"),
        "recency_median_days",
        "frequency_mean",
        F.col("monetary_mean").cast("decimal(18,4)").alias("monetary_mean_amount"),
        only_currency("lowest_currency", "highest_currency", "a segment").alias("currency"),
    )


def _share(part: str, whole: str) -> Column:
    return F.coalesce(F.try_divide(F.col(part).cast("double"), F.col(whole).cast("double")), F.lit(0.0))
