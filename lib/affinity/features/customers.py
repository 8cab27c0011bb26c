"""What is known of a customer at a date: recency, frequency, money, rhythm, breadth, and what they look at."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from types import MappingProxyType

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from affinity.core.bot_rules import BotRules
from affinity.core.vocabulary import DayPart
from affinity.features.bots import DEFAULT_RULES, bot_rule
from affinity.features.events import only_currency, within
from affinity.tables.customer_features import FEATURES, Feature

_MONEY = "decimal(18,4)"
_HOURS_OF_PART = 24 // len(DayPart)


def customer_features(daily: DataFrame, *, as_of: date, rules: BotRules = DEFAULT_RULES) -> DataFrame:
    """Describe each customer by what they did before a date.

    Columns in: ``customer_daily``. Columns out: gold.customer_features without as_of_date and run_id, as
    ``tables.customer_features`` declares them; one row per customer with at least one purchase. Days are counted in the
    business zone and to ``as_of``, windows are [as_of - days, as_of); ``mean_gap_days`` is null with one purchase day.

    Distinct orders and items are sizes of the union of the days' sets: an order may span days. A set is bounded by the
    customer's own history. Rows of ``customer_daily`` lie by customer already: there is no further shuffle.

    Raises (when evaluated): a customer has amounts in several currencies; ``customer_daily`` can be told to count one.

    Source: recency, frequency and monetary value after Hughes, Strategic Database Marketing (1994).
    """
    return (
        daily.where(within("event_date", None, as_of))
        .groupBy("customer_id")
        .agg(*_history(rules), *(_measured(feature, as_of) for feature in FEATURES if feature.measure))
        .where("n_lines > 0")
        .transform(_described, as_of=as_of)
    )


def _has_bought() -> Column:
    return F.col("n_purchases") > 0


def _has_done() -> Column:
    return F.col("first_ts").isNotNull()


def _n_distinct(sets: str) -> Callable[[Column], Column]:
    def measure(is_in: Column) -> Column:
        counted = F.when(is_in & (F.size(sets) > 0), F.col(sets))
        return F.size(F.array_distinct(F.flatten(F.collect_list(counted))))

    return measure


def _total(column: str) -> Callable[[Column], Column]:
    return lambda is_in: F.coalesce(F.sum(F.when(is_in, F.col(column))), F.lit(0))


def _n_days(condition: Callable[[], Column]) -> Callable[[Column], Column]:
    return lambda is_in: F.count_if(is_in & condition())


_AGGREGATES: Mapping[str, Callable[[Column], Column]] = MappingProxyType(
    {
        "frequency": _n_distinct("order_keys"),
        "monetary_amount": _total("gross_amount"),
        "returns_amount": _total("returned_amount"),
        "n_active_days": _n_days(_has_bought),
        "n_items": _n_distinct("item_ids"),
        "n_lines": _total("n_purchases"),
        "n_views": _total("n_views"),
        "n_carts": _total("n_carts"),
        "n_sessions": _total("n_sessions"),
        "n_visit_days": _n_days(_has_done),
        "n_sources": _n_distinct("sources"),
    }
)
"""Measure → the aggregate over those days for which a condition holds."""


def _measured(feature: Feature, as_of: date) -> Column:
    """The aggregate of a declared measure over its window; ANSI mode raises where it does not fit."""
    days = feature.window_days
    is_in = F.lit(True) if days is None else F.col("event_date") >= F.lit(as_of - timedelta(days=days))
    return _AGGREGATES[str(feature.measure)](is_in).cast(feature.type).alias(feature.name)


def _history(rules: BotRules) -> list[Column]:
    """What is made into features after the aggregate."""
    bought_date = F.when(_has_bought(), F.col("event_date"))
    parts = [F.sum(n_hours_in(part)).alias(part) for part in DayPart]
    return [
        F.min("currency").alias("lowest_currency"),
        F.max("currency").alias("highest_currency"),
        F.min(bought_date).alias("first_date"),
        F.max(bought_date).alias("last_date"),
        F.sum("n_units").alias("n_units"),
        F.bool_or(bot_rule(rules).isNotNull()).alias("is_bot"),
        *parts,
    ]


def _described(history: DataFrame, *, as_of: date) -> DataFrame:
    made = _derived(as_of)
    return history.select("customer_id", *(made.get(f.name, F.col(f.name)).alias(f.name) for f in FEATURES))


def _derived(as_of: date) -> dict[str, Column]:
    """Feature → what it is made of, of those that are no measure."""
    return {
        "recency_days": F.datediff(F.lit(as_of), "last_date"),
        "net_amount": (F.col("monetary_amount") - F.col("returns_amount")).cast(_MONEY),
        "currency": only_currency("lowest_currency", "highest_currency", "a customer"),
        "tenure_days": F.datediff(F.lit(as_of), "first_date"),
        "mean_gap_days": mean_gap_days("first_date", "last_date", "n_active_days"),
        "mean_order_amount": (F.col("monetary_amount") / F.col("frequency")).cast(_MONEY),
        "mean_order_lines": F.col("n_lines") / F.col("frequency"),
        "mean_line_quantity": F.col("n_units").cast("double") / F.col("n_lines"),
        "preferred_day_part": _preferred_day_part(),
    }


def _preferred_day_part() -> Column:
    """The part of the day with most hours; of equals the earlier."""
    ranked = [
        F.struct(F.col(part).alias("n_hours"), F.lit(-place).alias("place"), F.lit(str(part)).alias("part"))
        for place, part in enumerate(DayPart)
    ]
    return F.greatest(*ranked).getField("part")


def n_hours_in(part: DayPart) -> Column:
    """In how many hours of a part of the day something was done.

    Columns: hours of ``customer_daily`` → int.

    >>> from pyspark.sql import SparkSession
    >>> spark = SparkSession.builder.getOrCreate()
    >>> days = spark.sql("SELECT shiftleft(1, 0) + shiftleft(1, 12) + shiftleft(1, 17) AS hours")
    >>> days.select(*(n_hours_in(part).alias(part) for part in DayPart)).show()
    +-----+-------+---------+-------+
    |night|morning|afternoon|evening|
    +-----+-------+---------+-------+
    |    1|      0|        2|      0|
    +-----+-------+---------+-------+
    <BLANKLINE>
    """
    first = _HOURS_OF_PART * list(DayPart).index(part)
    bits = ((1 << _HOURS_OF_PART) - 1) << first
    return F.bit_count(F.col("hours").bitwiseAND(F.lit(bits)))


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
