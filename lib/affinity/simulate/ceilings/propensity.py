"""Propensity: the true chance as a score."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from affinity.simulate.behaviour import HORIZONS, Hazard, Life, cuts, recency
from affinity.simulate.ceilings import Ceiling
from affinity.simulate.customers import Customers
from affinity.simulate.draws import Bools, Floats, Ints

N_BINS = 10_000
_EPSILON = 1e-12
_POPULATION = "bought before"


def counts(who: Customers, life: Life, end: int) -> pa.Table:
    """Customers who bought before, counted by bins of their true chance and by their days since the last order."""
    parts = []
    for horizon, day in cuts(end).items():
        kept = np.flatnonzero((who.join_day < day) & life.bought[:day].any(axis=0))
        mask = life.masks[day]
        chance = Hazard(who).within(mask, day, horizon)[kept]
        bought = np.asarray(life.bought[day : day + horizon, kept].any(axis=0))
        parts.append(_binned("chance", (horizon, day), (chance * N_BINS).astype(np.int64), chance, bought))
        parts.append(_binned("recency", (horizon, day), -recency(mask)[kept], chance, bought))
    return pa.concat_tables(parts) if parts else _binned("chance", (0, 0), _NONE, _NONE * 1.0, _NONE > 0)


_NONE = np.zeros(0, np.int64)


def _binned(score: str, window: tuple[int, int], bins: Ints, chance: Floats, bought: Bools) -> pa.Table:
    horizon, day = window
    distinct, position = np.unique(bins, return_inverse=True)
    safe = np.clip(chance, _EPSILON, 1 - _EPSILON)
    entropy = -(safe * np.log(safe) + (1 - safe) * np.log1p(-safe))
    loss = -np.where(bought, np.log(safe), np.log1p(-safe))
    weights = {"n": np.ones(len(chance)), "sum_p": chance, "sum_p2": chance**2, "positives": bought.astype(np.float64)}
    weights |= {"entropy": entropy, "loss": loss}
    sums = {name: np.bincount(position, weights=w, minlength=len(distinct)) for name, w in weights.items()}
    n = len(distinct)
    keys = {"score": pa.array([score] * n, pa.string()), "horizon": np.full(n, horizon), "as_of_day": np.full(n, day)}
    return pa.table({**keys, "bin": distinct, **sums})


def ceilings(counted: pa.Table) -> list[Ceiling]:
    """AUC, log-loss and calibration error of the true chances, beside recency and prevalence."""
    found = []
    for horizon in HORIZONS:
        of_horizon = counted.filter(pc.field("horizon") == horizon)
        if not len(of_horizon):
            continue
        exact, naive = (_sums(of_horizon, score) for score in ("chance", "recency"))
        n, day = exact["n"].sum(), int(of_horizon["as_of_day"][0].as_py())
        share = min(max(exact["positives"].sum() / n, _EPSILON), 1 - _EPSILON)
        flat = -(share * np.log(share) + (1 - share) * np.log1p(-share))
        found += [
            Ceiling("propensity", day, horizon, _POPULATION, metric, *figures, int(n))
            for metric, figures in {
                "auc": (_expected_auc(exact), _auc(exact), _auc(naive), "days since the last order"),
                "log_loss": (exact["entropy"].sum() / n, exact["loss"].sum() / n, float(flat), "prevalence for all"),
                "calibration_error": (None, _in_deciles(exact), None, ""),
            }.items()
        ]
    return found


def _sums(counted: pa.Table, score: str) -> dict[str, Floats]:
    """Sums per bin, by rising score."""
    of_score = counted.filter(pc.field("score") == score)
    names = ("n", "sum_p", "sum_p2", "positives", "entropy", "loss")
    summed = of_score.group_by("bin").aggregate([(name, "sum") for name in names]).sort_by("bin")
    return {name: summed[f"{name}_sum"].to_numpy() for name in names}


def _auc(sums: dict[str, Floats]) -> float | None:
    """The share of pairs in the right order, ties half; unknown where one class is missing."""
    positives, negatives = sums["positives"], sums["n"] - sums["positives"]
    below = np.cumsum(negatives) - negatives
    pairs = positives.sum() * negatives.sum()
    return float((positives * (below + negatives / 2)).sum() / pairs) if pairs else None


def _expected_auc(sums: dict[str, Floats]) -> float | None:
    """Σ p(1-q)[p above q] over Σ p(1-q), each customer paired with the others only; ties half."""
    p, q = sums["sum_p"], sums["n"] - sums["sum_p"]
    self_pairs = sums["sum_p"] - sums["sum_p2"]
    below = np.cumsum(q) - q
    pairs = p.sum() * q.sum() - self_pairs.sum()
    return float((p * below + (p * q - self_pairs) / 2).sum() / pairs) if pairs else None


def _in_deciles(sums: dict[str, Floats]) -> float:
    """Expected calibration error in ten classes of equal size by the true chance (bins are not divided)."""
    n = sums["n"]
    decile = np.minimum((10 * (np.cumsum(n) - n / 2) / n.sum()).astype(np.int64), 9)
    off = np.bincount(decile, weights=sums["positives"] - sums["sum_p"], minlength=10)
    return float(np.abs(off).sum() / n.sum())
