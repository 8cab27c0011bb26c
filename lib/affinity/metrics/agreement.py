"""How far two ways to sort the same points into groups agree."""

import numpy as np
from numpy.typing import NDArray
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F


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


def pair_scores(found: DataFrame, truth: DataFrame) -> dict[str, float]:
    """How many pairs of ids that were put together belong together, and the other way round; runs one job.

    Columns in: ``found`` subject_key, customer_id; ``truth`` subject_key, customer, is_recoverable boolean, each key
    once. Ids without a row in ``truth`` are passed over; those without one in ``found`` are alone. ``pair_precision``
    is over all pairs of one customer_id; ``pair_recall`` over the pairs of one customer of which both ids are
    recoverable; ``n_pairs_found`` and ``n_pairs_recoverable`` are their numbers. Over no pairs a share is 1: nothing
    was claimed, or nothing was to be found. Pairs are counted by group, never listed.
    """
    judged = truth.join(found.select("subject_key", "customer_id"), on="subject_key", how="left")
    group = F.coalesce(F.col("customer_id"), F.concat(F.lit("alone:"), "subject_key"))
    cells = judged.groupBy(group.alias("customer_id"), "customer").agg(
        F.count("*").alias("n"), F.count_if("is_recoverable").alias("n_recoverable")
    )
    claimed = cells.groupBy("customer_id").agg(F.sum("n").alias("n"))
    planted = cells.groupBy("customer").agg(F.sum("n_recoverable").alias("n"))
    right = cells.agg(_n_pairs("n").alias("right"), _n_pairs("n_recoverable").alias("recovered"))
    numbers = right.crossJoin(claimed.agg(_n_pairs("n").alias("found"))).crossJoin(
        planted.agg(_n_pairs("n").alias("recoverable"))
    )
    n = numbers.collect()[0]
    return {
        "pair_precision": n.right / n.found if n.found else 1.0,
        "pair_recall": n.recovered / n.recoverable if n.recoverable else 1.0,
        "n_pairs_found": n.found,
        "n_pairs_recoverable": n.recoverable,
    }


def _pairs(counts: NDArray[np.int64] | np.int64) -> NDArray[np.float64]:
    return np.asarray(counts, np.float64) * (np.asarray(counts, np.float64) - 1) / 2


def _n_pairs(name: str) -> Column:
    """Sum of the pairs within groups of these sizes; a double, since squares of counts overflow a bigint."""
    size = F.col(name).cast("double")
    return F.coalesce(F.sum(size * (size - 1) / 2), F.lit(0.0))
