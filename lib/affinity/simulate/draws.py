"""Random draws without a state: each is a function of the seed, a stream and up to three keys, and of nothing else.

A draw does not depend on which draws were made before it, so any part of the shop can be made alone, in any order and
on any machine. Only inverse distribution functions are used: NumPy promises no stable stream for its samplers.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

# NumPy's own types of results are wider than what they hold: the names say what is meant.
Ints: TypeAlias = NDArray[Any]
Floats: TypeAlias = NDArray[Any]
Keys: TypeAlias = NDArray[Any]
Bools: TypeAlias = NDArray[Any]
Key: TypeAlias = NDArray[Any] | int

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)
_TO_UNIT = 2.0**-53
_MIDDLE_ABOVE = (
    *(-39.69683028665376, 220.9460984245205, -275.9285104469687),
    *(138.3577518672690, -30.66479806614716, 2.506628277459239),
)
_MIDDLE_BELOW = (-54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572, 1.0)
_TAIL_ABOVE = (
    *(-0.007784894002430293, -0.3223964580411365, -2.400758277161838),
    *(-2.549732539343734, 4.374664141464968, 2.938163982698783),
)
_TAIL_BELOW = (0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416, 1.0)


def mix(values: Keys) -> Keys:
    """Scramble 64-bit integers: the finaliser of SplitMix64 (Steele, Lea and Flood 2014), a bijection.

    >>> [f"{int(v):016x}" for v in mix(np.array([0, 1], np.uint64))]
    ['0000000000000000', '5692161d100b05e5']
    """
    with np.errstate(over="ignore"):
        mixed = (values ^ (values >> np.uint64(30))) * _MIX_1
        mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX_2
    return np.asarray(mixed ^ (mixed >> np.uint64(31)), np.uint64)


class Draws:
    """The draws of one seed. ``stream`` names what is drawn; equal names and keys give equal values for ever."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._streams: dict[str, np.uint64] = {}

    def keys(self, stream: str, *keys: Key) -> Keys:
        """64 random bits for each combination of the (broadcast) keys."""
        state: Keys = np.asarray(self._stream(stream), np.uint64)
        with np.errstate(over="ignore"):
            for key in keys:
                state = mix(state + (np.asarray(key).astype(np.uint64) + np.uint64(1)) * _GOLDEN)
        return state

    def uniform(self, stream: str, *keys: Key) -> Floats:
        """Uniform in the open interval (0, 1)."""
        return unit(self.keys(stream, *keys))

    def _stream(self, name: str) -> np.uint64:
        if name not in self._streams:
            digest = hashlib.sha256(f"{self.seed}/{name}".encode()).digest()
            self._streams[name] = np.uint64(int.from_bytes(digest[:8], "little"))
        return self._streams[name]


def unit(keys: Keys) -> Floats:
    """The upper 53 bits of each key as a number in (0, 1)."""
    return ((keys >> np.uint64(11)).astype(np.float64) + 0.5) * _TO_UNIT


def normal(uniforms: Floats) -> Floats:
    """Standard normal quantiles by the rational approximation of Acklam (2003), relative error below 1.2e-9.

    >>> [round(float(x), 6) for x in normal(np.array([0.5, 0.975, 0.001]))]
    [0.0, 1.959964, -3.090232]
    """
    p = np.minimum(uniforms, 1.0 - uniforms)
    q = uniforms - 0.5
    r = q * q
    middle = q * _horner(_MIDDLE_ABOVE, r) / _horner(_MIDDLE_BELOW, r)
    t = np.sqrt(-2.0 * np.log(p))
    tail = np.sign(-q) * _horner(_TAIL_ABOVE, t) / _horner(_TAIL_BELOW, t)
    return np.where(p < 0.02425, tail, middle)


def _horner(coefficients: Sequence[float], x: Floats) -> Floats:
    total = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        total = total * x + coefficient
    return total


def exponential(uniforms: Floats) -> Floats:
    """Exponential with mean 1."""
    return -np.log(uniforms)


def poisson(uniforms: Floats, mean: Floats | float, most: int = 200) -> Ints:
    """Poisson counts by inversion, at most ``most``; meant for small means.

    >>> poisson(np.array([0.1, 0.5, 0.99]), 1.0).tolist()
    [0, 1, 4]
    """
    means = np.broadcast_to(np.asarray(mean, np.float64), uniforms.shape)
    counts = np.zeros(uniforms.shape, np.int64)
    term = np.exp(-means)
    left = uniforms - term
    active = np.flatnonzero(left > 0)
    term, left, means = term[active], left[active], means[active]
    for count in range(1, most + 1):
        if not len(active):
            break
        counts[active] = count
        term = term * means / count
        left = left - term
        more = left > 0
        active, term, left, means = active[more], term[more], left[more], means[more]
    return counts


def choice(uniforms: Floats, shares: Floats) -> Ints:
    """Positions drawn by their shares, which are normalised: the same for all (1-d) or one row each (2-d)."""
    bounds = np.cumsum(shares, axis=-1)
    if bounds.ndim == 1:
        return np.minimum(np.searchsorted(bounds, uniforms * bounds[-1], side="right"), len(bounds) - 1)
    return np.minimum((uniforms[:, None] * bounds[:, -1:] >= bounds).sum(axis=1), bounds.shape[1] - 1)
