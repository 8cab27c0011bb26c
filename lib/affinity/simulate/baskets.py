"""What lies in a basket: own lines by taste, staples by chance, consequents by what they belong to."""

from dataclasses import dataclass

import numpy as np

from affinity.simulate.customers import tastes
from affinity.simulate.draws import Draws, Floats, Ints, unit
from affinity.simulate.params import ShopConfig
from affinity.simulate.sessions import Rows
from affinity.simulate.world import World

MAX_LINE = 1 << 12
_STAPLE_LINE, _COMPLEMENT_LINE = 1 << 10, 1 << 11


@dataclass(frozen=True)
class Lines:
    """Lines of baskets: the position of their row, their number in it, and the item."""

    row: Ints
    line: Ints
    item: Ints

    @staticmethod
    def concat(parts: "list[Lines]") -> "Lines":
        """All lines of several."""
        return Lines(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("row", "line", "item")))


def own_lines(world: World, rows: Rows) -> Lines:
    """The lines that a customer's taste chose: topic by taste, item by topic, among what is sold on the day."""
    row = np.repeat(np.arange(len(rows)), rows.lines)
    line = np.arange(len(row)) - np.repeat(np.cumsum(rows.lines) - rows.lines, rows.lines)
    keys = rows.key[row]
    topic = _topics(world.config, rows.customer, row, world.draws.uniform("line topic", keys, line))
    return Lines(row, line, _items(world, rows.day[row], topic, world.draws.uniform("line item", keys, line)))


def _topics(config: ShopConfig, customer: Ints, row: Ints, uniforms: Floats) -> Ints:
    distinct, position = np.unique(customer, return_inverse=True)
    bounds = np.cumsum(tastes(config, distinct), axis=1)
    bounds[:, -1] = 1.0
    mine = position[row]
    topic = np.zeros(len(row), np.int64)
    for column in range(bounds.shape[1] - 1):  # one pass per topic keeps memory flat
        topic += uniforms >= bounds[mine, column]
    return topic


def _items(world: World, day: Ints, topic: Ints, uniforms: Floats) -> Ints:
    item = np.zeros(len(day), np.int64)
    week = day // 7
    for each in np.unique(week):
        table = world.cumulative(int(each) * 7)
        for column in range(len(table)):
            here = np.flatnonzero((week == each) & (topic == column))
            item[here] = np.searchsorted(table[column], uniforms[here], side="right")
    return np.minimum(item, len(world.item) - 1)


def whole_baskets(world: World, rows: Rows) -> Lines:
    """Own lines, staples and consequents of orders, by row and line number."""
    own = own_lines(world, rows)
    found = Lines.concat([own, _staples(world, rows), _consequents(world, rows, own)])
    order = np.lexsort((found.line, found.row))
    return Lines(found.row[order], found.line[order], found.item[order])


def _staples(world: World, rows: Rows) -> Lines:
    keys = rows.key
    number = np.arange(len(world.staples))
    row, staple = np.nonzero(
        world.draws.uniform("staple", keys[:, None], number[None, :]) < world.staple_chance[None, :]
    )
    return Lines(row, _STAPLE_LINE + staple, world.staples[staple])


def _consequents(world: World, rows: Rows, own: Lines) -> Lines:
    """One trial per pair and basket, however often the antecedent lies in it."""
    pair = world.pair_of[own.item]
    holds = pair >= 0
    distinct = np.unique(own.row[holds] * len(world.antecedents) + pair[holds])
    row, pair = distinct // len(world.antecedents), distinct % len(world.antecedents)
    keys = rows.key[row]
    added = world.draws.uniform("complement", keys, pair) < world.complement_chance[pair]
    return Lines(row[added], _COMPLEMENT_LINE + pair[added], world.consequents[pair[added]])


def units(world: World, rows: Rows, lines: Lines) -> Ints:
    """Units of each line: one, and the order's further ones spread over its own lines by chance."""
    row = np.repeat(np.arange(len(rows)), rows.extra_units)
    number = np.arange(len(row)) - np.repeat(np.cumsum(rows.extra_units) - rows.extra_units, rows.extra_units)
    keys = rows.key[row]
    line = (world.draws.uniform("unit", keys, number) * rows.lines[row]).astype(np.int64)
    # Own lines come first in each row, numbered from 0.
    start = np.searchsorted(lines.row, np.arange(len(rows)))
    more = np.bincount(start[row] + line, minlength=len(lines.row)) if len(row) else 0
    return np.asarray(1 + more, np.int64) * np.ones(len(lines.row), np.int64)


def chosen_line(draws: Draws, rows: Rows, what: str) -> Ints:
    """One of the own lines of each order, for a return or a review."""
    return (unit(draws.keys(what, rows.key)) * rows.lines).astype(np.int64)


def event_keys(draws: Draws, rows: Rows, row: Ints, line: Ints) -> Ints:
    """64 bits that are the id of an event, from its session, what it stands for and its number there."""
    sessions = rows.key[row]
    return draws.keys("event", sessions, rows.deed[row] * MAX_LINE + line).view(np.int64)
