"""A source mapping: how the files of one source are read, as data."""

import re
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, model_validator

from affinity.core.errors import nearest
from affinity.core.settings import Settings
from affinity.core.vocabulary import UNCONDITIONAL, Defect, EventType, Feed

MAX_CATEGORIES = 3
_MONEY_TYPES = frozenset({EventType.PURCHASE, EventType.RETURN})


class _NamesColumns:
    """Marks a key whose value is a column of the files, or several."""


_COLUMNS = _NamesColumns()
ColumnName = Annotated[str, _COLUMNS]
OptionalColumn = Annotated[str | None, _COLUMNS]
ColumnNames = Annotated[tuple[str, ...], _COLUMNS]
TimeFormat = Annotated[
    str,
    Field(
        min_length=1,
        description="iso8601, epoch_seconds, epoch_millis, epoch_micros, or directives of strptime: %Y-%m-%d",
    ),
]
TIME_WORDS = ("iso8601", "epoch_seconds", "epoch_millis", "epoch_micros")
_DIRECTIVES = frozenset("YymdbBHIpMSfgnzZaAj-%")


class FileLayout(Settings):
    """Which files belong to the source and how their lines are built; text may be packed as .gz or .zst."""

    format: Literal["csv", "jsonl", "parquet"] = Field(description="csv with a header, a JSON object per line, Parquet")
    pattern: str = Field(description="Glob below the landing folder")
    date_pattern: str | None = Field(
        default=None, description="Regular expression whose group `date` is the file's nominal date; none: no date"
    )
    columns: tuple[str, ...] = Field(min_length=1, description="The columns wanted; a.b is b within a of jsonl")
    optional_columns: ColumnNames = Field(default=(), description="Columns that a file may lack: null there")
    withheld: ColumnNames = Field(default=(), description="Columns that stay in landing: further ids, attributes")
    header: bool = Field(default=True, description="Whether a csv names its columns; else `columns` are all, in order")
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    quote: str = Field(default='"', min_length=1, max_length=1)
    escape: str = Field(default='"', min_length=1, max_length=1, description='" where quotes are doubled')
    decimal: Literal[".", ","] = Field(
        default=".", description=", where 1.234,56 is a price; currency signs may stand by"
    )
    encoding: Literal["utf-8", "latin-1", "cp1252"] = Field(
        default="utf-8", description="Of text; else UTF-8 is expected"
    )


class Subject(Settings):
    """The column that names the person."""

    column: ColumnName
    kind: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Kind of id; equal ids of two kinds are two people")
    canonical: Literal["integer", "lowercase", "verbatim"] = Field(
        description="integer: 17850.0 and 17850 are one; lowercase: Ann@x.org and ann@x.org; blanks are null"
    )
    nobody: tuple[str, ...] = Field(default=(), description="Further spellings of nobody, in small letters: 0, guest")


class OtherId(Subject):
    """A column with another id of the same person; both on one line link the two."""

    stands_in: bool = Field(
        default=True, description="Whether it names the person where the columns before it name nobody"
    )


class DefectRule(StrEnum):
    """What a source does with a line that has a defect."""

    ACCEPT = "accept"
    FILTER = "filter"
    QUARANTINE = "quarantine"


class TypeRule(Settings):
    """A line whose column starts with the prefix is an event of this type; the first rule that fits decides."""

    type: EventType
    column: ColumnName
    starts_with: str = Field(min_length=1)


class TypeWords(Settings):
    """A column that says the type in words of the source; a word that is not listed is no type."""

    column: ColumnName
    words: dict[str, EventType] = Field(min_length=1, description="Word of the source → our type")


