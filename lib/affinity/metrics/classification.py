"""How well probabilities foresee a yes or no."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from affinity.metrics.running import with_running_sums

# A certain and wrong forecast would cost infinitely much; clipped as in scikit-learn before 1.5.
_CLIP = 1e-15


def classification_metrics(scored: DataFrame) -> dict[str, float]:
    """Judge probabilities against labels.

    Columns in: label double (0.0 or 1.0), probability double in [0, 1]. Out: n, base_rate, log_loss (nats), brier,
    auc, average_precision, top_decile_lift. What is undefined is absent: with one class of label only, the last three;
    without rows, all but n. Never NaN. Two jobs, each collecting one row.

    Equal probabilities share their rank: AUC counts a tied pair half, average precision steps over ties at once, and
    the top tenth takes of a tied group at its edge the same share of its labels. No window sees all rows; what is
    cached, one row per distinct probability, is released.

    Source: Hanley & McNeil (1982) for AUC from rank sums; average precision as in scikit-learn.
    """
    metrics = probability_metrics(scored)
    if 0 < metrics.get("base_rate", 0) < 1:
        metrics |= _ranked(scored, n=metrics["n"], n_positive=round(metrics["n"] * metrics["base_rate"]))
    return metrics


def probability_metrics(scored: DataFrame) -> dict[str, float]:
    """Judge probabilities one by one, without their order.

    Columns in: as ``classification_metrics``. Out: n, base_rate, log_loss (nats), brier; without rows n alone. Collects
    one row.

    Source: Brier (1950); logarithmic score of Good (1952).
    """
    means = scored.agg(*_means()).collect()[0].asDict()
    return {name: float(value) for name, value in means.items() if value is not None}


def _means() -> list[Column]:
    clipped = F.greatest(F.least("probability", F.lit(1 - _CLIP)), F.lit(_CLIP))
    likelihood = F.when(F.col("label") == 1, clipped).when(F.col("label") == 0, 1 - clipped)
    return [
        F.count(F.lit(1)).alias("n"),
        F.mean("label").alias("base_rate"),
        F.mean(-F.log(likelihood)).alias("log_loss"),
        F.mean(F.pow(F.col("label") - F.col("probability"), F.lit(2))).alias("brier"),
    ]


def _ranked(scored: DataFrame, *, n: float, n_positive: float) -> dict[str, float]:
    """The metrics that need an order, from one row per distinct probability, the highest first."""
    counts = (F.count(F.lit(1)).alias("_n"), F.sum("label").alias("_n_positive"))
    ties = scored.groupBy("probability").agg(*counts).persist()
    ranked = with_running_sums(ties, by=-F.col("probability"), upto=F.col("_n"), positive_upto=F.col("_n_positive"))
    try:
        row = ranked.agg(*_over_ranks(n, n_positive)).collect()[0]
    finally:
        ties.unpersist()
    return {name: float(value) for name, value in row.asDict().items()}


def _over_ranks(n: float, n_positive: float) -> list[Column]:
    return [
        F.sum(_won_pairs() / F.lit(n_positive * (n - n_positive))).alias("auc"),
        F.sum(F.col("_n_positive") / n_positive * F.col("positive_upto") / F.col("upto")).alias("average_precision"),
        F.sum(F.col("_n_positive") * _share_in_top(n / 10) / (n / 10) / (n_positive / n)).alias("top_decile_lift"),
    ]


def _won_pairs() -> Column:
    """Pairs of a positive of this group with a negative ranked lower, and half of those tied with it."""
    negative_upto = F.col("upto") - F.col("positive_upto")
    negative_total = F.col("upto_total") - F.col("positive_upto_total")
    n_negative = F.col("_n") - F.col("_n_positive")
    return F.col("_n_positive") * (negative_total - negative_upto + n_negative / 2)


def _share_in_top(n_top: float) -> Column:
    """Which share of a tied group lies among the first n_top rows."""
    room = F.lit(n_top) - (F.col("upto") - F.col("_n"))
    return F.least(F.greatest(room / F.col("_n"), F.lit(0.0)), F.lit(1.0))
