"""From sessions to events: what was clicked, bought, returned, reviewed, sent and opened, and when."""

from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np

from affinity.core.vocabulary import EventType
from affinity.simulate import baskets
from affinity.simulate.customers import cookie, customers, is_linked
from affinity.simulate.draws import Bools, Floats, Ints, choice, exponential
from affinity.simulate.params import ZONE, ShopConfig
from affinity.simulate.sessions import SEARCH_SHARE, Deed, Feed, Rows
from affinity.simulate.world import World

TYPES = tuple(EventType)
CODE = {event_type: code for code, event_type in enumerate(TYPES)}
HOUR_SHARES = np.array([1, 2, 4, 6, 7, 8, 9, 8, 7, 6, 6, 7, 8, 9, 9, 7, 4, 2], np.float64)
"""From six in the morning to midnight, local time: nobody shops at night, so no local time is ambiguous."""
_FIRST_HOUR, _TILL_CLOSES = 6, 21
_MEAN_GAP_SECS, _MOST_GAP_SECS, _MOST_OFFSET_SECS = 30.0, 240, 1_199
VIEW_SHARE, CART_SHARE, LOGIN_SHARE = 0.25, 0.4, 0.5
_OPEN = np.array([0.30, 0.25, 0.15, 0.20, 0.10, 0.45])
_CLICK = 0.3
_DAY_SECS = 86_400
LONGEST_DELAY_DAYS = 60
"""Nothing comes longer after the last day of the span: returns, reviews, corrections."""


@dataclass(frozen=True)
class Events:
    """Events of one feed and file day, one entry each.

    ``row`` is the position of the session row; ``has_account`` tells whether a web event comes after the log-in;
    ``pence`` and ``units`` are of purchases and returns; ``detail`` is a rating, or what became of an e-mail; ``fault``
    and ``is_extra`` are set by ``faults``.
    """

    row: Ints
    key: Ints
    ts: Ints
    type: Ints
    item: Ints
    has_account: Bools
    units: Ints
    pence: Ints
    detail: Ints
    fault: Ints
    is_extra: Bools

    def __len__(self) -> int:
        return len(self.row)

    def take(self, where: Ints | Bools) -> "Events":
        """Some of the events."""
        return Events(**{field.name: getattr(self, field.name)[where] for field in fields(self)})

    @staticmethod
    def plain(lines: baskets.Lines, key: Ints, ts: Ints, type_: Ints | int) -> "Events":
        """Events of lines that say nothing but what happened to which item, and when."""
        none, no = np.zeros(len(lines.row), np.int64), np.zeros(len(lines.row), np.bool_)
        return Events(lines.row, key, ts, none + type_, lines.item, no, none, none, none, none, no)

    @staticmethod
    def concat(parts: "list[Events]") -> "Events":
        """All events of several."""
        return Events(
            **{field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Events)}
        )


def events(world: World, rows: Rows, feed: Feed) -> Events:
    """Every event of these sessions that belongs to a feed."""
    if feed in (Feed.WEB, Feed.APP):
        return _clicks(world, rows)
    if feed is Feed.EMAIL:
        return _contacts(world, rows)
    return _order_lines(world, rows)


