"""What people did day by day: contributions that add up to silver.customer_daily."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from affinity.core.vocabulary import EventType
from affinity.features.events import is_type, order_key
from affinity.features.grouped import ARRIVED, in_groups
from affinity.tables import silver

SESSION_GAP = timedelta(minutes=30)
"""The longest pause within a session. A session is cut by nothing else: not at midnight, by device or by source."""
_COUNTED: Mapping[str, EventType] = MappingProxyType(
    {
        "n_views": EventType.VIEW,
        "n_searches": EventType.SEARCH,
        "n_carts": EventType.CART,
        "n_purchases": EventType.PURCHASE,
        "n_returns": EventType.RETURN,
        "n_reviews": EventType.REVIEW,
        "n_contacts": EventType.CONTACT,
    }
)
_ADDED: Mapping[str, str] = MappingProxyType(
    {
        "n_units": "sum(bought_quantity)",
        "gross_amount": f"sum(amount) FILTER (event_type = '{EventType.PURCHASE}')",
        "returned_amount": f"sum(amount) FILTER (event_type = '{EventType.RETURN}')",
    }
)
_COLLECTED: Mapping[str, str] = MappingProxyType(
    {"order_keys": "bought_order", "item_ids": "bought_item", "sources": "source"}
)


def subject_daily(events: DataFrame, zone: str) -> DataFrame:
    """What a batch of events contributes to the days of each subject.

    Columns in: those of silver.events, and subject_id; anonymous events (subject_id null) are left out. Columns out:
    silver.subject_daily without run_id; one row per subject_id, event_date and currency. ``currency`` is that of
    purchases and returns, null on the rows of everything else, whatever price it names.

    An amount that is null counts as 0, a purchase without quantity as one unit, one without order_id as an order of its
    own. ``hours`` has bit h set where something was done in hour h of ``zone``; where a clock is put back, both hours
    of one name share a bit. Contacts are done to a person: they are counted, and make no hour and no session. A session
    ends where more than ``SESSION_GAP`` passes; a pause of exactly that is within.

    One shuffle, by subject. A row is bounded by the subject's day.
    """
    columns = {column.name: column.type for column in silver.SUBJECT_DAILY.columns if column.name != "run_id"}
    narrowed = events.where(F.col("subject_id").isNotNull()).transform(_narrowed, zone)
    return in_groups(narrowed, "subject_id", _contributions(), columns)


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
        F.when(is_purchase | is_return, F.col("amount")).alias("amount"),
        F.when(is_done, F.col("event_ts")).alias("done_ts"),
        F.when(is_done, _hour_bit("event_ts", zone)).alias("hour_bit"),
    )


def _hour_bit(ts: str, zone: str) -> Column:
    # The session's zone is UTC: moved to the wall clock of the zone, the hour that shows is the one meant.
    return F.call_function("shiftleft", F.lit(1), F.hour(F.from_utc_timestamp(ts, zone)))


def _contributions() -> str:
    counts = (f"count(*) FILTER (event_type = '{of_type}') AS {name}" for name, of_type in _COUNTED.items())
    sums = (f"coalesce({what}, 0)::DECIMAL(18, 4) AS {name}" for name, what in _ADDED.items())
    sets = (f"{_all(f'list_distinct(list({w}) FILTER ({w} IS NOT NULL))')} AS {n}" for n, w in _COLLECTED.items())
    gap = f"INTERVAL {SESSION_GAP // timedelta(seconds=1)} SECOND"
    return f"""
        WITH days AS (
            SELECT subject_id, event_date, currency, {", ".join((*counts, *sums, *sets))},
                coalesce(bit_or(hour_bit), 0) AS hours,
                {_all("list(done_ts) FILTER (done_ts IS NOT NULL)")} AS times
            FROM {ARRIVED} GROUP BY subject_id, event_date, currency
        )
        SELECT * EXCLUDE (times),
            list_filter(times, lambda ts, i: i = 1 OR ts - times[i - 1] > {gap}) AS session_starts,
            list_filter(times, lambda ts, i: i = len(times) OR times[i + 1] - ts > {gap}) AS session_ends
        FROM days"""


def _all(values: str) -> str:
    """Sorted, and empty where there are none."""
    return f"coalesce(list_sort({values}), [])"
