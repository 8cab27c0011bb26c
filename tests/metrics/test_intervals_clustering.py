from math import sqrt

import pytest
from pyspark.ml.linalg import Vectors

from affinity.core.errors import NotYet
from affinity.metrics.clustering import silhouette
from affinity.metrics.intervals import paired_difference

SCHEMA = "customer_id string, ndcg double"


def test_interval_by_hand(spark):
    first = spark.createDataFrame([("ann", 0.5), ("bob", 0.7), ("eve", 0.9), ("only here", 1.0)], SCHEMA)
    second = spark.createDataFrame([("ann", 0.4), ("bob", 0.5), ("eve", 0.6)], SCHEMA)
    difference = paired_difference(first, second, metric="ndcg")  # 0.1, 0.2, 0.3: standard deviation 0.1
    assert difference.n == 3
    assert difference.mean == pytest.approx(0.2)
    assert difference.high - difference.mean == pytest.approx(1.96 * 0.1 / sqrt(3), rel=1e-4)
    assert difference.mean - difference.low == pytest.approx(1.96 * 0.1 / sqrt(3), rel=1e-4)


def test_no_interval_of_one(spark):
    one = spark.createDataFrame([("ann", 0.5)], SCHEMA)
    with pytest.raises(NotYet, match="at least 2 customers with both outputs, got 1"):
        paired_difference(one, one, metric="ndcg")


def test_silhouette_by_hand(spark):
    points = [(0.0, 0), (1.0, 0), (10.0, 1), (11.0, 1)]
    assigned = spark.createDataFrame([(Vectors.dense(x), c) for x, c in points], ["point", "prediction"])
    # Squared distances: within 1 (one other point), between (100 + 121) / 2 and (81 + 100) / 2.
    outer, inner = 1 - 1 / ((100 + 121) / 2), 1 - 1 / ((81 + 100) / 2)
    assert silhouette(assigned, features="point") == pytest.approx((outer + inner) / 2)