class EventFeed(Settings):
    """Which columns make an event."""

    event_id: Annotated[str | tuple[str, ...] | None, _COLUMNS] = Field(
        default=None, description="The source's own id, of one column or several; without it a line is its own id"
    )
    event_ts: Annotated[str | tuple[str, ...], _COLUMNS] = Field(description="Column, or several: date and time of day")
    event_ts_format: TimeFormat
    earliest: date | None = Field(default=None, description="First day that an event may have, in the business zone")
    latest: date | None = Field(default=None, description="Last such day")
    max_ahead_days: int = Field(default=1, ge=0, description="Days that an event may lie after its file's date")
    max_late_days: int | None = Field(default=None, ge=0, description="Days that it may lie before it; null: any")
    order_id: OptionalColumn = None
    item_id: OptionalColumn = None
    quantity: OptionalColumn = None
    default_quantity: Decimal | None = Field(
        default=None, gt=0, description="Units of a purchase or return whose line says none"
    )
    unit_price: OptionalColumn = None
    amount: OptionalColumn = Field(default=None, description="What the line costs in all, where no unit_price is told")
    currency: OptionalColumn = Field(default=None, description="ISO 4217 by line; blank: the currency of the source")
    description: OptionalColumn = None
    returns: Literal["negative", "positive"] = Field(default="negative", description="Sign of a return's quantity")
    types: tuple[TypeRule, ...] = ()
    type_words: TypeWords | None = None
    default_type: EventType | None = Field(default=None, description="Type of a line that no rule fits")
    defects: dict[Defect, DefectRule] = Field(
        default_factory=dict, description="Defect → accept, filter or quarantine, where the usual is not wanted"
    )

    @property
    def id_columns(self) -> tuple[str, ...]:
        """The columns that make the source's own id, in order; none where it has none."""
        return (self.event_id,) if isinstance(self.event_id, str) else self.event_id or ()

    @property
    def ts_columns(self) -> tuple[str, ...]:
        """The columns that say the time, in order."""
        return (self.event_ts,) if isinstance(self.event_ts, str) else self.event_ts

    @property
    def has_money(self) -> bool:
        """Whether it can tell of purchases or returns, which have a quantity and a price."""
        words = self.type_words.words.values() if self.type_words else ()
        return not _MONEY_TYPES.isdisjoint({self.default_type, *words, *(rule.type for rule in self.types)})

    @property
    def may_lack_price(self) -> bool:
        """Whether purchases and returns without a price are wanted, and not only those with one."""
        return self.defects.get(Defect.PRICE_INVALID) is DefectRule.ACCEPT


class ItemFeed(Settings):
    """Which columns describe an item, and which items are no goods.

    With ``item_id`` the files are a catalogue: each line describes an item. Without it the sales of [events] do.
    """

    item_id: OptionalColumn = None
    description: OptionalColumn = None
    unit_price: OptionalColumn = Field(default=None, description="Of a catalogue; sales have that of [events]")
    observed_ts: OptionalColumn = Field(default=None, description="Of a catalogue; else the file's nominal date")
    observed_ts_format: TimeFormat = "iso8601"
    brand: OptionalColumn = None
    categories: ColumnNames = Field(default=(), max_length=MAX_CATEGORIES, description="From the widest to the finest")
    not_recommendable: tuple[str, ...] = Field(default=(), description="Regular expressions for whole item ids")
    not_recommendable_where: dict[str, tuple[str, ...]] = Field(
        default_factory=dict, description="Column → values of items that are not to be shown"
    )


class CustomerFeed(Settings):
    """Which columns describe a customer."""

    country: OptionalColumn = None
    tier: OptionalColumn = None
    observed_ts: OptionalColumn = Field(default=None, description="Else the time of the event, else the file's date")
    observed_ts_format: TimeFormat = "iso8601"


