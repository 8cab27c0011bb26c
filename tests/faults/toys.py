"""A job of two tables that needs no model: what is tested is the runner."""

from pyspark.sql import functions as F

from affinity.core.settings import Settings
from affinity.io.job import Inputs, Job, Kind, Outputs
from affinity.tables import gold, silver


def transform(inputs: Inputs, _settings: Settings) -> Outputs:
    """Everybody is in segment 1."""
    buyers = inputs[silver.EVENTS].where("customer_id IS NOT NULL")
    segments = buyers.select(
        "customer_id",
        F.lit(1).alias("segment_id"),
        F.lit(0.0).alias("distance"),
        F.lit("toy").alias("model_version"),
    ).distinct()
    profiles = buyers.groupBy().agg(
        F.lit(1).alias("segment_id"),
        F.lit("all").alias("segment_name"),
        F.countDistinct("customer_id").alias("n_customers"),
        F.lit(1.0).alias("customers_share"),
        F.lit(1.0).alias("monetary_share"),
        F.lit(1.0).alias("recency_median_days"),
        F.lit(1.0).alias("frequency_mean"),
        F.sum("amount").cast("decimal(18,4)").alias("monetary_mean_amount"),
        F.lit("GBP").alias("currency"),
        F.lit("toy").alias("model_version"),
    )
    return Outputs({gold.CUSTOMER_SEGMENTS: segments, gold.SEGMENT_PROFILES: profiles})


TWO_TABLES = Job(
    name="two_tables",
    kind=Kind.TRANSFORM,
    doc="Publish two tables of one release.",
    reads=(silver.EVENTS, silver.IDENTITY_CHANGES),
    writes=(gold.CUSTOMER_SEGMENTS, gold.SEGMENT_PROFILES),
    settings=Settings,
    transform=transform,
)
