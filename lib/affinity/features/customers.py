"""What is known of a customer at a date: recency, frequency, money, rhythm, breadth, and what they look at."""

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from types import MappingProxyType

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from affinity.core.bot_rules import BotRules
from affinity.core.vocabulary import DayPart
from affinity.features.events import within
from affinity.features.grouped import ARRIVED, GROUP, SPEAKS, Files, cut, in_blocks, in_groups, parquet
from affinity.tables import silver, views
from affinity.tables.customer_features import ATTRIBUTES, FEATURES, Feature

_RULES = BotRules()
_MONEY = "decimal(18,4)"
_HOURS_OF_PART = 24 // len(DayPart)


def customer_features(
    contributions: DataFrame,
    *,
    as_of: date,
    categories: Path | None = None,
    currency: str | None = None,
) -> DataFrame:
    """Describe each customer by what they did before a date.

    Columns in: silver.subject_daily with customer_id. Columns out: customer_id and the ``FEATURES`` that
    ``tables.customer_features`` declares; one row per customer with at least one purchase. Days are counted in the
    business zone and to ``as_of``, windows are [as_of - days, as_of); ``mean_gap_days`` is null with one purchase day.
    With a ``currency`` purchases and returns in others are left out; what has no currency counts in each.

    An order, item, category or source is counted in a window if it was there on one of its days: an order may span
    days. ``categories`` are files with ``item_id, category``, few enough that each task reads them all; without them no
    item has one.

    One shuffle, by customer. Raises (when evaluated): a customer has amounts in several currencies and none was chosen.

    Source: recency, frequency and monetary value after Hughes, Strategic Database Marketing (1994).
    """
    known = contributions.where(within("event_date", None, as_of))
    if currency is not None:
        known = known.where(F.col("currency").isNull() | (F.col("currency") == currency))
    days = known.select("customer_id", *_COLUMNS)
    return in_groups(days, "customer_id", _statement(as_of, categories), _MADE).transform(_described, as_of=as_of)


def features_of_files(
    contributions: Files,
    customers: Path,
    *,
    as_of: date,
    categories: Path | None = None,
    currency: str | None = None,
) -> DataFrame:
    """``customer_features`` of rows of silver.subject_daily that tasks read themselves.

    ``customers`` are files with ``subject_id, customer_id`` of those that are not their own, few enough that each task
    reads them all.
    """
    n_groups = contributions.n_tasks(_GROUP_BYTES)
    is_of_it = "true" if currency is None else f"coalesce(currency, '{currency}') = '{currency}'"
    whose = "coalesce(customers.customer_id, subject_id)"
    days = f"""
        SELECT {whose} AS customer_id, {", ".join(_COLUMNS)}, (hash({whose}) % {n_groups})::INTEGER AS {GROUP}
        FROM {ARRIVED} LEFT JOIN {parquet(customers)} AS customers USING (subject_id)
        WHERE event_date < DATE '{as_of}' AND {is_of_it}"""
    made = in_blocks(cut(contributions, days), n_groups, _statement(as_of, categories), _MADE)
    return made.transform(_described, as_of=as_of)


def with_attributes(features: DataFrame, statements: DataFrame) -> DataFrame:
    """Add what files stated of each customer.

    Columns in: those of ``customer_features``; silver.customers of days before as_of, with customer_id. Columns out:
    the features and ``ATTRIBUTES``, each by the newest statement that names one, null where none does; of equally new
    ones that with the greater file_id counts, then source, then subject_key.
    """
    place = "struct(observed_ts, file_id, source, subject_key)"
    names = [attribute.name for attribute in ATTRIBUTES]
    newest = [F.expr(f"max_by({name}, {place}) FILTER (WHERE {name} IS NOT NULL)").alias(name) for name in names]
    return features.join(statements.groupBy("customer_id").agg(*newest), on="customer_id", how="left")


_HISTORY: Mapping[str, str] = MappingProxyType(
    {
        "customer_id": "string",
        "currency": "string",
        "first_date": "date",
        "last_date": "date",
        "n_units": "decimal(28,4)",
        "is_bot": "boolean",
        **{str(part): "bigint" for part in DayPart},
    }
)
"""What is made into features after the aggregate."""
_MADE = {**_HISTORY, **{feature.name: feature.type for feature in FEATURES if feature.measure}}
_COLUMNS = tuple(name for name in silver.SUBJECT_DAILY.column_names if name not in {"subject_id", "run_id"})
_GROUP_BYTES = 16 << 20
_OF_DAYS: Mapping[str, str] = MappingProxyType(
    {
        "monetary_amount": "sum(gross_amount)",
        "returns_amount": "sum(returned_amount)",
        "n_active_days": "count_if(n_purchases > 0)",
        "n_lines": "sum(n_purchases)",
        "n_views": "sum(n_views)",
        "n_carts": "sum(n_carts)",
        "n_sessions": "sum(n_sessions)",
        "n_visit_days": "count_if(hours > 0)",
    }
)
"""Measure → its aggregate over days."""
_OF_SETS: Mapping[str, str] = MappingProxyType(
    {"frequency": "order_keys", "n_items": "item_ids", "n_categories": "categories", "n_sources": "sources"}
)
"""Measure → the sets of which it counts the members."""
_NO_CATEGORIES = "(SELECT NULL AS item_id, NULL AS category WHERE false)"
_SEVERAL = f"""
    error('{SPEAKS}Amounts of a customer are in several currencies, expected one, got at least ' || min(lowest_currency)
    || ' and ' || max(highest_currency) || '; land their lines in one currency. Whose these are: SELECT customer_id '
    || 'FROM silver.subject_daily GROUP BY ALL HAVING min(currency) < max(currency)')"""


