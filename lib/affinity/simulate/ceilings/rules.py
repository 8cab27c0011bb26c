"""Rules: what was planted, by the chances of every basket."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from affinity.simulate import baskets
from affinity.simulate.ceilings import Ceiling
from affinity.simulate.customers import tastes
from affinity.simulate.draws import Bools, Floats
from affinity.simulate.sessions import Rows
from affinity.simulate.world import World

_EPSILON = 1e-12


def counts(world: World, rows: Rows, lines: baskets.Lines) -> pa.Table:
    """Per pair of antecedent and consequent: expected and counted baskets of orders, given with all their lines."""
    n_pairs, k = len(world.antecedents), len(world.staples)
    sums = np.zeros((6, n_pairs))
    pairs = np.zeros((k, k), np.int64)
    if len(rows):
        sums[:3] = expected_baskets(world, rows)
        holds = _holds(world, lines, len(rows))
        left, right = holds[:, :n_pairs], holds[:, n_pairs : 2 * n_pairs]
        sums[3:] = left.sum(axis=0), (left & right).sum(axis=0), right.sum(axis=0)
        staples = holds[:, 2 * n_pairs :].astype(np.float32)
        pairs = (staples.T @ staples).astype(np.int64)
    names = ("expected_a", "expected_ac", "expected_c", "n_a", "n_ac", "n_c")
    ordinary = {
        "kind": pa.array(["complement"] * n_pairs, pa.string()),
        "a": np.arange(n_pairs),
        "c": np.arange(n_pairs),
    }
    a, b = np.triu_indices(k, 1)
    trap = {"kind": pa.array(["trap"] * len(a), pa.string()), "a": a, "c": b}
    both = world.staple_chance[a] * world.staple_chance[b] * len(rows)
    trap_sums = [world.staple_chance[a] * len(rows), both, world.staple_chance[b] * len(rows)]
    trap_sums += [pairs[a, a], pairs[a, b], pairs[b, b]]
    tables = [(ordinary, list(sums)), (trap, trap_sums)]
    return pa.concat_tables(
        [
            pa.table(
                {**keys, "baskets": np.full(len(values[0]), len(rows))}
                | {name: np.asarray(value, np.float64) for name, value in zip(names, values, strict=True)}
            )
            for keys, values in tables
        ]
    )


def ceilings(counted: pa.Table, end: int) -> list[Ceiling]:
    """Mean confidence of the planted pairs over baskets with an antecedent, beside the consequents' share of all."""
    found = counted.filter(pc.field("kind") == "complement")
    sums = {name: pc.sum(found[name]).as_py() or 0 for name in found.column_names if name not in ("kind",)}
    if not sums["n_a"]:
        return []
    naive = sums["n_c"] / sums["baskets"]
    expected, realised = sums["expected_ac"] / sums["expected_a"], sums["n_ac"] / sums["n_a"]
    name = "share of baskets with the consequent"
    return [
        Ceiling("rules", end, None, "planted pairs", "confidence", expected, realised, naive, name, int(sums["n_a"]))
    ]


def expected_baskets(world: World, rows: Rows) -> Floats:
    """Expected baskets with the antecedent, with both, and with the consequent, from each basket's exact chances."""
    planted = np.concatenate([world.antecedents, world.consequents])
    total = np.zeros((3, len(world.antecedents)))
    for week in np.unique(rows.day // 7):
        here = rows.take(rows.day // 7 == week)
        interest, position = np.unique(here.customer, return_inverse=True)
        chance = (tastes(world.config, interest) @ world.shares(int(week) * 7)[:, planted])[position]
        a, c = np.split(chance, 2, axis=1)
        n = here.lines[:, None]
        none_a, none_c, neither = (np.exp(n * np.log1p(-p)) for p in (a, c, np.minimum(a + c, 1 - _EPSILON)))
        has_a, has_both = 1 - none_a, 1 - none_a - none_c + neither
        added = world.complement_chance * (has_a - has_both)
        total += np.stack([has_a.sum(axis=0), (has_both + added).sum(axis=0), (1 - none_c + added).sum(axis=0)])
    return total


def _holds(world: World, lines: baskets.Lines, n_rows: int) -> Bools:
    """Baskets by (antecedents, consequents, staples): what lies in which."""
    planted = np.concatenate([world.antecedents, world.consequents, world.staples])
    column = np.full(len(world.item), -1)
    column[planted] = np.arange(len(planted))
    holds = np.zeros((n_rows, len(planted)), np.bool_)
    known = column[lines.item] >= 0
    holds[lines.row[known], column[lines.item[known]]] = True
    return holds
