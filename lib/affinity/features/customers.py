"""What is known of a customer at a date: recency, frequency, money, rhythm and breadth."""

from datetime import date, timedelta

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from affinity.core.vocabulary import EventType
from affinity.features.events import is_type, only_currency, order_key, within

_MONEY = "decimal(18,4)"
_RECENT_DAYS = (30, 90)


def customer_features(events: DataFrame, *, as_of: date, currency: str | None = None) -> DataFrame:
    """Describe each customer by what they bought and returned before a date.

    Columns in: silver.events. Columns out: gold.customer_features without as_of_date and run_id; one row per customer
    with at least one purchase, anonymous events left out. Days are counted in the business zone and to ``as_of``;
    amounts are in ``currency``; ``mean_gap_days`` is null with one purchase day. An amount that is null counts as 0, a
    quantity that is null as 1, a purchase without order_id as an order of its own. With a ``currency`` only events in
    it count.

    Distinct orders, items and days are sizes of sets, not ``count_distinct``: several of those multiply every line in
    an Expand, sets are merged on the map side and cost the one shuffle by customer. A set is bounded by the customer's
    own history.

    Raises (when evaluated): a customer has amounts in several currencies and none was chosen.

    Source: recency, frequency and monetary value after Hughes, Strategic Database Marketing (1994).
    """
    counted = events if currency is None else events.where(F.col("currency") == currency)
    return (
        counted.where(within("event_date", None, as_of) & F.col("customer_id").isNotNull())
        .transform(_lines, as_of=as_of)
        .groupBy("customer_id")
        .agg(*_history(), *_recent())
        .where("n_lines > 0")
        .transform(_described, as_of=as_of)
    )


def _lines(events: DataFrame, *, as_of: date) -> DataFrame:
    """Purchases and returns, narrowed to what the aggregate reads; bought_* columns are null on a return."""
    is_purchase = is_type(EventType.PURCHASE)
    recent = [F.col("event_date") >= F.lit(as_of - timedelta(days=n)) for n in _RECENT_DAYS]
    return events.where(is_purchase | is_type(EventType.RETURN)).select(
        "customer_id",
        "currency",
        F.when(is_purchase, order_key()).alias("bought_order"),
        F.when(is_purchase, F.col("item_id")).alias("bought_item"),
        F.when(is_purchase, F.col("event_date")).alias("bought_date"),
        F.when(is_purchase, F.coalesce("amount", F.lit(0))).alias("bought_amount"),
        F.when(is_purchase, F.coalesce("quantity", F.lit(1))).alias("bought_quantity"),
        F.when(is_type(EventType.RETURN), F.col("amount")).alias("returned_amount"),
        *(is_recent.alias(f"is_recent_{n}d") for n, is_recent in zip(_RECENT_DAYS, recent, strict=True)),
    )


def _history() -> list[Column]:
    return [
        F.min("currency").alias("lowest_currency"),
        F.max("currency").alias("highest_currency"),
        F.min("bought_date").alias("first_date"),
        F.max("bought_date").alias("last_date"),
        _n_distinct(F.col("bought_order")).alias("frequency"),
        _n_distinct(F.col("bought_date")).alias("n_active_days"),
        _n_distinct(F.col("bought_item")).alias("n_items"),
        F.count("bought_order").alias("n_lines"),
        F.sum("bought_quantity").alias("n_units"),
        _money("bought_amount").alias("monetary_amount"),
        _money("returned_amount").alias("returns_amount"),
    ]


def _recent() -> list[Column]:
    return [
        aggregate
        for n in _RECENT_DAYS
        for aggregate in (
            _n_distinct(F.when(F.col(f"is_recent_{n}d"), F.col("bought_order"))).alias(f"frequency_{n}d"),
            _money("bought_amount", F.col(f"is_recent_{n}d")).alias(f"monetary_{n}d_amount"),
        )
    ]


def _n_distinct(column: Column) -> Column:
    return F.size(F.collect_set(column)).cast("bigint")


def _money(amount: str, condition: Column | None = None) -> Column:
    """The sum as money, 0 where there is nothing to add; ANSI mode raises where it does not fit."""
    counted = F.col(amount) if condition is None else F.when(condition, F.col(amount))
    return F.coalesce(F.sum(counted), F.lit(0)).cast(_MONEY)


def _described(history: DataFrame, *, as_of: date) -> DataFrame:
    return history.select(
        "customer_id",
        F.datediff(F.lit(as_of), "last_date").alias("recency_days"),
        "frequency",
        "monetary_amount",
        "returns_amount",
        (F.col("monetary_amount") - F.col("returns_amount")).cast(_MONEY).alias("net_amount"),
        only_currency("lowest_currency", "highest_currency", "a customer").alias("currency"),
        F.datediff(F.lit(as_of), "first_date").alias("tenure_days"),
        "n_active_days",
        "n_items",
        "n_lines",
        mean_gap_days("first_date", "last_date", "n_active_days").alias("mean_gap_days"),
        (F.col("monetary_amount") / F.col("frequency")).cast(_MONEY).alias("mean_order_amount"),
        (F.col("n_lines") / F.col("frequency")).alias("mean_order_lines"),
        (F.col("n_units").cast("double") / F.col("n_lines")).alias("mean_line_quantity"),
        "frequency_30d",
        "monetary_30d_amount",
        "frequency_90d",
        "monetary_90d_amount",
    )


def mean_gap_days(first_date: str, last_date: str, n_active_days: str) -> Column:
    """The mean number of days between consecutive purchase days.

    Columns: first and last purchase day, number of such days → double; null with one such day, where there is no gap.

    >>> from pyspark.sql import SparkSession
    >>> spark = SparkSession.builder.getOrCreate()
    >>> days = [(date(2011, 1, 1), date(2011, 1, 8), 3), (date(2011, 1, 1), date(2011, 1, 1), 1)]
    >>> histories = spark.createDataFrame(days, "first date, last date, n bigint")
    >>> histories.select(mean_gap_days("first", "last", "n").alias("mean_gap_days")).show()
    +-------------+
    |mean_gap_days|
    +-------------+
    |          3.5|
    |         NULL|
    +-------------+
    <BLANKLINE>
    """
    n_gaps = F.nullif(F.col(n_active_days) - 1, F.lit(0))
    return F.datediff(last_date, first_date) / n_gaps
