"""Web and app: JSON lines, one file per hour of UTC, each in its own words and clock."""

from collections.abc import Callable, Iterator
from functools import lru_cache

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from affinity.core.vocabulary import EventType
from affinity.simulate import text
from affinity.simulate.customers import account_on, cookie, device
from affinity.simulate.events import CODE
from affinity.simulate.faults import Fault
from affinity.simulate.landing.batch import (
    DAY_SECS,
    Batch,
    File,
    broken,
    in_order,
    items,
    of_fault,
    types,
    written_ts,
    wrong,
)
from affinity.simulate.sessions import Feed
from affinity.simulate.text import Text, iso
from affinity.simulate.world import DEPARTMENTS, RANGES

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
    world, rows, events = batch.world, batch.rows, batch.events
    cookies = np.where(
        rows.customer < 0,
        world.draws.keys("bot", rows.customer) >> np.uint64(16),
        cookie(batch.config, rows.customer, rows.when),
    )
    accounts = text.number(account_on(batch.config, rows.customer, rows.when)).take(pa.array(events.row))
    stamp = text.replaced(iso(written_ts(batch)), *wrong(batch, "yesterday"))
    drift = ""
    if batch.day >= batch.config.drift_day:
        variant = text.words(_DRIFT_WORDS, (cookies % np.uint64(2)).astype(np.int64)[events.row])
        drift = text.spaced(',"ab":"', variant, '"')
    return text.spaced(
        '{"id":"',
        text.hexadecimal(events.key),
        '","ts":"',
        stamp,
        '","type":"',
        types(batch, _WEB_WORDS),
        '","cookie":"k',
        text.hexadecimal(cookies, 12).take(pa.array(events.row)),
        text.only(text.spaced('","account":"', accounts), events.has_account),
        _subject_of_click(batch, '","item":"', '","query":"', '","rating":"'),
        '"',
        drift,
        "}\n",
    )


def _app_lines(batch: Batch) -> Text:
    rows, events = batch.rows, batch.events
    ts = written_ts(batch)
    stamp = text.number(np.where(batch.has(Fault.MILLISECONDS), ts * 1_000, ts))
    users = text.number(account_on(batch.config, rows.customer, rows.when)).take(pa.array(events.row))
    users = text.spaced('"', users, '"')
    users = text.replaced(users, *of_fault(batch, Fault.NULL_ID, lambda _: "null"))
    users = text.replaced(users, *of_fault(batch, Fault.BLANK_ID, lambda _: '"   "'))
    users = text.replaced(users, *of_fault(batch, Fault.ODD_ID, lambda key: f'"{_ODD_IDS[key % len(_ODD_IDS)]}"'))
    return text.spaced(
        '{"event":"',
        text.hexadecimal(events.key),
        '","epoch":',
        text.replaced(stamp, *wrong(batch, '"soon"')),
        ',"action":"',
        types(batch, _APP_WORDS),
        '","device":"d',
        text.hexadecimal(device(batch.config, rows.customer, rows.when), 12).take(pa.array(events.row)),
        '","user":',
        users,
        _subject_of_click(batch, ',"sku":"', ',"text":"', ',"stars":"'),
        '"}\n',
    )


def _subject_of_click(batch: Batch, item: str, query: str, rating: str) -> Text:
    """What a click is about: a search has words, everything else an item, a review a rating too."""
    events = batch.events
    is_search, is_review = (events.type == CODE[kind] for kind in (EventType.SEARCH, EventType.REVIEW))
    words = _queries().take(pa.array(batch.world.leaf[events.item]))
    about = pc.if_else(pa.array(is_search), text.spaced(query, words), text.spaced(item, items(batch)))
    closing = "" if rating.startswith('"') else '"'
    stars = text.spaced(closing, rating, text.number(events.detail))
    return text.spaced(about, text.only(stars, is_review))


@lru_cache(maxsize=1)
def _queries() -> Text:
    """What people type who look for a category."""
    kinds = [kind for department in DEPARTMENTS.values() for kind in department]
    return pa.array([f"{line.lower()} {kind.lower()}" for kind in kinds for line in RANGES], pa.string())
