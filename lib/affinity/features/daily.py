"""What people did day by day: contributions that add up to silver.customer_daily."""

from collections.abc import Mapping
from types import MappingProxyType

from affinity.core.vocabulary import EventType
from affinity.tables.views import are_apart

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


def contributions(events: str, zone: str) -> str:
    """What events contribute to the days of each subject, as DuckDB says it.

    Columns in: those of silver.events, and subject_id; anonymous events (subject_id null) are left out. Columns out:
    silver.subject_daily without run_id; one row per subject_id, event_date and currency. ``currency`` is that of
    purchases and returns, null on the rows of everything else, whatever price it names.

    An amount that is null counts as 0, a purchase without quantity as one unit, one without order_id as an order of its
    own. ``hours`` has bit h set where something was done in hour h of ``zone``; where a clock is put back, both hours
    of one name share a bit. Contacts are done to a person: they are counted, and make no hour and no session. A session
    ends where more than ``SESSION_GAP`` passes; a pause of exactly that is within.

    All events of a subject's day have to be there. A row is bounded by that day.
    """
    counts = (f"count(*) FILTER (event_type = '{of_type}') AS {name}" for name, of_type in _COUNTED.items())
    sums = (f"coalesce({what}, 0)::DECIMAL(18, 4) AS {name}" for name, what in _ADDED.items())
    sets = (f"{_distinct(value)} AS {name}" for name, value in _COLLECTED.items())
    return f"""
        WITH days AS (
            SELECT subject_id, event_date, currency, {", ".join((*counts, *sums, *sets))},
                coalesce(bit_or(hour_bit), 0) AS hours,
                {_all("list(done_ts) FILTER (done_ts IS NOT NULL)")} AS times
            FROM ({_narrowed(events, zone)}) GROUP BY subject_id, event_date, currency
        )
        SELECT * EXCLUDE (times),
            list_filter(times, lambda ts, i: i = 1 OR {are_apart("times[i - 1]", "ts")}) AS session_starts,
            list_filter(times, lambda ts, i: i = len(times) OR {are_apart("ts", "times[i + 1]")}) AS session_ends
        FROM days"""


def _distinct(value: str) -> str:
    """The distinct values, sorted; most groups have one, and a distinct aggregate would cost all of them twice."""
    several = f"list_sort(list_distinct(list({value}) FILTER ({value} IS NOT NULL)))"
    one = f"WHEN min({value}) = max({value}) THEN [min({value})]"
    return f"CASE WHEN count({value}) = 0 THEN [] {one} ELSE {several} END"


def _narrowed(events: str, zone: str) -> str:
    """What the aggregate reads; bought_* columns are null where nothing was bought."""
    is_purchase, is_done = f"event_type = '{EventType.PURCHASE}'", f"event_type <> '{EventType.CONTACT}'"
    is_money = f"event_type IN ('{EventType.PURCHASE}', '{EventType.RETURN}')"
    return f"""
        SELECT subject_id, event_date, event_type, source,
            CASE WHEN {is_money} THEN currency END AS currency,
            CASE WHEN {is_purchase} THEN source || '/' || coalesce(order_id, event_id) END AS bought_order,
            CASE WHEN {is_purchase} THEN item_id END AS bought_item,
            CASE WHEN {is_purchase} THEN coalesce(quantity, 1) END AS bought_quantity,
            CASE WHEN {is_money} THEN amount END AS amount,
            CASE WHEN {is_done} THEN event_ts END AS done_ts,
            CASE WHEN {is_done} THEN (1 << hour(timezone('{zone}', event_ts)))::INTEGER END AS hour_bit
        FROM {events} WHERE subject_id IS NOT NULL"""


def _all(values: str) -> str:
    """Sorted, and empty where there are none."""
    return f"coalesce(list_sort({values}), [])"
