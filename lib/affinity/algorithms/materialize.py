"""Frames that are computed once, and not again in each of their uses."""

from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F


def materialized(frame: DataFrame) -> DataFrame:
    """Compute a frame now and keep its rows, without the plan that led to them; runs a job or two.

    Columns in and out: any. A plan that grew with each round of an iteration would be planned, and after a lost shuffle
    computed, from the first round on. What is kept cannot be computed anew: in a local session it lies in the memory of
    the one process there is, on a cluster in the checkpoint directory, where no loss of executors reaches it.
    """
    if _is_local(frame):
        return frame.localCheckpoint()
    cached = frame.persist()  # a checkpoint computes its frame twice
    try:
        return cached.checkpoint()
    finally:
        cached.unpersist()


def counted(frame: DataFrame) -> tuple[DataFrame, int]:
    """``materialized``, and how many rows that are; in a local session the same job tells both."""
    if not _is_local(frame):
        kept = materialized(frame)
        return kept, kept.count()
    seen = Observation()
    kept = materialized(frame.observe(seen, F.count("*").alias("n_rows")))
    return kept, seen.get["n_rows"]


def _is_local(frame: DataFrame) -> bool:
    return str(frame.sparkSession.sparkContext.master).startswith("local[")
