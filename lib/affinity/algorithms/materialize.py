"""Frames that are computed once, and not again in each of their uses."""

from pyspark.sql import DataFrame


def materialized(frame: DataFrame) -> DataFrame:
    """Compute a frame now and keep its rows, without the plan that led to them; runs a job or two.

    Columns in and out: any. A plan that grew with each round of an iteration would be planned, and after a lost shuffle
    computed, from the first round on. What is kept cannot be computed anew: in a local session it lies in the memory of
    the one process there is, on a cluster in the checkpoint directory, where no loss of executors reaches it.
    """
    if str(frame.sparkSession.sparkContext.master).startswith("local["):
        return frame.localCheckpoint()
    cached = frame.persist()  # a checkpoint computes its frame twice
    try:
        return cached.checkpoint()
    finally:
        cached.unpersist()
