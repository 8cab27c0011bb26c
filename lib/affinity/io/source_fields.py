"""One line of a log beside what a mapping makes of it: how it came out, and field by field."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from affinity.core.source import CustomerFeed, ItemFeed, SourceMapping
from affinity.core.vocabulary import Feed
from affinity.io.answers import text_of
from affinity.privacy.masks import masked
from affinity.reading.queries import CATEGORIES
from affinity.reading.verdicts import layout_of_a_line

_SHOWN = 60
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What becomes of a line, and if it is not taken, the columns at fault and what would have been right there."""

    becomes: str
    columns: tuple[str, ...] = ()
    expected: str = ""


@dataclass(frozen=True)
class Field:
    """A field of ours and the columns of theirs that make it; ``source`` says where it comes from if none does."""

    ours: str
    columns: tuple[str | None, ...] = ()
    source: str = ""


def outcome(mapping: SourceMapping, feed: Feed, said: Row, row: Row | None) -> Outcome:
    """How a line came out; ``row`` is None where the feed has no row for it."""
    if feed is Feed.EVENTS and row is not None:
        return _of_event(mapping, row)
    if not said["is_whole"]:
        return Outcome("left out: unparsable", (), layout_of_a_line(mapping))
    if row is None:
        return _left_out(mapping, feed, said)
    if feed is Feed.ITEMS:
        return Outcome("an item" if row["is_recommendable"] else "an item that is not recommended")
    return Outcome("a customer")


def got(mapping: SourceMapping, found: Outcome, said: Row) -> str:
    """What stood there instead; of a person's id only what it looks like."""
    if not found.columns:
        return said["fault"] or ""
    return _says(mapping, found.columns, said)


def fields(mapping: SourceMapping, feed: Feed, said: Row, row: Row) -> tuple[dict[str, str], ...]:
    """A row per field of ours that has a value or a column: ours, theirs, what it says, what it becomes."""
    listed = {Feed.EVENTS: _event_fields, Feed.ITEMS: _item_fields, Feed.CUSTOMERS: _customer_fields}[feed]
    return tuple(
        {
            "ours": field.ours,
            "theirs": " + ".join(named) or field.source,
            "says": _says(mapping, named, said),
            "becomes": _becomes(mapping, field.ours, row),
        }
        for field in listed(mapping)
        if (named := tuple(dict.fromkeys(filter(None, field.columns)))) or field.source
    )


def _of_event(mapping: SourceMapping, row: Row) -> Outcome:
    if row["rejection"] is None:
        return Outcome(f"accepted as {row['event_type']}")
    times = mapping.events.ts_columns if mapping.events else ()
    column = row["column_name"]
    columns = times if column in times else (column,) if column else ()
    return Outcome(f"{row['rejected_as']}: {row['rejection']}", columns, row["expected"] or "")


def _left_out(mapping: SourceMapping, feed: Feed, said: Row) -> Outcome:
    """Which of the two that a description needs is not there: whom or what it is of, or its time."""
    if feed is Feed.CUSTOMERS and mapping.subject and not _is_named(said[mapping.subject.column]):
        return Outcome("left out: nobody is named", (mapping.subject.column,), "an id")
    if feed is Feed.ITEMS and mapping.items:
        if mapping.items.item_id is None:
            return Outcome("left out: no sale with a price")
        if not said[mapping.items.item_id]:
            return Outcome("left out: no item is named", (mapping.items.item_id,), "an id")
    told = mapping.items if feed is Feed.ITEMS else mapping.customers
    columns, spelling = _observed(mapping, told)
    return Outcome("left out: no time", columns, f"{spelling} in {mapping.time_zone}")
