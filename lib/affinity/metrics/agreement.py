"""How far two ways to sort the same points into groups agree."""

import numpy as np
from numpy.typing import NDArray


def adjusted_rand_index(table: NDArray[np.int64]) -> float:
    """How far two partitions of the same points agree beyond chance: 1 = equal, 0 = as by chance.

    ``table`` counts points by the cluster of the one (rows) and of the other (columns). Where both are a single
    cluster, or every point its own, they are equal: 1. Source: Hubert and Arabie (1985).

    >>> adjusted_rand_index(np.array([[2, 0], [0, 2]])), round(adjusted_rand_index(np.array([[1, 1], [1, 1]])), 9)
    (1.0, -0.5)
    """
    pairs = float(_pairs(table).sum())
    rows, columns = float(_pairs(table.sum(axis=1)).sum()), float(_pairs(table.sum(axis=0)).sum())
    total = float(_pairs(table.sum()))
    by_chance = rows * columns / total if total else 0.0
    most = (rows + columns) / 2
    return 1.0 if most == by_chance else (pairs - by_chance) / (most - by_chance)


def _pairs(counts: NDArray[np.int64] | np.int64) -> NDArray[np.float64]:
    return np.asarray(counts, np.float64) * (np.asarray(counts, np.float64) - 1) / 2