class SourceMapping(Settings):
    """Everything that is special about one source."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")
    time_zone: str = Field(description="IANA zone of the times in the files that name none")
    currency: str | None = Field(default=None, pattern=r"^[A-Z]{3}$", description="ISO 4217; where there are prices")
    files: FileLayout
    subject: Subject | None = None
    other_ids: tuple[OtherId, ...] = ()
    events: EventFeed | None = None
    items: ItemFeed | None = None
    customers: CustomerFeed | None = None

    def has(self, feed: Feed | None) -> bool:
        """Whether the files of the source tell of this."""
        told = {Feed.EVENTS: self.events, Feed.ITEMS: self.items, Feed.CUSTOMERS: self.customers}
        return feed is not None and told[feed] is not None

    @property
    def kept_columns(self) -> tuple[str, ...]:
        """The columns that may be stored as they are: neither an id of a person nor withheld."""
        hidden = {*self.files.withheld, *self.id_columns}
        return tuple(name for name in self.files.columns if name not in hidden)

    @property
    def ids(self) -> tuple[Subject, ...]:
        """The ids of people in a line, the subject first."""
        return tuple(each for each in (self.subject, *self.other_ids) if each is not None)

    @property
    def id_columns(self) -> tuple[str, ...]:
        """The columns with ids of people, of which tokens are made."""
        return tuple(each.column for each in self.ids)

    @property
    def is_dated_by_name(self) -> bool:
        """Whether the nominal date of a file is the time of what it says: a snapshot, without times of its own."""
        feeds = [feed for feed in (self.items, self.customers) if feed is not None]
        return self.events is None and any(feed.observed_ts is None for feed in feeds)

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        faults = [*_layout_faults(self), *_column_faults(self), *_feed_faults(self)]
        if faults:
            raise ValueError("; ".join(faults))
        return self


def _layout_faults(mapping: SourceMapping) -> Iterator[str]:
    layout = mapping.files
    try:
        ZoneInfo(mapping.time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        yield f"time_zone = {mapping.time_zone!r} is no IANA time zone; expected one like Europe/London"
    try:
        if layout.date_pattern and "date" not in re.compile(layout.date_pattern).groupindex:
            yield "files.date_pattern has no group `date`; expected one like (?P<date>\\d{4}-\\d{2}-\\d{2})"
    except re.error as error:
        yield f"files.date_pattern is no regular expression: {error}"
    if layout.pattern.startswith(("/", "~")) or ".." in layout.pattern.split("/"):
        yield f"files.pattern = {layout.pattern!r} leaves the landing folder: expected a glob below it, like web/*.csv"
    if len({name.lower() for name in layout.columns}) < len(layout.columns):
        yield "files.columns names a column twice; upper and lower case are one"
    if layout.optional_columns and layout.format == "csv" and not layout.header:
        yield "files.optional_columns needs names in the files: without a header every column is there, in order"
    if mapping.is_dated_by_name and layout.date_pattern is None:
        yield "files.date_pattern is missing: the files say no time of their own, so their names have to"


def _column_faults(mapping: SourceMapping) -> Iterator[str]:
    """Every key that names a column which is not there, or which may not be stored."""
    columns, kept = mapping.files.columns, mapping.kept_columns
    for key, column in _named_columns(mapping):
        if column not in columns:
            yield f"{key} names {column!r}, which is not in files.columns{nearest(column, columns)}"
        elif column not in kept and not key.startswith(("files.", "subject.", "other_ids.")):
            yield f"{key} names {column!r}, which is the id of the person or withheld and is not stored"
    hidden = {*mapping.files.withheld, *mapping.id_columns}
    for name in kept:
        if inside := sorted(column for column in hidden if column.startswith(f"{name}.")):
            yield f"files.columns names {name!r}, which holds {inside}: they would be stored with it"
    for column in mapping.id_columns:
        if column in mapping.files.withheld:
            yield f"files.withheld names {column!r}, of which subject or other_ids makes a token"
    if mapping.other_ids and mapping.subject is None:
        yield "[[other_ids]] needs [subject], the id that comes first"


def _named_columns(section: Settings, path: str = "") -> Iterator[tuple[str, str]]:
    for name, field in type(section).model_fields.items():
        value, key = getattr(section, name), f"{path}{name}"
        if _COLUMNS in field.metadata:
            yield from ((key, column) for column in ([value] if isinstance(value, str) else value or ()))
        elif name == "not_recommendable_where":
            yield from ((key, column) for column in value)
        elif isinstance(value, Settings):
            yield from _named_columns(value, f"{key}.")
        elif isinstance(value, tuple):
            nested = [part for part in value if isinstance(part, Settings)]
            for number, part in enumerate(nested):
                yield from _named_columns(part, f"{key}.{number}.")


def _feed_faults(mapping: SourceMapping) -> Iterator[str]:
    if not (mapping.events or mapping.items or mapping.customers):
        yield "there is nothing to read: expected [events], [items] or [customers]"
    if mapping.customers and not mapping.subject:
        yield "[customers] needs [subject], the column that names the customer"
    if mapping.events:
        yield from _event_faults(mapping.events)
    if mapping.items:
        yield from _item_faults(mapping.items, mapping.events)
    yield from _time_faults(mapping)
    prices = [feed.unit_price for feed in (mapping.events, mapping.items) if feed is not None]
    prices += [mapping.events.amount] if mapping.events else []
    if any(prices) and mapping.currency is None:
        yield 'currency is missing: prices are in one, as in currency = "GBP"'


def _time_faults(mapping: SourceMapping) -> Iterator[str]:
    """Every format of times that nothing can read."""
    told = {
        "events.event_ts_format": mapping.events and mapping.events.event_ts_format,
        "items.observed_ts_format": mapping.items and mapping.items.observed_ts_format,
        "customers.observed_ts_format": mapping.customers and mapping.customers.observed_ts_format,
    }
    for key, spelling in told.items():
        if not isinstance(spelling, str) or spelling in TIME_WORDS:
            continue
        if "%" not in spelling:
            near = nearest(spelling, TIME_WORDS)
            yield f"{key} = {spelling!r} is no format{near}; expected directives like %Y-%m-%d %H:%M:%S"
        unknown = sorted({found for found in re.findall(r"%(.?)", spelling) if found not in _DIRECTIVES})
        if unknown:
            yield f"{key} = {spelling!r} has the unknown directives {[f'%{letter}' for letter in unknown]}"


def _event_faults(feed: EventFeed) -> Iterator[str]:
    if (feed.type_words is None) == (feed.default_type is None):
        yield "[events] needs either type_words or default_type to say the type of a line, and not both"
    if feed.has_money and feed.quantity is None and feed.default_quantity is None:
        yield "[events] tells of purchases or returns: expected events.quantity, or default_quantity = 1"
    if feed.has_money and feed.unit_price is None and feed.amount is None and not feed.may_lack_price:
        yield (
            "[events] tells of purchases or returns: expected events.unit_price, or events.amount of the whole line; "
            'where nothing says a price, events.defects = { price_invalid = "accept" }'
        )
    if feed.unit_price is not None and feed.amount is not None:
        yield "events.unit_price and events.amount are two prices: expected one of them"
    if not feed.ts_columns:
        yield "events.event_ts is empty: expected the column of the time"
    if feed.earliest and feed.latest and feed.earliest > feed.latest:
        yield f"events.earliest = {feed.earliest} lies after events.latest = {feed.latest}"
    for defect in feed.defects:
        if defect in UNCONDITIONAL and feed.defects[defect] is DefectRule.ACCEPT:
            yield f"events.defects.{defect} cannot be accepted: there is no event in such a line"


def _item_faults(feed: ItemFeed, events: EventFeed | None) -> Iterator[str]:
    if feed.item_id is not None:
        return
    if events is None or events.item_id is None:
        yield "[items] needs items.item_id, or [events] with item_id whose sales describe items"
    yield from (
        f"items.{key} is of a catalogue: expected items.item_id beside it"
        for key in ("unit_price", "observed_ts")
        if getattr(feed, key) is not None
    )
