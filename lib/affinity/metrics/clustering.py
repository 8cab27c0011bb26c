"""How well points lie in their clusters."""

from pyspark.ml.evaluation import ClusteringEvaluator
from pyspark.sql import DataFrame


def silhouette(assigned: DataFrame, *, features: str) -> float:
    """Mean silhouette with squared Euclidean distance, in [-1, 1]; runs its jobs at once.

    Columns in: the named vector column; prediction int, at least two clusters. Source: Rousseeuw (1987), in the
    linear-cost form of Spark's ClusteringEvaluator.
    """
    return ClusteringEvaluator(featuresCol=features, distanceMeasure="squaredEuclidean").evaluate(assigned)
