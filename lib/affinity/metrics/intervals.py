"""Whether one output is better than another, on the same customers."""

from dataclasses import dataclass
from math import sqrt

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from affinity.core.errors import NotYet

_Z_95 = 1.959963984540054


@dataclass(frozen=True)
class PairedDifference:
    """The mean of a metric's differences with its 95 % interval, over n customers."""

    mean: float
    low: float
    high: float
    n: int


def paired_difference(first: DataFrame, second: DataFrame, *, metric: str) -> PairedDifference:
    """Compare a metric of two outputs customer by customer: first minus second.

    Columns in: both frames customer_id (unique) and the metric, double. Customers in both count. The interval is
    mean ± 1.96 standard errors (normal, sample standard deviation). Collects one row.

    Raises:
        NotYet: fewer than two customers in common, so that no interval exists.
    """
    pairs = first.select("customer_id", F.col(metric).alias("_first")).join(
        second.select("customer_id", F.col(metric).alias("_second")), on="customer_id", how="inner"
    )
    difference = F.col("_first") - F.col("_second")
    row = pairs.agg(F.mean(difference), F.stddev_samp(difference), F.count(difference)).collect()[0]
    mean, deviation, n = row
    if n < 2:
        raise NotYet(f"Comparing {metric}: expected at least 2 customers with both outputs, got {n}; wait for more.")
    margin = _Z_95 * deviation / sqrt(n)
    return PairedDifference(mean, mean - margin, mean + margin, n)