def _statement(as_of: date, categories: Path | None) -> str:
    """``_HISTORY`` and the declared measures, each over its window, of the contributions that arrived."""
    there = _NO_CATEGORIES if categories is None else parquet(categories)
    last_days = {name: _last_days(name) for name in _OF_SETS.values()} | {
        "categories": f"""
            SELECT customer_id, category AS member, max(event_date) AS event_date
            FROM item_ids JOIN {there} ON item_id = member GROUP BY customer_id, category"""
    }
    return f"""
        WITH rows AS MATERIALIZED (SELECT * FROM {ARRIVED}),
        days AS (
            SELECT counts.*, coalesce(sessions.n_sessions, 0) AS n_sessions
            FROM ({views.counts_of_days("rows")}) AS counts
            LEFT JOIN ({views.sessions_begun("rows")}) AS sessions USING (customer_id, event_date)
        ),
        history AS (
            SELECT customer_id,
                CASE WHEN min(lowest_currency) <> max(highest_currency) THEN {_SEVERAL}
                    ELSE min(lowest_currency) END AS currency,
                min(event_date) FILTER (n_purchases > 0) AS first_date,
                max(event_date) FILTER (n_purchases > 0) AS last_date,
                sum(n_units) AS n_units,
                bool_or(({views.bot_rule(_RULES)}) IS NOT NULL) AS is_bot,
                {", ".join(f"sum({_n_hours_in(part)}) AS {part}" for part in DayPart)},
                {", ".join(_measured(_OF_DAYS, as_of))}
            FROM days GROUP BY customer_id HAVING sum(n_purchases) > 0
        ),
        {", ".join(f"{sets} AS MATERIALIZED ({members})" for sets, members in last_days.items())},
        {", ".join(f"of_{sets} AS ({_counted(measure, sets, as_of)})" for measure, sets in _OF_SETS.items())}
        SELECT {", ".join(_typed())}
        FROM history {" ".join(f"LEFT JOIN of_{sets} USING (customer_id)" for sets in _OF_SETS.values())}"""


def _measured(aggregates: Mapping[str, str], as_of: date) -> list[str]:
    """The aggregates over the windows that features declare for them."""
    wanted = [feature for feature in FEATURES if feature.measure in aggregates]
    return [
        f"coalesce({aggregates[str(feature.measure)]} FILTER ({_is_in(feature, as_of)}), 0) AS {feature.name}"
        for feature in wanted
    ]


def _is_in(feature: Feature, as_of: date) -> str:
    days = feature.window_days
    return "true" if days is None else f"event_date >= DATE '{as_of - timedelta(days=days)}'"


def _last_days(sets: str) -> str:
    """The last day of each member of a customer's sets."""
    return f"""
        SELECT customer_id, member, max(event_date) AS event_date
        FROM (SELECT customer_id, event_date, unnest({sets}) AS member FROM rows) GROUP BY customer_id, member"""


def _counted(measure: str, sets: str, as_of: date) -> str:
    """Per customer how many members there are: one is within a window if its last day is."""
    return f"SELECT customer_id, {', '.join(_measured({measure: 'count(*)'}, as_of))} FROM {sets} GROUP BY customer_id"


def _typed() -> list[str]:
    """Every column as it is declared; a value that does not fit its type is an error."""
    of_sets = {feature.name for feature in FEATURES if feature.measure in _OF_SETS and not feature.null_meaning}
    values = {name: f"coalesce({name}, 0)" if name in of_sets else name for name in _MADE}
    return [f"{values[name]}::{views.type_of(kind)} AS {name}" for name, kind in _MADE.items()]


def _n_hours_in(part: DayPart) -> str:
    """In how many hours of a part of the day something was done."""
    first = _HOURS_OF_PART * list(DayPart).index(part)
    return f"bit_count(hours & {((1 << _HOURS_OF_PART) - 1) << first})"


def _described(history: DataFrame, *, as_of: date) -> DataFrame:
    made = _derived(as_of)
    return history.select("customer_id", *(made.get(f.name, F.col(f.name)).alias(f.name) for f in FEATURES))


def _derived(as_of: date) -> dict[str, Column]:
    """Feature → what it is made of, of those that are no measure."""
    return {
        "recency_days": F.datediff(F.lit(as_of), "last_date"),
        "net_amount": (F.col("monetary_amount") - F.col("returns_amount")).cast(_MONEY),
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
