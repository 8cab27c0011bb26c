"""Web and app: JSON lines, one file per hour of UTC, each in its own words and clock."""

from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
import pyarrow as pa

from affinity.core.vocabulary import EventType
from affinity.simulate import text
from affinity.simulate.bots import bot_cookies
from affinity.simulate.customers import account_on, cookie, device
from affinity.simulate.events import CODE
from affinity.simulate.faults import Fault
from affinity.simulate.landing.batch import (
    DAY_SECS,
    Batch,
    File,
    broken,
    in_order,
    item_ids,
    of_fault,
    shown_item,
    types,
    unknown_item,
    written_ts,
    wrong,
)
from affinity.simulate.sessions import Feed
from affinity.simulate.text import Text
from affinity.simulate.world import DEPARTMENTS, RANGES, World

_HOUR_SECS = 3_600
_WEB_WORDS = {EventType.VIEW: "view", EventType.SEARCH: "search", EventType.CART: "cart", EventType.REVIEW: "review"}
_APP_WORDS = {
    EventType.VIEW: "screen_view",
    EventType.SEARCH: "find",
    EventType.CART: "add_to_basket",
    EventType.REVIEW: "rate",
}
_ODD_IDS = ("undefined", "\N{GHOST} 42", "9" * 4_000)
_DRIFT_WORDS = ("A", "B")


def click_files(batch: Batch) -> Iterator[File]:
    """The hourly files of web or app."""
    return _hourly(batch, _web_lines if batch.feed is Feed.WEB else _app_lines)


def _hourly(batch: Batch, lines_of: Callable[[Batch], Text]) -> Iterator[File]:
    hour = batch.events.ts % DAY_SECS // _HOUR_SECS
    order = in_order(batch, hour)
    lines = broken(lines_of(batch), batch).take(pa.array(order))
    bounds = np.searchsorted(hour[order], np.arange(25))
    name = batch.feed.name.lower()
    for each in np.flatnonzero(np.diff(bounds)):
        start, end = int(bounds[each]), int(bounds[each + 1])
        path = f"{name}/{batch.date}/{name}-{batch.date}T{each:02d}.jsonl"
        yield File(path, text.content(lines, start, end), order[start:end])


def _web_lines(batch: Batch) -> Text:
    """The account is named from the log-in on; from the drift day on there is one column more."""
    rows, events = batch.rows, batch.events
    cookies = np.where(
        rows.customer < 0,
        bot_cookies(batch.config, rows.customer),
        cookie(batch.config, rows.customer, rows.when),
    )
    ending = ['"}\n'] * 2
    if batch.day >= batch.config.drift_day:
        ending = [f'","ab":"{word}"}}\n' for word in _DRIFT_WORDS]
    anonymous = text.spaced('","cookie":"k', text.hexadecimal(cookies, 12))
    account = text.number(account_on(batch.config, rows.customer, rows.when))
    named = text.spaced(anonymous, '","account":"', account)
    who = pa.concat_arrays([anonymous, named]).take(pa.array(events.row + len(rows) * events.has_account))
    ts = written_ts(batch)
    is_wrong, words = wrong(batch, "yesterday")
    return text.spaced(
        '{"id":"',
        text.hexadecimal(events.key),
        '","ts":"',
        text.replaced(text.dates(ts, "%Y-%m-%dT"), is_wrong, words),
        text.replaced(text.clock(ts, "Z"), is_wrong, [""] * len(words)),
        types(batch, _WEB_WORDS, '","type":"'),
        who,
        _about(batch, '","item":"', '","query":"'),
        _stars(batch, '","rating":"'),
        text.words(ending, (cookies % np.uint64(2)).astype(np.int64)).take(pa.array(events.row)),
    )


def _app_lines(batch: Batch) -> Text:
    """The user is always known, or was meant to be."""
    rows, events = batch.rows, batch.events
    ts = written_ts(batch)
    stamp = text.number(np.where(batch.has(Fault.MILLISECONDS), ts * 1_000, ts))
    users = text.spaced('"', text.number(account_on(batch.config, rows.customer, rows.when)), '"')
    users = users.take(pa.array(events.row))
    users = text.replaced(users, *of_fault(batch, Fault.NULL_ID, lambda _: "null"))
    users = text.replaced(users, *of_fault(batch, Fault.BLANK_ID, lambda _: '"   "'))
    users = text.replaced(users, *of_fault(batch, Fault.ODD_ID, lambda key: f'"{_ODD_IDS[key % len(_ODD_IDS)]}"'))
    devices = text.hexadecimal(device(batch.config, rows.customer, rows.when), 12)
    return text.spaced(
        '{"event":"',
        text.hexadecimal(events.key),
        '","epoch":',
        text.replaced(stamp, *wrong(batch, '"soon"')),
        types(batch, _APP_WORDS, ',"action":"'),
        text.spaced('","device":"d', devices, '","user":').take(pa.array(events.row)),
        users,
        _about(batch, ',"sku":"', ',"text":"'),
        _stars(batch, '","stars":"'),
        '"}\n',
    )


def _about(batch: Batch, item: str, query: str) -> Text:
    """What a click is about: a search has words, everything else an item."""
    is_search = batch.events.type == CODE[EventType.SEARCH]
    leaf = batch.world.leaf[batch.events.item]
    about = _abouts(batch.world, item, query)
    position = np.where(is_search, len(batch.world.item) + leaf, shown_item(batch))
    unknown = of_fault(batch, Fault.UNKNOWN_ITEM, lambda key: item + unknown_item(key))
    return text.replaced(about.take(pa.array(position)), *unknown)


@lru_cache(maxsize=4)
def _abouts(world: World, item: str, query: str) -> Text:
    """Every item and every query as they stand in a line."""
    kinds = [kind for department in DEPARTMENTS.values() for kind in department]
    queries = pa.array([f"{line.lower()} {kind.lower()}" for kind in kinds for line in RANGES], pa.string())
    return pa.concat_arrays([text.spaced(item, item_ids(world)), text.spaced(query, queries)])


def _stars(batch: Batch, rating: str) -> Text:
    """The rating of a review, which ends what comes before it."""
    stars = [None, *(f"{rating}{number}" for number in range(1, 6))]
    return text.words(stars, batch.events.detail)
