"""A source mapping: how the files of one source are read, as data."""

from typing import Literal

from pydantic import Field

from affinity.core.settings import Settings
from affinity.core.vocabulary import EventType, Feed


class FileLayout(Settings):
    """Which files belong to the source and how their lines are built."""

    format: Literal["csv"] = Field(description="Line format")
    pattern: str = Field(description="Glob below the landing folder")
    date_pattern: str = Field(description="Regular expression whose group `date` is the file's nominal date")
    columns: tuple[str, ...] = Field(min_length=1, description="The header, every column in order")
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    quote: str = Field(default='"', min_length=1, max_length=1)
    escape: str = Field(default='"', min_length=1, max_length=1, description='" where quotes are doubled')


class Subject(Settings):
    """The column that names the person."""

    column: str
    kind: str = Field(pattern=r"^[a-z][a-z0-9_]*$", description="Kind of id; equal ids of two kinds are two people")
    canonical: Literal["integer", "verbatim"] = Field(description="integer: 17850.0 and 17850 are one; blanks are null")


class TypeRule(Settings):
    """A line whose column starts with the prefix is an event of this type; the first rule that fits decides."""

    type: EventType
    column: str
    starts_with: str = Field(min_length=1)


class EventFeed(Settings):
    """Which columns make an event."""

    event_ts: str
    event_ts_format: str
    order_id: str
    item_id: str
    quantity: str
    unit_price: str
    description: str
    types: tuple[TypeRule, ...] = ()
    default_type: EventType


class ItemFeed(Settings):
    """Which columns describe an item, and which items are no goods."""

    description: str
    not_recommendable: tuple[str, ...] = Field(default=(), description="Regular expressions for whole item ids")


class CustomerFeed(Settings):
    """Which columns describe a customer."""

    country: str


class SourceMapping(Settings):
    """Everything that is special about one source."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")
    time_zone: str = Field(description="IANA zone of the times in the files")
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    files: FileLayout
    subject: Subject
    events: EventFeed
    items: ItemFeed | None = None
    customers: CustomerFeed | None = None

    def has(self, feed: Feed | None) -> bool:
        """Whether the files of the source tell of this."""
        told = {Feed.EVENTS: self.events, Feed.ITEMS: self.items, Feed.CUSTOMERS: self.customers}
        return feed is not None and told[feed] is not None
