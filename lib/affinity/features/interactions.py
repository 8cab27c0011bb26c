"""Who bought what, how often."""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from affinity.core.vocabulary import EventType
from affinity.features.events import is_type, order_key, within


def interactions(events: DataFrame, items: DataFrame, *, as_of: date, start: date | None = None) -> DataFrame:
    """Count the orders in [start, as_of) in which a customer bought an item that may be recommended.

    Columns in: silver.events; items with item_id (unique) and is_recommendable. Columns out: customer_id, item_id,
    weight double (distinct orders, at least 1); one row per pair. Anonymous events, events without an item and items
    unknown to ``items`` are left out.
    """
    is_line = F.col("customer_id").isNotNull() & F.col("item_id").isNotNull()
    recommendable = items.where("is_recommendable").select("item_id")
    return (
        events.where(is_type(EventType.PURCHASE) & within("event_date", start, as_of) & is_line)
        .join(F.broadcast(recommendable), on="item_id", how="left_semi")
        .transform(_n_orders)
    )


def unseen(interactions: DataFrame, seen: DataFrame) -> DataFrame:
    """Keep the pairs that a customer did not have before: what a recommender could have foreseen.

    Columns in: both frames customer_id, item_id. Columns out: customer_id, item_id, distinct.
    """
    pair = ["customer_id", "item_id"]
    return interactions.select(*pair).distinct().join(seen.select(*pair), on=pair, how="left_anti")


def _n_orders(lines: DataFrame) -> DataFrame:
    """Distinct orders per pair with one shuffle: rows of a customer stay together, so both groupings are local."""
    return (
        lines.select("customer_id", "item_id", order_key().alias("order_key"))
        .repartition("customer_id")
        .distinct()
        .groupBy("customer_id", "item_id")
        .agg(F.count(F.lit(1)).cast("double").alias("weight"))
    )
