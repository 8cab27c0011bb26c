"""One line of a log beside what a mapping makes of it: how it came out, and field by field."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from affinity.core.source import CustomerFeed, EventFeed, ItemFeed, SourceMapping
from affinity.core.vocabulary import Feed
from affinity.io.answers import text_of
from affinity.privacy.masks import masked
from affinity.privacy.tokens import canonical
from affinity.reading.described_rows import CATEGORIES
from affinity.reading.verdicts import whole_line

_SHOWN = 60
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Said:
    """A line as it stands: its texts by column of theirs, and why it cannot be read, if so."""

    line_no: int
    texts: Mapping[str, str]
    fault: str | None

    @staticmethod
    def of(row: Row, mapping: SourceMapping) -> "Said":
        """A row of ``Reader.texts``."""
        texts = {name: row[f"v{place}"] or "" for place, name in enumerate(mapping.files.columns)}
        return Said(row["line_no"], texts, None if row["is_whole"] else row["fault"])


@dataclass(frozen=True)
class Outcome:
    """What becomes of a line; of one that is not taken also the columns at fault, and what is expected there."""

    becomes: str
    columns: tuple[str, ...] = ()
    expected: str = ""


def outcome(mapping: SourceMapping, feed: Feed, said: Said, row: Row | None) -> Outcome:
    """How a line came out; ``row`` is None where the feed has no row for it."""
    if row is not None and feed is Feed.EVENTS:
        return _of_event(mapping, row)
    if said.fault is not None:
        return Outcome("left out: unparsable", (), whole_line(mapping))
    if row is None:
        return _left_out(mapping, feed, said)
    is_hidden = row.get("is_recommendable") is False
    return Outcome("an item that is never recommended" if is_hidden else f"one of the {feed}")


def _of_event(mapping: SourceMapping, row: Row) -> Outcome:
    if row["rejection"] is None:
        return Outcome(f"accepted as {row['event_type']}")
    column = row["column_name"]
    times = mapping.events.ts_columns if mapping.events else ()
    columns = times if column in times else (column,) if column else ()
    return Outcome(f"{row['rejected_as']}: {row['rejection']}", columns, row["expected"] or "")


def _left_out(mapping: SourceMapping, feed: Feed, said: Said) -> Outcome:
    """What of the two that a description needs is not there: the one it is of, or its time."""
    if mapping.subject and feed is Feed.CUSTOMERS:
        what, whose = "person", mapping.subject.column
        is_named = canonical(said.texts[whose], mapping.subject) is not None
    elif mapping.items and mapping.items.item_id:
        what, whose = "item", mapping.items.item_id
        is_named = bool(said.texts[whose].strip())
    else:
        return Outcome("left out: no sale with a price")
    if not is_named:
        return Outcome(f"left out: no {what} is named", (whose,), "an id")
    columns, spelling = _times(mapping, mapping.items if feed is Feed.ITEMS else mapping.customers)
    return Outcome("left out: no time", columns, f"{spelling} in {mapping.time_zone}")


def got(mapping: SourceMapping, found: Outcome, said: Said) -> str:
    """What stands in the columns at fault, or why the line as a whole cannot be read."""
    return _says(mapping, found.columns, said) or said.fault or ""


def fields(mapping: SourceMapping, feed: Feed, said: Said, row: Row) -> tuple[dict[str, str], ...]:
    """A row per field of ours that a column of theirs makes, or that has a value: ours, theirs, says, becomes."""
    rows = [
        {
            "ours": ours,
            "theirs": " + ".join(columns),
            "says": _says(mapping, columns, said),
            "becomes": _becomes(mapping, ours, row),
        }
        for ours, columns in _fields(mapping, feed).items()
    ]
    return tuple(row for row in rows if row["theirs"] or row["becomes"])


def _fields(mapping: SourceMapping, feed: Feed) -> dict[str, tuple[str, ...]]:
    if feed is Feed.EVENTS and mapping.events:
        named = _of_events(mapping.events)
    else:
        told = mapping.items if feed is Feed.ITEMS else mapping.customers
        named = {"observed_ts": _times(mapping, told)[0], "observed_date": ()} | _of_description(mapping, told)
    others = tuple(each.column for each in mapping.other_ids)
    person = {"person": mapping.id_columns[:1], "linked": others} if mapping.subject and feed is not Feed.ITEMS else {}
    return person | {ours: tuple(filter(None, columns)) for ours, columns in named.items()}


def _of_events(feed: EventFeed) -> dict[str, Sequence[str | None]]:
    ruled = [rule.column for rule in feed.types] + ([feed.type_words.column] if feed.type_words else [])
    plain = ("order_id", "item_id", "quantity", "unit_price", "amount", "currency")
    return {
        "event_ts": feed.ts_columns,
        "event_date": (),
        "event_type": tuple(dict.fromkeys(ruled)),
        "event_id": feed.id_columns,
    } | {name: (getattr(feed, name),) for name in plain}


def _of_description(mapping: SourceMapping, feed: ItemFeed | CustomerFeed | None) -> dict[str, Sequence[str | None]]:
    if isinstance(feed, CustomerFeed):
        return {"country": (feed.country,), "tier": (feed.tier,)}
    if feed is None:
        return {}
    sales = mapping.events if feed.item_id is None else None
    return {
        "item_id": (sales.item_id if sales else feed.item_id,),
        "description": (feed.description,),
        "unit_price": (sales.unit_price if sales else feed.unit_price,),
        "brand": (feed.brand,),
        **{name: (column,) for name, column in zip(CATEGORIES, feed.categories, strict=False)},
        "is_recommendable": tuple(feed.not_recommendable_where),
    }


def _times(mapping: SourceMapping, feed: ItemFeed | CustomerFeed | None) -> tuple[tuple[str, ...], str]:
    """The columns that say when a description was made, and how; none where it is the date of the file."""
    if feed and feed.observed_ts:
        return (feed.observed_ts,), feed.observed_ts_format
    return (mapping.events.ts_columns, mapping.events.event_ts_format) if mapping.events else ((), "a date in its name")


def _says(mapping: SourceMapping, columns: Sequence[str], said: Said) -> str:
    """The text of columns; of a person's id only what it looks like."""
    text = " ".join(said.texts[name] for name in columns)
    is_person = any(name in mapping.id_columns for name in columns)
    return masked(text[:_SHOWN]) if is_person else text[:_SHOWN]


def _becomes(mapping: SourceMapping, ours: str, row: Row) -> str:
    """A value of ours; tokens of people, and ids that are made of a line, are nothing to look at."""
    if ours == "person":
        return f"a token, of the kind {row['subject_kind']}" if row.get("subject_key") else "nobody"
    if ours == "linked":
        return ", ".join(f"a token, of the kind {each.partition(':')[0]}" for each in row.get("linked") or ())
    if ours == "event_id" and not (mapping.events and mapping.events.event_id and str(row[ours]).startswith("n")):
        return "the line and its place among equal ones"
    return text_of(row[ours]) if not isinstance(row[ours], bool) else "yes" if row[ours] else "no"
