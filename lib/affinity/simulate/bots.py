"""Programs that look at everything: one of them makes a third of all events."""

from dataclasses import replace

import numpy as np

from affinity.core.vocabulary import EventType
from affinity.simulate.baskets import Lines
from affinity.simulate.draws import Ints, unit
from affinity.simulate.events import CODE, Events, midnights
from affinity.simulate.params import FOREVER, HUMAN_EVENTS_PER_DAY, ShopConfig
from affinity.simulate.sessions import Deed, Feed, Rows
from affinity.simulate.world import World

CUSTOMERS_PER_BOT = 5_000
_FIRST_SECOND, _LAST_SECOND = 2 * 3_600, 86_399
_SMALL_MEAN = 80


def bots(config: ShopConfig) -> Ints:
    """The numbers of all bots, which are negative: -1 is the great one."""
    if not config.bot_share:
        return np.zeros(0, np.int64)
    return -1 - np.arange(2 + config.customers // CUSTOMERS_PER_BOT)


def joined(config: ShopConfig, day: int) -> float:
    """Expected customers on a day, in closed form."""
    later = (1 - config.joined_share) * min((day + 1) / FOREVER, 1.0)
    return config.customers * (config.joined_share + later)


def n_views(config: ShopConfig, numbers: Ints, world: World, day: int) -> Ints:
    """Events of each bot on a day: of the great one by what customers are expected to do, of the others 40 to 120."""
    share = config.bot_share / max(1 - config.bot_share, 1e-9)
    great = round(share * HUMAN_EVENTS_PER_DAY * joined(config, day))
    active = world.draws.uniform("bot active", numbers, day) < 1 / 3
    small = (_SMALL_MEAN * (0.5 + world.draws.uniform("bot views", numbers, day))).astype(np.int64)
    return np.where(numbers == -1, great, np.where(active, small, 0))


def bot_events(world: World, day: int) -> tuple[Rows, Events]:
    """A session row per bot and its views, evenly spaced from two in the morning on, through the whole catalogue."""
    numbers = bots(world.config)
    count = n_views(world.config, numbers, world, day)
    zeros = np.zeros(len(numbers), np.int64)
    rows = Rows(
        numbers, zeros + day, zeros + day, zeros + day, zeros + Deed.BROWSE, zeros + Feed.WEB, zeros, count, zeros
    )
    row = np.repeat(np.arange(len(numbers)), count)
    line = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    second = _FIRST_SECOND + line * (_LAST_SECOND - _FIRST_SECOND) // np.maximum(count[row], 1)
    keys = world.draws.keys("bot event", numbers[row], np.full(len(row), day), line)
    listed = world.listed(day)
    start = (unit(world.draws.keys("bot start", numbers, day)) * len(listed)).astype(np.int64)
    lines = Lines(row, line, listed[(start[row] + line) % len(listed)])
    return rows, _views(world, day, lines, second, keys.view(np.int64))


def _views(world: World, day: int, lines: Lines, second: Ints, keys: Ints) -> Events:
    zeros = np.zeros(len(lines.row), np.int64)
    return Events(
        row=lines.row,
        key=keys,
        ts=midnights(world.config, world.config.days + 60)[day] + second,
        type=zeros + CODE[EventType.VIEW],
        item=lines.item,
        has_account=zeros.astype(np.bool_),
        units=zeros,
        pence=zeros,
        detail=zeros,
        fault=zeros,
        is_extra=zeros.astype(np.bool_),
    )


def joined_with(rows: Rows, made: Events, world: World, day: int) -> tuple[Rows, Events]:
    """Sessions and events of people with those of the bots behind them."""
    bot_rows, views = bot_events(world, day)
    shifted = replace(views, row=views.row + len(rows))
    return Rows.concat([rows, bot_rows]), Events.concat([made, shifted])
