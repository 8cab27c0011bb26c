"""Tastes: the true chance of every item as a ranking."""

import numpy as np
import pyarrow as pa

from affinity.simulate import baskets, text
from affinity.simulate.customers import Customers, customers, tastes
from affinity.simulate.draws import Bools, Floats, Ints
from affinity.simulate.sessions import Rows
from affinity.simulate.world import World

N_TASTED = 5_000
"""At most about so many customers are looked at."""
TOP_K = 10
N_POPULAR = 300
"""So many of the most bought items are looked at for ten that a customer does not have."""
RANKINGS = ("oracle", "redraw", "popularity")
_AT_ONCE = 128
_EPSILON = 1e-12


def relevant_items(world: World, who: Customers, orders: Rows, window: tuple[int, int], popular: Ints) -> pa.Table:
    """``relevant_items``: per customer with any, the items to find, and the nDCG@10 of three rankings.

    ``window`` is [day, end). Relevant are the distinct items bought in it that are sold on its first day and were not
    bought before. ``oracle`` ranks by the true chances; ``redraw`` does so for as many other items drawn by the same
    chances, which is what was to be expected; ``popularity`` ranks by purchases before the window (``popular``: items
    by falling purchases; the first 300 are looked at).
    """
    day, end = window
    lines = baskets.whole_baskets(world, orders)
    bought_on = orders.day[lines.row]
    key = np.searchsorted(who.number, orders.customer)[lines.row] * len(world.item) + lines.item
    seen = np.unique(key[bought_on < day])
    is_sold = world.is_there(day)[key % len(world.item)]
    later = np.setdiff1d(key[(bought_on >= day) & (bought_on < end) & is_sold], seen)
    kept = np.unique(later // len(world.item))
    parts = [np.zeros((0, 3))]
    for start in range(0, len(kept), _AT_ONCE):
        some = kept[start : start + _AT_ONCE]
        parts.append(
            _figures(world, _some(who, some), day, [_cells(world, keys, some) for keys in (seen, later)], popular)
        )
    figures = np.concatenate(parts)
    bounds = np.searchsorted(later // len(world.item), np.append(kept, len(who.number))).astype(np.int32)
    items = pa.ListArray.from_arrays(bounds, text.number(later % len(world.item), 6, "I"))
    columns = dict(zip(RANKINGS, figures.T, strict=True))
    return pa.table({"customer": who.number[kept], "as_of_day": np.full(len(kept), day), "items": items, **columns})


def _some(who: Customers, positions: Ints) -> Customers:
    return customers(who.config, who.number[positions])


def _cells(world: World, keys: Ints, positions: Ints) -> Bools:
    """The customers' items as a matrix of customers by items."""
    matrix = np.zeros((len(positions), len(world.item)), np.bool_)
    owner = keys // len(world.item)
    chosen = np.isin(owner, positions)
    matrix[np.searchsorted(positions, owner[chosen]), keys[chosen] % len(world.item)] = True
    return matrix


def _figures(world: World, who: Customers, day: int, cells: list[Bools], popular: Ints) -> Floats:
    seen, relevant = cells
    barred = seen | ~world.is_there(day)[None, :]
    score = np.where(barred, -1.0, _chances(world, who, day))
    best, n_relevant = top(score), relevant.sum(axis=1)
    redrawn = _redrawn(world, who.number, score, n_relevant)
    hits = [np.take_along_axis(items, best, axis=1) for items in (relevant, redrawn)]
    oracle, redraw = (ndcg(hit, np.arange(1, hit.shape[1] + 1)[None, :], n_relevant) for hit in hits)
    # The most bought items that are not barred: the place of each among them is its rank.
    rank = np.cumsum(~barred[:, popular], axis=1)
    is_shown = ~barred[:, popular] & (rank <= TOP_K)
    return np.stack([oracle, redraw, ndcg(relevant[:, popular] & is_shown, rank, n_relevant)], axis=1)


def _chances(world: World, who: Customers, day: int) -> Floats:
    """Expected lines of each item in an order of each customer: own ones, staples, and consequents of antecedents."""
    traits = np.where((day < who.switch_day)[:, None], who.traits(), who.traits(after=True))
    expected = (1 + np.exp(traits[:, 1:2])) * (tastes(world.config, who.number) @ world.shares(day))
    expected[:, world.staples] = world.staple_chance
    expected[:, world.consequents] += world.complement_chance * (1 - np.exp(-expected[:, world.antecedents]))
    return np.asarray(expected)


def _redrawn(world: World, numbers: Ints, score: Floats, n_relevant: Ints) -> Bools:
    """As many other relevant items per customer, drawn without replacement by their chances (Gumbel's way)."""
    uniforms = world.draws.uniform("redraw", numbers[:, None], np.arange(score.shape[1])[None, :])
    keys = np.where(score > 0, np.log(np.maximum(score, _EPSILON)) - np.log(-np.log(uniforms)), -np.inf)
    drawn = np.zeros(score.shape, np.bool_)
    for each, n in enumerate(n_relevant):
        drawn[each, np.argpartition(-keys[each], n - 1)[:n]] = True
    return drawn


def ndcg(hits: Bools, rank: Ints, n_relevant: Ints) -> Floats:
    """nDCG@10 with binary relevance: of hits at their ranks, given how many there could be; one row per customer.

    >>> ndcg(np.array([[False, True]]), np.array([[1, 3]]), np.array([1])).tolist()
    [0.5]
    """
    gained = (hits / np.log2(1.0 + np.maximum(rank, 1))).sum(axis=1)
    most = np.cumsum(1 / np.log2(np.arange(2, TOP_K + 2)))
    return np.asarray(gained / most[np.minimum(n_relevant, TOP_K) - 1])


def top(score: Floats) -> Ints:
    """Positions of the ten greatest scores of each row in falling order."""
    k = min(TOP_K, score.shape[1])
    some = np.sort(np.argpartition(score, score.shape[1] - k, axis=1)[:, -k:], axis=1)
    order = np.argsort(-np.take_along_axis(score, some, axis=1), axis=1, kind="stable")
    return np.take_along_axis(some, order, axis=1)
