"""What a feed delivers on a day, and what its writers share: ids, clocks and faults."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

import numpy as np
import pyarrow as pa

from affinity.core.vocabulary import EventType
from affinity.simulate import text
from affinity.simulate.draws import Bools, Ints, unit
from affinity.simulate.events import Events
from affinity.simulate.faults import Fault
from affinity.simulate.params import ShopConfig
from affinity.simulate.sessions import Feed, Rows
from affinity.simulate.text import Text
from affinity.simulate.world import World

UNKNOWN_WORD = "hover"
DAY_SECS = 86_400
_HUGE_PENCE = 999_999_999_999_999_900
_YEAR_SECS, _SKEW_SECS = 365 * DAY_SECS, 2 * 3_600


@dataclass(frozen=True)
class File:
    """A file to be written, and which events its lines are; ``first_line`` is the number of the first of them."""

    path: str
    content: bytes | memoryview | pa.Table
    events: Ints  # positions, in the order of the lines
    first_line: int = 1


@dataclass(frozen=True)
class Batch:
    """What a feed delivers on one day: its sessions and events; ``day`` counts from the first of the span."""

    world: World
    feed: Feed
    day: int
    rows: Rows
    events: Events

    @property
    def config(self) -> ShopConfig:
        """The settings of the shop."""
        return self.world.config

    @property
    def date(self) -> date:
        """The day as a date."""
        return self.config.start_date + timedelta(days=self.day)

    def has(self, fault: Fault) -> Bools:
        """Which events have a fault on their own line."""
        return self.events.fault == fault


def in_order(batch: Batch, part: Ints | int) -> Ints:
    """Lines by file, time and id; the extra lines of copying faults last in their file."""
    events = batch.events
    second = events.ts % DAY_SECS
    by_time = ((np.asarray(part) * 2 + events.is_extra) * DAY_SECS + second) << 40
    tie = events.key.view(np.uint64) >> np.uint64(24)
    return np.argsort(by_time.astype(np.uint64) | tie, kind="stable")


@lru_cache(maxsize=4)
def item_ids(world: World) -> Text:
    """Every item's id as it lands."""
    return text.number(world.item, 6, "I")


def written_ts(batch: Batch) -> Ints:
    """Epoch seconds as they are written: some clocks are ahead."""
    ahead = np.where(batch.has(Fault.CLOCK_SKEW), _SKEW_SECS, np.where(batch.has(Fault.FAR_FUTURE), _YEAR_SECS, 0))
    return batch.events.ts + ahead


def types(batch: Batch, spelled: dict[EventType, str], before: str = "") -> Text:
    """The event type in the channel's own words."""
    words = [f"{before}{spelled.get(kind, '')}" for kind in EventType]
    unknown = of_fault(batch, Fault.UNKNOWN_TYPE, lambda _: before + UNKNOWN_WORD)
    return text.replaced(text.words(words, batch.events.type), *unknown)


def items(batch: Batch) -> Text:
    """The item of each line; an extra line with other content names another one."""
    named = item_ids(batch.world).take(pa.array(shown_item(batch)))
    return text.replaced(named, *of_fault(batch, Fault.UNKNOWN_ITEM, unknown_item))


def shown_item(batch: Batch) -> Ints:
    """The number of the item that a line names."""
    events, staples = batch.events, batch.world.staples
    other = np.where(events.item == staples[0], staples[1], staples[0])
    is_other = batch.has(Fault.SAME_ID) & events.is_extra & (batch.feed <= Feed.APP)
    return np.where(is_other, other, events.item)


def unknown_item(key: int) -> str:
    """An item that no catalogue knows."""
    return f"X{key % 1_000_000:06d}"


def units(batch: Batch) -> Ints:
    """Units of each line; an extra line with other content has one more."""
    return batch.events.units + (batch.has(Fault.SAME_ID) & batch.events.is_extra)


def pence(batch: Batch, times: int = 1) -> Ints:
    """Price of each line in pence, or so many times it where somebody mistook the unit."""
    prices = batch.events.pence * times
    signed = np.where(batch.has(Fault.NEGATIVE_PRICE), -prices, prices)
    return np.where(batch.has(Fault.HUGE_PRICE), _HUGE_PENCE, signed)


def wrong(batch: Batch, word: str) -> tuple[Bools, list[str]]:
    """Where a word stands for a time or a number."""
    return of_fault(batch, Fault.WRONG_TYPE, lambda _: word)


def of_fault(batch: Batch, fault: Fault, spell: Callable[[int], str]) -> tuple[Bools, list[str]]:
    """Where a fault is, and what stands there instead, by the event's key."""
    where = batch.has(fault)
    return where, [spell(int(key)) for key in batch.events.key[where].view(np.uint64)]


def broken(lines: Text, batch: Batch, most: float = 0.95) -> Text:
    """Cut the broken lines somewhere before ``most`` of their length; a CSV line before its fourth column."""
    where = batch.has(Fault.BROKEN)
    whole = lines.filter(pa.array(where)).to_pylist()
    parts = unit(batch.world.draws.keys("cut at", batch.events.key[where]))
    cut = [line[: 1 + int(part * most * (len(line) - 2))] + "\n" for line, part in zip(whole, parts, strict=True)]
    return text.replaced(lines, where, cut)
