"""Programs that look at everything: one of them makes a third of all events."""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from affinity.core.vocabulary import EventType
from affinity.simulate.baskets import Lines
from affinity.simulate.behaviour import live
from affinity.simulate.customers import customers
from affinity.simulate.draws import Draws, Ints, Keys, unit
from affinity.simulate.events import CODE, Events, events, midnights
from affinity.simulate.params import FOREVER, ShopConfig
from affinity.simulate.sessions import EVENT_FEEDS, Deed, Feed, Rows, rows
from affinity.simulate.world import World, world_of

CUSTOMERS_PER_BOT = 5_000
_FIRST_SECOND, _LAST_SECOND = 2 * 3_600, 86_399
_SMALL_MEAN, _ACTIVE_SHARE = 80, 1 / 3
_REFERENCE_CUSTOMERS, _REFERENCE_DAYS = 4_000, 120


def bots(config: ShopConfig) -> Ints:
    """The numbers of all bots, which are negative: -1 is the great one."""
    if not config.bot_share:
        return np.zeros(0, np.int64)
    return -1 - np.arange(2 + config.customers // CUSTOMERS_PER_BOT)


def bot_cookies(config: ShopConfig, numbers: Ints) -> Keys:
    """The cookies of bots."""
    return Draws(config.seed).keys("bot", numbers) >> np.uint64(16)


def joined(config: ShopConfig, day: int) -> float:
    """Expected customers on a day, in closed form."""
    later = (1 - config.joined_share) * min((day + 1) / FOREVER, 1.0)
    return config.customers * (config.joined_share + later)


@lru_cache(maxsize=4)
def human_events_per_day(config: ShopConfig) -> float:
    """Mean events of a customer who has joined, per day: what the first thousands of customers do in four months.

    They live the same lives in a shop of any number of customers and days, so the bots of a day depend on neither.
    """
    who = customers(config, np.arange(_REFERENCE_CUSTOMERS))
    made = rows(who, live(who, _REFERENCE_DAYS))
    made = made.take((made.delivery == 0) & (made.when < _REFERENCE_DAYS))
    reference = world_of(config.model_copy(update={"days": _REFERENCE_DAYS}))
    n_events = sum(len(events(reference, made.take(made.feed == feed), feed)) for feed in EVENT_FEEDS)
    alive = np.maximum(_REFERENCE_DAYS - np.maximum(who.join_day, 0), 0).sum()
    return n_events / float(alive)


def n_views(config: ShopConfig, numbers: Ints, world: World, day: int) -> Ints:
    """Events of each bot on a day: of the great one by what customers are expected to do, of the others 40 to 120."""
    share = config.bot_share / (1 - config.bot_share)
    others = human_events_per_day(config) * joined(config, day) + (len(numbers) - 1) * _SMALL_MEAN * _ACTIVE_SHARE
    great = round(share * others)
    active = world.draws.uniform("bot active", numbers, day) < _ACTIVE_SHARE
    small = (_SMALL_MEAN * (0.5 + world.draws.uniform("bot views", numbers, day))).astype(np.int64)
    return np.where(numbers == -1, great, np.where(active, small, 0))


def bot_events(world: World, day: int) -> tuple[Rows, Events]:
    """A session row per bot and its views, evenly spaced from two in the morning on, through the whole catalogue."""
    numbers = bots(world.config)
    count = n_views(world.config, numbers, world, day)
    zeros = np.zeros(len(numbers), np.int64)
    crawls = Rows(
        numbers,
        zeros + day,
        zeros + day,
        zeros + day,
        zeros + Deed.BROWSE,
        zeros + Feed.WEB,
        zeros,
        count,
        zeros,
        world.draws.keys("bot session", numbers, day),
    )
    row = np.repeat(np.arange(len(numbers)), count)
    line = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    second = _FIRST_SECOND + line * (_LAST_SECOND - _FIRST_SECOND) // np.maximum(count[row], 1)
    keys = world.draws.keys("bot event", numbers[row], np.full(len(row), day), line)
    listed = world.listed(day)
    start = (unit(world.draws.keys("bot start", numbers, day)) * len(listed)).astype(np.int64)
    lines = Lines(row, line, listed[(start[row] + line) % len(listed)])
    ts = midnights(world.config)[day] + second
    return crawls, Events.plain(lines, keys.view(np.int64), ts, CODE[EventType.VIEW])


def joined_with(sessions: Rows, made: Events, world: World, day: int) -> tuple[Rows, Events]:
    """Sessions and events of people with those of the bots behind them."""
    bot_rows, views = bot_events(world, day)
    shifted = replace(views, row=views.row + len(sessions))
    return Rows.concat([sessions, bot_rows]), Events.concat([made, shifted])
