"""What was bought together."""

from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from affinity.core.vocabulary import EventType
from affinity.features.events import is_type, within


def baskets(events: DataFrame, *, as_of: date, start: date | None = None) -> DataFrame:
    """Gather the items of each order bought in [start, as_of); anonymous orders count.

    Columns in: silver.events. Columns out: source, order_id, items array<string> (distinct, sorted). A purchase
    without order_id or item_id is in no basket; an order id is unique within its source.
    """
    is_line = F.col("order_id").isNotNull() & F.col("item_id").isNotNull()
    return (
        events.where(is_type(EventType.PURCHASE) & within("event_date", start, as_of) & is_line)
        .groupBy("source", "order_id")
        .agg(F.sort_array(F.collect_set("item_id")).alias("items"))
    )
