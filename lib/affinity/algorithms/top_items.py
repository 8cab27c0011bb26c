"""The best unseen items of each customer by the product of factors, computed in batches."""

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark import Broadcast
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from affinity.core.errors import BadInput

_OUT = "customer_id string, rank int, item_id string, score double"
# Scores of one slice of a batch: 4 M doubles, 32 MB, whatever the size of the Arrow batch.
_MAX_SCORES = 4 * 1024**2
_ID_BYTES = 64


def top_items(
    customer_factors: DataFrame, seen: DataFrame, item_factors: DataFrame, *, top_k: int, max_bytes: int
) -> DataFrame:
    """Rank the unseen items of each customer by the dot product of factors.

    Columns in: customer_id, factors (unique customers); seen customer_id, item_id; item_id, factors (unique items), all
    factors of one length. Columns out: customer_id, rank int (1 = best), item_id, score double; ties by item_id.
    Collects the items, under the cap, and broadcasts them.

    A kernel in ``mapInArrow`` rather than ``recommendForAllUsers``: that one cannot leave out what was seen and is
    slower. Scores are rounded to single precision, so that the order of a matrix product's sums, which varies with the
    batch, decides no rank.

    Raises:
        BadInput: the factors of all items exceed ``max_bytes``.
    """
    ids, matrix = _collected(item_factors, max_bytes)
    kernel = customer_factors.sparkSession.sparkContext.broadcast((ids, matrix))
    return _with_seen(customer_factors, seen).mapInArrow(_ranker(kernel, top_k), _OUT)


def _collected(item_factors: DataFrame, max_bytes: int) -> tuple[pa.Array, np.ndarray]:
    """Item ids, sorted, and their factors as rows of a matrix; cached between the check and the collection."""
    vectors = item_factors.select("item_id", F.col("factors").cast("array<double>")).persist()
    try:
        _check_size(vectors, max_bytes)
        table = vectors.toArrow().sort_by("item_id")
    finally:
        vectors.unpersist()
    flat = pc.list_flatten(table["factors"]).to_numpy()
    return table["item_id"].combine_chunks(), flat.reshape(table.num_rows, -1 if table.num_rows else 0)


def _check_size(vectors: DataFrame, max_bytes: int) -> None:
    n_bytes = vectors.agg(F.sum(F.size("factors") * 8 + _ID_BYTES)).collect()[0][0] or 0
    if n_bytes > max_bytes:
        raise BadInput(
            f"Factors of all items take {n_bytes:,} bytes, at most {max_bytes:,} are allowed per worker; "
            "raise max_item_factor_bytes, or lower n_factors or the number of recommendable items."
        )


def _with_seen(customer_factors: DataFrame, seen: DataFrame) -> DataFrame:
    """Factors beside the list of seen items, empty where nothing was seen."""
    lists = seen.groupBy("customer_id").agg(F.collect_set("item_id").alias("seen"))
    return customer_factors.join(lists, on="customer_id", how="left").select(
        "customer_id",
        F.col("factors").cast("array<double>"),
        F.coalesce("seen", F.array().cast("array<string>")).alias("seen"),
    )


def _ranker(
    kernel: Broadcast[tuple[pa.Array, np.ndarray]], top_k: int
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def rank(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        ids, matrix = kernel.value
        n_rows = max(1, _MAX_SCORES // max(1, len(ids)))
        for batch in batches:
            for start in range(0, batch.num_rows if len(ids) else 0, n_rows):
                yield _ranked(batch.slice(start, n_rows), ids, matrix, top_k)

    return rank


def _ranked(batch: pa.RecordBatch, ids: pa.Array, matrix: np.ndarray, top_k: int) -> pa.RecordBatch:
    factors = pc.list_flatten(batch["factors"]).to_numpy().reshape(batch.num_rows, -1)
    scores = (factors @ matrix.T).astype(np.float32)
    seen = pc.index_in(pc.list_flatten(batch["seen"]), value_set=ids).to_numpy(zero_copy_only=False)
    rows = pc.list_parent_indices(batch["seen"]).to_numpy()
    is_known = ~np.isnan(seen)
    scores[rows[is_known], seen[is_known].astype(np.int64)] = -np.inf
    return _as_batch(batch["customer_id"], ids, scores, _best(scores, top_k))


def _best(scores: np.ndarray, top_k: int) -> np.ndarray:
    """Columns of the highest scores of each row, best first, ties by column."""
    k = min(top_k, scores.shape[1])
    best = np.sort(np.argpartition(-scores, k - 1, axis=1)[:, :k], axis=1)
    edge = np.take_along_axis(scores, best, axis=1).min(axis=1, keepdims=True)
    # A partition takes any of the items that tie with the last place: those rows are sorted in full.
    tied = (scores >= edge).sum(axis=1) > k
    best[tied] = np.sort(np.argsort(-scores[tied], axis=1, kind="stable")[:, :k], axis=1)
    order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
    return np.take_along_axis(best, order, axis=1)


def _as_batch(customers: pa.Array, ids: pa.Array, scores: np.ndarray, best: np.ndarray) -> pa.RecordBatch:
    """One row per customer and place; seen items, which fill up the places of who saw nearly all, are dropped."""
    values = np.take_along_axis(scores, best, axis=1)
    rows, places = np.nonzero(np.isfinite(values))
    columns = [
        customers.take(pa.array(rows)),
        pa.array(places + 1, pa.int32()),
        ids.take(pa.array(best[rows, places])),
        pa.array(values[rows, places].astype(np.float64)),
    ]
    return pa.RecordBatch.from_arrays(columns, names=["customer_id", "rank", "item_id", "score"])
