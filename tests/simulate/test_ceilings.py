"""Ceilings against brute force and other people's implementations."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import adjusted_rand_score, log_loss, ndcg_score, roc_auc_score

from affinity.metrics.agreement import adjusted_rand_index
from affinity.simulate import baskets
from affinity.simulate.behaviour import Hazard, cut, live, orders_28, recency
from affinity.simulate.ceilings import propensity, rules, segments, tastes
from affinity.simulate.customers import customers
from affinity.simulate.params import ARCHETYPES, TRAIT_SD, ShopConfig
from affinity.simulate.place import Shop
from affinity.simulate.shop import Written
from affinity.simulate.world import world_of
from tests.simulate.making import everybody

CONFIG = ShopConfig(customers=3_000, items=200, days=120)
RNG = np.random.default_rng(5)


def test_adjusted_rand_index_is_that_of_scikit_learn() -> None:
    a, b = RNG.integers(0, 4, 500), RNG.integers(0, 3, 500)
    table = np.zeros((4, 3), np.int64)
    np.add.at(table, (a, b), 1)
    assert adjusted_rand_index(table) == pytest.approx(adjusted_rand_score(a, b), abs=1e-12)
    assert adjusted_rand_index(np.array([[5]])) == 1.0


def test_ndcg_is_that_of_scikit_learn() -> None:
    score, relevant = RNG.random((20, 50)), RNG.random((20, 50)) < 0.1
    relevant[:, 0] = True
    hits = np.take_along_axis(relevant, tastes.top(score), axis=1)
    ours = tastes.ndcg(hits, np.arange(1, 11)[None, :], relevant.sum(axis=1))
    theirs = [ndcg_score(relevant[i : i + 1].astype(float), score[i : i + 1], k=10) for i in range(20)]
    assert ours == pytest.approx(theirs)


def test_masks_tell_recency_and_orders() -> None:
    purchases = RNG.random((100, 300)) < 0.05
    mask = np.zeros(300, np.uint64)
    for bought in purchases:
        mask = (mask << np.uint64(1)) | bought.astype(np.uint64)
    ago = [np.flatnonzero(column[::-1]) + 1 for column in purchases.T]
    assert recency(mask).tolist() == [min([*days[days <= 64].tolist(), 65]) for days in ago]
    assert orders_28(mask).tolist() == [int((days <= 28).sum()) for days in ago]


def test_the_chance_of_a_window_is_the_product_over_its_days() -> None:
    who = customers(CONFIG, np.arange(50))
    hazard, mask = Hazard(who), live(who, 60, masks_at=[55]).masks[55]
    # Brute force: the chance of every one of the 2^3 histories of three days, those with a purchase summed.
    total = np.zeros(50)
    for history in range(1, 8):
        chance, state = np.ones(50), mask
        for day in range(3):
            bought = history >> day & 1
            p = hazard(state, 55 + day)
            chance = chance * (p if bought else 1 - p)
            state = (state << np.uint64(1)) | np.uint64(bought)
        total += chance
    assert hazard.within(mask, 55, 3) == pytest.approx(total, abs=1e-12)


def test_propensity_ceilings_are_those_of_scikit_learn() -> None:
    who, life, _ = everybody(CONFIG)
    life = live(who, 120, masks_at=[90, 113])
    found = {(c.horizon, c.metric): c for c in propensity.ceilings(propensity.counts(who, life, 120))}
    kept = (who.join_day < 90) & life.bought[:90].any(axis=0)
    chance = Hazard(who).within(life.masks[90], 90, 30)[kept]
    bought = life.bought[90:120, kept].any(axis=0)
    assert found[30, "auc"].realised == pytest.approx(roc_auc_score(bought, chance), abs=1e-3)
    assert found[30, "auc"].baseline == pytest.approx(roc_auc_score(bought, -recency(life.masks[90])[kept]))
    assert found[30, "log_loss"].realised == pytest.approx(log_loss(bought, chance))
    assert found[30, "log_loss"].baseline == pytest.approx(log_loss(bought, np.full(len(bought), bought.mean())))
    assert found[30, "auc"].expected == pytest.approx(_brute_auc(chance), abs=1e-3)
    assert found[30, "auc"].n == kept.sum()


def _brute_auc(p: np.ndarray) -> float:  # type: ignore[type-arg]
    weight = p[:, None] * (1 - p)[None, :] * (1 - np.eye(len(p)))
    above = (p[:, None] > p[None, :]) + 0.5 * (p[:, None] == p[None, :])
    return float((weight * above).sum() / weight.sum())


def test_bayes_labels_follow_the_likelihood_integrated_by_brute_force() -> None:
    who, life, orders = everybody(CONFIG)
    posterior = segments.posterior(who, life, orders, 90)
    z = np.linspace(-6, 6, 2_001)
    weight = stats.norm.pdf(z) * (z[1] - z[0])
    for customer in (3, 17, 240):
        before = orders.take((orders.customer == customer) & (orders.day < 90))
        idle = ~life.bought[:90, customer] & (np.arange(90) >= max(who.join_day[customer], 0))
        browsed = int((idle & life.browsed[:90, customer]).sum())
        evidence = []
        for a in ARCHETYPES:
            rate, lines, units = (base * np.exp(TRAIT_SD * z) for base in (a.browse, a.lines - 1, a.units - 1))
            n, more, extra = len(before), int(before.lines.sum()) - len(before), int(before.extra_units.sum())
            evidence.append(
                a.share
                * a.tiers[who.tier[customer]]
                * (stats.binom.pmf(browsed, idle.sum(), rate) * weight).sum()
                * (stats.poisson.pmf(more, n * lines) * weight).sum()
                * (stats.poisson.pmf(extra, (n + more) * units) * weight).sum()
            )
        assert posterior[customer] == pytest.approx(np.array(evidence) / sum(evidence), abs=1e-6)


def test_expected_baskets_are_those_of_many_redraws() -> None:
    world = world_of(CONFIG)
    who, _, orders = everybody(CONFIG)
    expected = rules.expected_baskets(world, orders)
    counted = rules.counts(world, orders, baskets.whole_baskets(world, orders))
    complements = counted.slice(0, len(world.antecedents))
    for place, name in enumerate(("n_a", "n_ac", "n_c")):
        found = complements[name].to_numpy()
        assert (np.abs(found - expected[place]) < 4.5 * np.sqrt(expected[place]) + 1).all()
    assert len(who.number) == CONFIG.customers


def test_units_and_lines_add_up() -> None:
    world, (_, _, orders) = world_of(CONFIG), everybody(CONFIG)
    lines = baskets.whole_baskets(world, orders)
    units = baskets.units(world, orders, lines)
    n_lines = np.bincount(lines.row, minlength=len(orders))
    assert (n_lines >= orders.lines).all()
    per_order = np.bincount(lines.row, weights=units, minlength=len(orders))
    assert np.array_equal(per_order, n_lines + orders.extra_units)


@pytest.mark.parametrize(
    ("end", "horizon", "day"), [(120, 30, 90), (60, 7, 53), (180, 30, 150), (250, 92, 99), (50, 7, 34)]
)
def test_windows_keep_clear_of_the_campaign(end: int, horizon: int, day: int) -> None:
    assert cut(end, horizon) == day


def test_a_shop_made_by_spark_tells_all_ceilings(made: tuple[Shop, Written]) -> None:
    ceilings = made[1].ceilings
    assert {row.task for row in ceilings} == {"segments", "propensity", "rules", "recommendations"}
    for row in ceilings:
        assert row.n > 0
        assert row.realised is not None
        if row.metric != "calibration_error":
            assert row.expected is not None
            better = row.baseline - row.realised if row.metric == "log_loss" else row.realised - row.baseline
            assert better > 0


def test_the_observer_makes_use_of_the_tier() -> None:
    who, life, orders = everybody(CONFIG)
    chances = segments.posterior(who, life, orders, 90)
    share = np.array([archetype.tiers for archetype in ARCHETYPES])[:, who.tier].T
    # How common the tier is in an archetype taken out again; archetypes without it stay ruled out.
    blind = np.divide(chances, share, out=np.zeros_like(chances), where=share > 0)
    true = who.archetype_at(90)
    there = who.join_day < 90  # also those of whom little is seen: there the tier says most
    right, right_blind = ((label.argmax(axis=1) == true)[there].mean() for label in (chances, blind))
    assert right > right_blind + 0.02
