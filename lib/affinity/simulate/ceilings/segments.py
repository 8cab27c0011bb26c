"""Segments: Bayes labels from what can be seen of a customer."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from affinity.metrics.agreement import adjusted_rand_index
from affinity.simulate import text
from affinity.simulate.behaviour import Life
from affinity.simulate.ceilings import Ceiling
from affinity.simulate.customers import Customers
from affinity.simulate.draws import Floats, Ints
from affinity.simulate.params import ARCHETYPES, NAMES, TIER_SHARES, TRAIT_SD, TRAITS
from affinity.simulate.sessions import Rows
from affinity.simulate.text import lists

N_NODES = 31
MIN_VISIT_DAYS = 3
N_REDRAWS = 20
_FEW_CUSTOMERS = 20_000
POPULATION = f"bought before, at least {MIN_VISIT_DAYS} visit days"
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(N_NODES)
_LOG_WEIGHTS = np.log(_WEIGHTS / _WEIGHTS.sum())
_LOG_SHARES = np.log([a.share for a in ARCHETYPES])
_LOG_TIERS = np.log(np.maximum(TIER_SHARES.T, 1e-300))
_ORDER_BINS = np.array([1, 2, 3, 5, 9])


def labels(who: Customers, life: Life, orders: Rows, day: int) -> pa.Table:
    """``segment_labels``: what a customer is, and what the best observer would take them for; customers by ``day``.

    ``visit_days`` are days of browsing or buying before it.
    """
    bought, browsed = life.bought[:day], life.browsed[:day]
    there = np.flatnonzero(who.join_day < day)
    chances = posterior(who, life, orders, day)[there]
    return pa.table(
        {
            "customer": who.number[there],
            "as_of_day": np.full(len(there), day),
            "visit_days": (bought | browsed).sum(axis=0)[there],
            "n_orders": bought.sum(axis=0)[there],
            "archetype": text.words(NAMES, who.archetype_at(day)[there]),
            "bayes_archetype": text.words(NAMES, chances.argmax(axis=1)),
            "posterior": lists(chances),
        }
    )


def counts(who: Customers, told: pa.Table) -> pa.Table:
    """``labels`` of customers who bought and came on at least three days, counted by label and archetype.

    ``kind`` is ``bayes`` (label = the most probable archetype), ``redraw`` (archetypes drawn anew from what is known,
    ``draw`` times) or ``naive`` (label = class of the number of orders).
    """
    told = told.filter((pc.field("visit_days") >= MIN_VISIT_DAYS) & (pc.field("n_orders") > 0))
    number, n_orders = told["customer"].to_numpy(), told["n_orders"].to_numpy()
    label, true = (pc.index_in(told[c], pa.array(NAMES)).to_numpy() for c in ("bayes_archetype", "archetype"))
    n_draws = N_REDRAWS if who.config.customers <= _FEW_CUSTOMERS else 1
    uniforms = who.draws.uniform("posterior", number[:, None], np.arange(n_draws)[None, :])
    chances = told["posterior"].combine_chunks().flatten().to_numpy().reshape(len(number), len(NAMES))
    bounds = np.cumsum(chances, axis=1)
    redrawn = [(uniforms[:, draw : draw + 1] >= bounds[:, :-1]).sum(axis=1) for draw in range(n_draws)]
    naive = np.searchsorted(_ORDER_BINS, n_orders, side="right")
    parts = [_counted("bayes", 0, label, true), _counted("naive", 0, naive, true)]
    parts += [_counted("redraw", draw, label, other) for draw, other in enumerate(redrawn)]
    return pa.concat_tables(parts)


def _counted(kind: str, draw: int, label: Ints, true: Ints) -> pa.Table:
    k = len(ARCHETYPES)
    counts = np.bincount(label * k + true, minlength=k * k)
    cells = np.flatnonzero(counts)
    columns = {"draw": np.full(len(cells), draw), "label": cells // k, "archetype": cells % k, "n": counts[cells]}
    return pa.table({"kind": pa.array([kind] * len(cells), pa.string()), **columns})


def posterior(who: Customers, life: Life, orders: Rows, day: int) -> Floats:
    """Customers by archetypes: probabilities given the tier, and browsing days, own lines and units before ``day``.

    Browsing is looked at on days without a purchase, of which there is always a known number, so that the three
    statistics are binomial and twice Poisson given the traits; the traits are integrated out by Gauss-Hermite
    quadrature. Who has switched is treated as if they had always been what they are most like.
    """
    alive = np.arange(day)[:, None] >= np.maximum(who.join_day, 0)[None, :]
    idle = alive & ~life.bought[:day]
    n_idle, n_browsed = idle.sum(axis=0), (idle & life.browsed[:day]).sum(axis=0)
    before = orders.take(orders.day < day)
    position = np.searchsorted(who.number, before.customer)
    n_orders, n_lines, n_units = (
        np.bincount(position, weights=weights, minlength=len(who.number))
        for weights in (np.ones(len(before)), before.lines, before.extra_units)
    )
    log_likelihood = _LOG_SHARES[None, :] + _LOG_TIERS[who.tier]
    for archetype in range(len(ARCHETYPES)):
        rate, lines, units = (np.exp(TRAITS[archetype, t] + TRAIT_SD * _NODES) for t in range(3))
        log_likelihood[:, archetype] += (
            _integral((n_browsed, np.log(rate)), (n_idle - n_browsed, np.log1p(-rate)))
            + _integral((n_lines - n_orders, np.log(lines)), (n_orders, -lines))
            + _integral((n_units, np.log(units)), (n_lines, -units))
        )
    scaled = np.exp(log_likelihood - log_likelihood.max(axis=1, keepdims=True))
    shares: Floats = scaled / scaled.sum(axis=1, keepdims=True)
    return shares


def _integral(first: tuple[Ints, Floats], second: tuple[Ints, Floats]) -> Floats:
    """Log of the mean over nodes of exp(count * value + count * value); each pair of counts is computed once."""
    pairs = first[0].astype(np.int64) << 32 | second[0].astype(np.int64)
    distinct, position = np.unique(pairs, return_inverse=True)
    log_values = (distinct >> 32)[:, None] * first[1] + (distinct & 0xFFFFFFFF)[:, None] * second[1]
    most = log_values.max(axis=1)
    return np.asarray(most + np.log(np.exp(log_values - most[:, None] + _LOG_WEIGHTS).sum(axis=1)))[position]


def ceiling(counted: pa.Table, day: int) -> Ceiling:
    """Adjusted Rand index of the Bayes labels, and of classes by number of orders."""

    def index(kind: str, draw: int) -> float:
        chosen = counted.filter((pc.field("kind") == kind) & (pc.field("draw") == draw))
        table = np.zeros((len(ARCHETYPES), len(ARCHETYPES)), np.int64)
        np.add.at(table, (chosen["label"].to_numpy(), chosen["archetype"].to_numpy()), chosen["n"].to_numpy())
        return adjusted_rand_index(table)

    redraws = counted.filter(pc.field("kind") == "redraw")
    draws = sorted(set(redraws["draw"].to_pylist()))
    n = pc.sum(counted.filter(pc.field("kind") == "bayes")["n"]).as_py() or 0
    return Ceiling(
        "segments",
        day,
        None,
        POPULATION,
        "adjusted_rand_index",
        float(np.mean([index("redraw", draw) for draw in draws])) if draws else None,
        index("bayes", 0),
        index("naive", 0),
        "classes by number of orders",
        n,
    )
