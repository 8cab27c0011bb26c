"""What people did day by day: contributions that add up, and what they add up to for each customer."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from affinity.core.vocabulary import EventType
from affinity.features.events import is_type, only_currency, order_key
from affinity.features.sessions import SESSION_GAP, n_sessions_begun, session_ends, session_starts

_MONEY = "decimal(18,4)"
COUNTS: Mapping[EventType, str] = MappingProxyType(
    {
        EventType.VIEW: "n_views",
        EventType.SEARCH: "n_searches",
        EventType.CART: "n_carts",
        EventType.PURCHASE: "n_purchases",
        EventType.RETURN: "n_returns",
        EventType.REVIEW: "n_reviews",
        EventType.CONTACT: "n_contacts",
    }
)
"""How events of a type are counted."""
_SUMS = ("n_units", "gross_amount", "returned_amount")
_SETS = ("order_keys", "item_ids", "sources")


def subject_daily(events: DataFrame, zone: str, *, gap: timedelta = SESSION_GAP) -> DataFrame:
    """What a batch of events contributes to the days of each subject.

    Columns in: those of silver.events, and subject_id; anonymous events (subject_id null) are left out. Columns out:
    silver.subject_daily without run_id; one row per subject_id, event_date and currency. ``currency`` is that of
    purchases and returns, null on the rows of everything else, whatever price it names.

    An amount that is null counts as 0, a purchase without quantity as one unit, one without order_id as an order of its
    own. ``hours`` has bit h set where something was done in hour h of ``zone``; where a clock is put back, both hours
    of one name share a bit. Contacts are done to a person: they are counted, and make no hour and no session.

    One shuffle, after sums were made on the map side: of every event only its time travels, eight bytes. A row is
    bounded by the subject's day.
    """
    return (
        events.where(F.col("subject_id").isNotNull())
        .transform(_narrowed, zone)
        .groupBy("subject_id", "event_date", "currency")
        .agg(*_counted())
        .transform(_contributions, gap)
    )


def customer_daily(contributions: DataFrame, *, currency: str | None = None, gap: timedelta = SESSION_GAP) -> DataFrame:
    """What each customer did on each day, of all contributions of all their subjects, in whatever pieces they came.

    Columns in: silver.subject_daily with customer_id. Columns out, one row per customer_id and event_date: customer_id,
    event_date, the counts ``n_views … n_contacts`` and their sum n_events, n_orders, n_items, n_sources, n_sessions,
    n_hours (int); n_units, gross_amount, returned_amount, net_amount (decimal); currency; order_keys, item_ids, sources
    (distinct, sorted, so that counts over several days can be exact); hours (bits as in silver.subject_daily); first_ts
    and last_ts (of what the customer did; null on a day of contacts alone). ``gap`` is that of the contributions.

    A session counts on the day on which it begins, so the contributions have to reach one day further back than the
    first day whose sessions are looked at. With a ``currency`` purchases and returns in others are left out; what has
    no currency counts in each. One shuffle, by customer.

    Raises (when evaluated): a customer has amounts in several currencies on one day and none was chosen.
    """
    days = (
        contributions.where(F.lit(True) if currency is None else _is_in(currency))
        .repartition("customer_id")
        .groupBy("customer_id", "event_date")
        .agg(*_merged())
    )
    return days.transform(_with_sessions, gap).transform(_described)


def _narrowed(events: DataFrame, zone: str) -> DataFrame:
    """What the aggregate reads; bought_* columns are null where nothing was bought."""
    is_purchase, is_return = is_type(EventType.PURCHASE), is_type(EventType.RETURN)
    is_done = ~is_type(EventType.CONTACT)
    return events.select(
        "subject_id",
        "event_date",
        F.when(is_purchase | is_return, F.col("currency")).alias("currency"),
        "event_type",
        "source",
        F.when(is_purchase, order_key()).alias("bought_order"),
        F.when(is_purchase, F.col("item_id")).alias("bought_item"),
        F.when(is_purchase, F.coalesce("quantity", F.lit(1))).alias("bought_quantity"),
        F.when(is_purchase, F.col("amount")).alias("bought_amount"),
        F.when(is_return, F.col("amount")).alias("returned"),
        F.when(is_done, F.col("event_ts")).alias("done_ts"),
        F.when(is_done, _hour_bit("event_ts", zone)).alias("hour_bit"),
    )


def _hour_bit(ts: str, zone: str) -> Column:
    # The session's zone is UTC: moved to the wall clock of the zone, the hour that shows is the one meant.
    return F.call_function("shiftleft", F.lit(1), F.hour(F.from_utc_timestamp(ts, zone)))


def _counted() -> list[Column]:
    return [
        *(F.count_if(is_type(event_type)).alias(name) for event_type, name in COUNTS.items()),
        _total("bought_quantity").alias("n_units"),
        _total("bought_amount").alias("gross_amount"),
        _total("returned").alias("returned_amount"),
        F.sort_array(F.collect_set("bought_order")).alias("order_keys"),
        F.sort_array(F.collect_set("bought_item")).alias("item_ids"),
        F.sort_array(F.collect_set("source")).alias("sources"),
        F.coalesce(F.bit_or("hour_bit"), F.lit(0)).alias("hours"),
        F.sort_array(F.collect_list("done_ts")).alias("times"),
    ]


def _total(column: str) -> Column:
    """The sum as a decimal, 0 where there is nothing to add; ANSI mode raises where it does not fit."""
    return F.coalesce(F.sum(column), F.lit(0)).cast(_MONEY)


def _contributions(days: DataFrame, gap: timedelta) -> DataFrame:
    return days.select(
        "subject_id",
        "event_date",
        "currency",
        *COUNTS.values(),
        *_SUMS,
        *_SETS,
        "hours",
        session_starts("times", "times", gap).alias("session_starts"),
        session_ends("times", "times", gap).alias("session_ends"),
    )


def _is_in(currency: str) -> Column:
    return F.col("currency").isNull() | (F.col("currency") == currency)


def _merged() -> list[Column]:
    return [
        *(F.sum(name).alias(name) for name in COUNTS.values()),
        *(_total(name).alias(name) for name in _SUMS),
        *(F.sort_array(F.array_distinct(_all(name))).alias(name) for name in _SETS),
        F.bit_or("hours").alias("hours"),
        F.min("currency").alias("lowest_currency"),
        F.max("currency").alias("highest_currency"),
        F.sort_array(_all("session_starts")).alias("starts"),
        F.sort_array(_all("session_ends")).alias("ends"),
    ]


def _all(arrays: str) -> Column:
    return F.flatten(F.collect_list(arrays))


def _with_sessions(days: DataFrame, gap: timedelta) -> DataFrame:
    """Join the day's intervals, and look back to the end of what was done last before the day."""
    before = Window.partitionBy("customer_id").orderBy("event_date")
    before = before.rowsBetween(Window.unboundedPreceding, -1)
    last_end = F.last("last_ts", ignorenulls=True).over(before)
    ends = {"first_ts": F.get("starts", F.lit(0)), "last_ts": F.get("ends", F.size("ends") - 1)}
    joined = days.withColumns({**ends, "session_starts": session_starts("starts", "ends", gap)})
    n_sessions = n_sessions_begun("session_starts", "last_end", gap)
    return joined.withColumn("last_end", last_end).withColumn("n_sessions", n_sessions)


def _described(days: DataFrame) -> DataFrame:
    n_events = sum((F.col(name) for name in COUNTS.values()), F.lit(0))
    return days.select(
        "customer_id",
        "event_date",
        *COUNTS.values(),
        n_events.cast("bigint").alias("n_events"),
        F.size("order_keys").alias("n_orders"),
        F.size("item_ids").alias("n_items"),
        F.size("sources").alias("n_sources"),
        "n_sessions",
        F.bit_count("hours").alias("n_hours"),
        *_SUMS,
        (F.col("gross_amount") - F.col("returned_amount")).cast(_MONEY).alias("net_amount"),
        only_currency("lowest_currency", "highest_currency", "a customer").alias("currency"),
        *_SETS,
        "hours",
        "first_ts",
        "last_ts",
    )
