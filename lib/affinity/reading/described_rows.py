"""What files say of items and of customers, as statements."""

from affinity.core.source import MAX_CATEGORIES, CustomerFeed, ItemFeed, SourceMapping
from affinity.core.vocabulary import EventType
from affinity.reading.columns import Columns, event_feed, people_texts
from affinity.reading.event_rows import time_conditions, typed
from affinity.reading.people import people_columns
from affinity.reading.spelling import local_date, quoted, ts

CATEGORIES = tuple(f"category_{level}" for level in range(1, MAX_CATEGORIES + 1))
ITEM_COLUMNS = {
    "file_id": "string",
    "line_no": "bigint",
    "item_id": "string",
    "observed_ts": "timestamp",
    "observed_date": "date",
    "description": "string",
    "unit_price": "decimal(18,4)",
    "brand": "string",
    **dict.fromkeys(CATEGORIES, "string"),
    "is_recommendable": "boolean",
}
CUSTOMER_COLUMNS = {
    "file_id": "string",
    "line_no": "bigint",
    "subject_key": "string",
    "subject_kind": "string",
    "linked": "array<string>",
    "observed_ts": "timestamp",
    "observed_date": "date",
    "country": "string",
    "tier": "string",
}


def item_rows(mapping: SourceMapping, zone: str) -> str:
    """``ITEM_COLUMNS`` of the items that a catalogue lists, or that sales name."""
    feed = mapping.items
    if feed is None:
        raise ValueError(f"{mapping.name} has no items feed")
    columns = Columns(mapping)
    rows = _catalogue(mapping, feed, zone) if feed.item_id else _sales(mapping, feed, zone)
    named = [*feed.categories, *[None] * MAX_CATEGORIES][:MAX_CATEGORIES]
    categories = ", ".join(f"{columns.told(c)} AS {n}" for n, c in zip(CATEGORIES, named, strict=True))
    return f"""
SELECT file_no, line_no, item_id, observed_ts, observed_date, description, unit_price,
    {columns.told(feed.brand)} AS brand, {categories}, NOT ({_is_banned(columns, feed)}) AS is_recommendable
FROM ({rows})
WHERE item_id IS NOT NULL AND observed_ts IS NOT NULL
"""


def _is_banned(columns: Columns, feed: ItemFeed) -> str:
    """Whether a rule for the id of an item, or for a column, speaks against showing it."""
    rules = [f"regexp_full_match(item_id, {quoted(pattern)})" for pattern in feed.not_recommendable]
    rules += [
        # IN of many would be a join
        f"coalesce(list_contains([{', '.join(map(quoted, values))}], {columns.told(column)}), false)"
        for column, values in feed.not_recommendable_where.items()
    ]
    return " OR ".join(rules) or "false"


def _catalogue(mapping: SourceMapping, feed: ItemFeed, zone: str) -> str:
    columns = Columns(mapping)
    return f"""
SELECT *, {_observed_date(mapping, feed, zone)} AS observed_date
FROM (
    SELECT *, {columns.text(feed.item_id)} AS item_id, {columns.told(feed.description)} AS description,
        {columns.number(feed.unit_price)} AS unit_price, {_observed_ts(mapping, feed)} AS observed_ts
    FROM fields WHERE is_whole
)
"""


def _sales(mapping: SourceMapping, feed: ItemFeed, zone: str) -> str:
    """Sales alone describe items: stock corrections and give-aways carry notes such as "damaged" in its place."""
    events = event_feed(mapping)
    misplaced = " OR ".join(f"coalesce({condition}, false)" for condition in time_conditions(events).values())
    is_sale = f"event_type = {quoted(EventType.PURCHASE)} AND quantity > 0 AND coalesce(unit_price, said_amount) > 0"
    if mapping.currency:  # a price of another currency is none of this catalogue
        is_sale += f" AND coalesce(currency, {quoted(mapping.currency)}) = {quoted(mapping.currency)}"
    return f"""
SELECT * EXCLUDE (description), event_ts AS observed_ts, event_date AS observed_date,
    {Columns(mapping).told(feed.description)} AS description
FROM ({typed(mapping, events, zone)})
WHERE {is_sale} AND NOT ({misplaced})
"""


def customer_rows(mapping: SourceMapping, zone: str) -> str:
    """``CUSTOMER_COLUMNS``, but what follows from the ids of a person, of what lists say of customers."""
    feed = mapping.customers
    if feed is None:
        raise ValueError(f"{mapping.name} has no customers feed")
    columns = Columns(mapping)
    return f"""
SELECT file_no, line_no, {", ".join(people_columns(mapping))}, observed_ts,
    {_observed_date(mapping, feed, zone)} AS observed_date,
    {columns.told(feed.country)} AS country, {columns.told(feed.tier)} AS tier
FROM (
    SELECT *, {people_texts(mapping)}, {_observed_ts(mapping, feed)} AS observed_ts
    FROM fields WHERE is_whole
)
WHERE observed_ts IS NOT NULL
"""


def _observed_ts(mapping: SourceMapping, feed: ItemFeed | CustomerFeed) -> str:
    """When it was said: by a column of its own, else with the event, else on the file's nominal date at 00:00 UTC."""
    columns = Columns(mapping)
    if feed.observed_ts:
        said = ts(columns.told(feed.observed_ts), feed.observed_ts_format, mapping.time_zone)
    elif mapping.events:
        said = ts(columns.joined(mapping.events.ts_columns), mapping.events.event_ts_format, mapping.time_zone)
    else:
        return "timezone('UTC', CAST(file_date AS TIMESTAMP))"
    return f"plausible({said})"


def _observed_date(mapping: SourceMapping, feed: ItemFeed | CustomerFeed, zone: str) -> str:
    is_nominal = feed.observed_ts is None and mapping.events is None
    return "file_date" if is_nominal else local_date("observed_ts", zone)