@lru_cache(maxsize=4)
def midnights(config: ShopConfig) -> Ints:
    """Epoch seconds from which wall-clock seconds of each day count; right for all times after two in the morning."""
    zone = ZoneInfo(ZONE)
    noons = [
        datetime(day.year, day.month, day.day, 12, tzinfo=zone)
        for day in (config.start_date + timedelta(days=n) for n in range(config.days + LONGEST_DELAY_DAYS))
    ]
    return np.array([int(noon.timestamp()) - _DAY_SECS // 2 for noon in noons])


def _starts(world: World, rows: Rows) -> Ints:
    """Local second of the day at which each session begins."""
    hour = _FIRST_HOUR + choice(rows.uniform(world.draws, "hour"), HOUR_SHARES)
    is_till = rows.feed == Feed.TILLS
    hour = np.where(is_till & (hour >= _TILL_CLOSES), hour - 8, hour)
    hour = np.where(rows.when != rows.day, 9 + (hour + 3) % 12, hour)  # a return or a review has its own time of day
    return hour * 3_600 + (3_600 * rows.uniform(world.draws, "second")).astype(np.int64)


def _made(world: World, rows: Rows, lines: baskets.Lines, type_: Ints | int, second: Ints) -> Events:
    """Events at local seconds of the day of their sessions, in order of sessions and lines."""
    day = rows.when[lines.row]
    ts = midnights(world.config)[day] + np.minimum(second, _DAY_SECS - 1)
    return Events.plain(lines, baskets.event_keys(world.draws, rows, lines.row, lines.line), ts, type_)


def _step(row: Ints) -> Ints:
    """Place of each event in its session, from 0; rows are in order."""
    first = np.flatnonzero(np.diff(row, prepend=-1))
    return np.arange(len(row)) - np.repeat(first, np.diff(np.append(first, len(row))))


def _clicks(world: World, rows: Rows) -> Events:
    lines, types = _what_was_clicked(world, rows)
    order = np.lexsort((lines.line, lines.row))
    lines = baskets.Lines(lines.row[order], lines.line[order], lines.item[order])
    keys = baskets.event_keys(world.draws, rows, lines.row, lines.line)
    gap = 1 + np.minimum(
        (_MEAN_GAP_SECS * exponential(world.draws.uniform("gap", keys))).astype(np.int64), _MOST_GAP_SECS
    )
    passed = np.cumsum(gap)
    step = _step(lines.row)
    offset = np.minimum(passed - np.repeat((passed - gap)[step == 0], np.diff(_ends(step))), _MOST_OFFSET_SECS)
    made = _made(world, rows, lines, types[order], _starts(world, rows)[lines.row] + offset)
    stars = 1 + (5 * np.sqrt(world.draws.uniform("stars", made.key))).astype(np.int64)
    known = _has_account(world, rows, made.row, step)
    return replace(made, detail=np.where(made.type == CODE[EventType.REVIEW], stars, 0), has_account=known)


def _ends(step: Ints) -> Ints:
    return np.append(np.flatnonzero(step == 0), len(step))


def _what_was_clicked(world: World, rows: Rows) -> tuple[baskets.Lines, Ints]:
    """Views after a search in a browsing session; views and carts of what is ordered; a review of what was bought."""
    draws = world.draws
    own = baskets.own_lines(world, rows)
    deed, key = rows.deed[own.row], baskets.event_keys(draws, rows, own.row, own.line)
    is_browse, is_order = deed == Deed.BROWSE, deed == Deed.CLICKS
    searches = (rows.deed == Deed.BROWSE) & (rows.uniform(draws, "search") < SEARCH_SHARE)
    searching = is_browse & (own.line == 0) & searches[own.row]
    viewed = is_browse | (is_order & (draws.uniform("viewed", key) < VIEW_SHARE))
    carted = is_order & ((own.line == 0) | (draws.uniform("carted", key) < CART_SHARE))
    reviewed = (deed == Deed.REVIEW) & (own.line == baskets.chosen_line(draws, rows, "review line")[own.row])
    parts = [
        (searching, EventType.SEARCH, 0),
        (viewed, EventType.VIEW, 1),
        (carted, EventType.CART, 2),
        (reviewed, EventType.REVIEW, 3),
    ]
    lines = [baskets.Lines(own.row[w], 4 * own.line[w] + place, own.item[w]) for w, _, place in parts]
    types = [np.full(len(part.row), CODE[kind]) for part, (_, kind, _) in zip(lines, parts, strict=True)]
    return baskets.Lines.concat(lines), np.concatenate(types)


def _order_lines(world: World, rows: Rows) -> Events:
    basket = baskets.whole_baskets(world, rows)
    n_units = baskets.units(world, rows, basket)
    is_return = rows.deed[basket.row] == Deed.RETURN
    chosen = baskets.chosen_line(world.draws, rows, "return line")[basket.row]
    kept = ~is_return | (basket.line == chosen)
    lines = baskets.Lines(basket.row[kept], basket.line[kept], basket.item[kept])
    types = np.where(is_return[kept], CODE[EventType.RETURN], CODE[EventType.PURCHASE])
    second = _starts(world, rows) + np.where(rows.feed == Feed.ORDERS, _MOST_OFFSET_SECS + 1, 0)
    made = _made(world, rows, lines, types, second[lines.row])
    return replace(made, units=n_units[kept], pence=world.pence(lines.item, rows.day[lines.row]))


def _contacts(world: World, rows: Rows) -> Events:
    """Sent at nine to all; some open within hours, some of these click."""
    draws, every = world.draws, np.arange(len(rows))
    who = customers(world.config, rows.customer)
    opened = (
        rows.uniform(draws, "open") < _OPEN[np.where(rows.when < who.switch_day, who.archetype, who.archetype_after)]
    )
    clicked = opened & (rows.uniform(draws, "click") < _CLICK)
    after = 60 + np.minimum((5_000 * exponential(rows.uniform(draws, "open after"))).astype(np.int64), 40_000)
    row = np.concatenate([every, every[opened], every[clicked]])
    detail = np.repeat([0, 1, 2], [len(every), int(opened.sum()), int(clicked.sum())])
    order = np.lexsort((detail, row))
    row, detail = row[order], detail[order]
    second = 9 * 3_600 + np.array([0, 1, 1])[detail] * after[row] + 20 * (detail == 2)
    lines = baskets.Lines(row, detail, np.full(len(row), -1))
    return replace(_made(world, rows, lines, CODE[EventType.CONTACT], second), detail=detail)


def _has_account(world: World, rows: Rows, row: Ints, step: Ints) -> Bools:
    """Whether a web event carries the account: from the log-in of its session on."""
    at = (rows.uniform(world.draws, "login at") * np.bincount(row, minlength=len(rows))).astype(np.int64)
    return np.asarray(has_login(world, rows)[row] & (step >= at[row]))


def has_login(world: World, rows: Rows) -> Bools:
    """Whether a web session logs in: half of those that only browse, all that order or review; no dead cookie does."""
    wants: Floats = rows.uniform(world.draws, "login")
    logs_in = (rows.deed != Deed.BROWSE) | (wants < LOGIN_SHARE)
    return logs_in & is_linked(world.config, cookie(world.config, rows.customer, rows.when))
