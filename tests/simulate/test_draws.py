"""Draws have the distributions they are named for, and nothing they depend on but their keys."""

import numpy as np
import pytest
from scipy import stats

from affinity.simulate.customers import account, tastes
from affinity.simulate.draws import Draws, choice, exponential, normal, poisson
from affinity.simulate.params import N_TOPICS, ShopConfig

N = 200_000
UNIFORM = Draws(7).uniform("test", np.arange(N))


def test_uniforms_are_uniform_and_independent_of_their_neighbours() -> None:
    assert stats.kstest(UNIFORM, "uniform").pvalue > 0.001
    assert abs(np.corrcoef(UNIFORM[:-1], UNIFORM[1:])[0, 1]) < 4 / np.sqrt(N)
    assert 0 < UNIFORM.min() < UNIFORM.max() < 1


def test_a_draw_depends_on_its_keys_alone() -> None:
    few, many = Draws(7).uniform("a", np.arange(10), 3), Draws(7).uniform("a", np.arange(100), 3)
    assert np.array_equal(few, many[:10])
    assert not np.isin(many, Draws(7).uniform("b", np.arange(100), 3)).any()
    assert not np.isin(many, Draws(8).uniform("a", np.arange(100), 3)).any()
    assert not np.isin(many, Draws(7).uniform("a", np.arange(100), 4)).any()


def test_known_values_never_change() -> None:
    assert [f"{int(key):016x}" for key in Draws(1).keys("day", np.array([0, 1]), 5)] == KNOWN


KNOWN = ["a13a5ed5f6381ec9", "c99ed52b19b939bc"]


@pytest.mark.parametrize(
    ("drawn", "name", "args"),
    [(normal(UNIFORM), "norm", ()), (exponential(UNIFORM), "expon", ())],
    ids=["normal", "exponential"],
)
def test_continuous_draws(drawn: np.ndarray, name: str, args: tuple[float, ...]) -> None:  # type: ignore[type-arg]
    assert stats.kstest(drawn, name, args=args).pvalue > 0.001


@pytest.mark.parametrize("mean", [0.2, 2.5, 40.0])
def test_poisson_is_the_inverse_distribution_function(mean: float) -> None:
    assert np.array_equal(poisson(UNIFORM, mean), stats.poisson(mean).ppf(UNIFORM).astype(int))


def test_choice_keeps_shares() -> None:
    counts = np.bincount(choice(UNIFORM, np.array([1.0, 2.0, 0.0, 1.0])), minlength=4)
    assert counts[2] == 0
    assert stats.chisquare(counts[[0, 1, 3]], [N / 4, N / 2, N / 4]).pvalue > 0.001


def test_tastes_sum_to_one_and_are_narrow() -> None:
    shares = tastes(ShopConfig(customers=5_000, items=40, days=1), np.arange(5_000))
    assert shares.shape == (5_000, N_TOPICS)
    assert shares.sum(axis=1) == pytest.approx(np.ones(5_000))
    assert np.median(shares.max(axis=1)) > 0.5


def test_account_numbers_are_all_different() -> None:
    numbers = np.arange(300_000)
    every = np.concatenate([account(numbers), account(numbers, second=True)])
    assert len(np.unique(every)) == len(every)
    assert every.min() >= 10_000_000
    assert every.max() <= 99_999_999
