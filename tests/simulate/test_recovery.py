"""What was planted comes out of what was generated, over several seeds; intervals hold for all figures at once."""

import numpy as np
import pytest
from scipy import stats

from affinity.simulate.baskets import whole_baskets
from affinity.simulate.behaviour import Hazard, contact_days, live, masks_needed
from affinity.simulate.ceilings import rules
from affinity.simulate.customers import Customers, customers
from affinity.simulate.params import (
    ARCHETYPES,
    ORDERS_COEFFICIENT,
    RECENCY_COEFFICIENT,
    TIER_LOGIT,
    ShopConfig,
)
from affinity.simulate.truth.customers import contact_table, hazard_table
from affinity.simulate.truth.shop import complement_table, trap_table
from affinity.simulate.world import world_of
from tests.simulate.making import everybody

SEEDS = (1, 2, 3)
LEVEL = 0.001
"""How rarely a right generator may fail a test."""


def config_of(seed: int, **sizes: int) -> ShopConfig:
    return ShopConfig(**({"customers": 4_000, "items": 400, "days": 120} | sizes), seed=seed)


def within(difference: np.ndarray, sd: np.ndarray) -> bool:  # type: ignore[type-arg]
    """Whether all differences lie in intervals that hold together (Bonferroni)."""
    return bool((np.abs(difference) <= stats.norm.ppf(1 - LEVEL / 2 / difference.size) * sd).all())


@pytest.mark.parametrize("seed", SEEDS)
def test_hazard_coefficients(seed: int) -> None:
    table = hazard_table(customers(config_of(seed), np.arange(4_000)), 120)
    tier = table["tier"].to_numpy()
    features = np.column_stack(
        [
            *[(tier == t).astype(float) for t in range(len(TIER_LOGIT))],
            np.log(table["recency"].to_numpy()),
            table["orders_28"].to_numpy(),
            table["weekday_logit"].to_numpy(),
        ]
    )
    offset = table["campaign_logit"].to_numpy()
    found, sd = _logistic(features, table["bought"].to_numpy().astype(float), offset)
    planted = np.array([*TIER_LOGIT, RECENCY_COEFFICIENT, ORDERS_COEFFICIENT, 1.0])
    assert within(found - planted, sd)
    assert sd.max() < 0.15  # precise enough to tell: recency from none by 20 of them
    assert abs(RECENCY_COEFFICIENT) / sd[4] > 20


def _logistic(x: np.ndarray, y: np.ndarray, offset: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """Maximum likelihood by Newton's method, no penalty; standard errors from the information."""
    beta = np.zeros(x.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-(x @ beta + offset)))
        information = (x * (p * (1 - p))[:, None]).T @ x
        step = np.linalg.solve(information, x.T @ (y - p))
        beta = beta + step
        if np.abs(step).max() < 1e-9:
            break
    return beta, np.sqrt(np.diag(np.linalg.inv(information)))


@pytest.mark.parametrize("seed", SEEDS)
def test_complements_and_traps(seed: int) -> None:
    config = config_of(seed, customers=8_000)
    world = world_of(config)
    orders = everybody(config)[2]
    counted = rules.counts(world, orders, whole_baskets(world, orders))
    pairs = complement_table(world, counted)
    enough = pairs["baskets"].to_numpy() >= 300
    assert enough.sum() >= 10
    difference = (pairs["realised_confidence"].to_numpy() - pairs["confidence"].to_numpy())[enough]
    assert within(difference, pairs["sd"].to_numpy()[enough])
    assert (pairs["realised_lift"].to_numpy()[enough] > 1.2).all()
    traps = trap_table(world, counted)
    expected, found = traps["expected_pairs"].to_numpy(), traps["n_pairs"].to_numpy()
    assert (expected > 20).all()  # popular together
    assert within(found - expected, np.sqrt(expected))
    assert traps["realised_lift"].to_numpy()[expected >= 300] == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize("seed", SEEDS)
def test_shares_of_archetypes_tiers_and_the_sensitive_group(seed: int) -> None:
    who = customers(config_of(seed), np.arange(20_000))
    shares = np.array([a.share for a in ARCHETYPES])
    assert stats.chisquare(np.bincount(who.archetype), 20_000 * shares).pvalue > LEVEL
    for number, archetype in enumerate(ARCHETYPES):
        mine = who.archetype == number
        expected, n = archetype.group_b, mine.sum()
        assert abs(who.is_group_b[mine].mean() - expected) < 4 * np.sqrt(expected * (1 - expected) / n)
        tiers = np.array(archetype.tiers)
        counts = np.bincount(who.tier[mine], minlength=4)
        assert counts[tiers == 0].sum() == 0
        assert stats.chisquare(counts[tiers > 0], n * tiers[tiers > 0]).pvalue > LEVEL / len(ARCHETYPES)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_campaign_is_randomised_and_its_effect_differs_by_archetype(seed: int) -> None:
    config = config_of(seed, customers=20_000)
    who = customers(config, np.arange(20_000))
    table = contact_table(who, live(who, 60, masks_at=masks_needed(60)), 60).to_pandas()
    assert contact_days(0, 60) == [40]
    treated = table["arm"] == "treated"
    assert stats.binomtest(int(treated.sum()), len(table), 0.5).pvalue > LEVEL
    # The truth of each arm is balanced, and what was bought is what the arm's chance says, archetype by archetype.
    for name, group in table.groupby("archetype"):
        for arm, chance in (("treated", "p_treated"), ("control", "p_control")):
            mine = group[group["arm"] == arm]
            sd = np.sqrt((mine[chance] * (1 - mine[chance])).sum())
            assert abs(mine["bought"].sum() - mine[chance].sum()) < 4 * sd, (name, arm)
    lift = (table["p_treated"] - table["p_control"]).groupby(table["archetype"]).mean()
    for archetype in ARCHETYPES:  # a few change their archetype in these days
        assert abs(lift[archetype.name]) < 0.001 or archetype.effect * lift[archetype.name] > 0
        assert archetype.effect == 0 or abs(lift[archetype.name]) > 0.005
    assert lift["enthusiasts"] < -0.02  # one group is harmed
    assert len(set(lift.round(4))) >= 4


@pytest.mark.parametrize("seed", SEEDS)
def test_window_chances_are_those_of_the_lives(seed: int) -> None:
    config = config_of(seed, customers=8_000)
    who = customers(config, np.arange(8_000))
    life = live(who, 120, masks_at=[90])
    chance, bought = _window(who, life.masks[90]), life.bought[90:120].any(axis=0)
    there = who.join_day < 90
    sd = np.sqrt((chance * (1 - chance))[there].sum())
    assert abs(bought[there].sum() - chance[there].sum()) < 4 * sd
    for low, high in ((0, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, 1)):
        mine = there & (chance >= low) & (chance < high)
        sd = np.sqrt((chance * (1 - chance))[mine].sum())
        assert abs(bought[mine].sum() - chance[mine].sum()) < 4 * sd


def _window(who: Customers, mask: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
    return np.asarray(Hazard(who).within(mask, 90, 30))
