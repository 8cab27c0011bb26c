from math import log

import pytest
from pyspark.sql import functions as F
from sklearn.metrics import average_precision_score, roc_auc_score

from affinity.metrics.classification import classification_metrics


@pytest.fixture
def measure(spark):
    return lambda pairs: classification_metrics(spark.createDataFrame(pairs, "label double, probability double"))


def test_by_hand(measure):
    metrics = measure([(1.0, 0.8), (0.0, 0.5), (1.0, 0.5), (0.0, 0.2)])
    assert metrics["n"] == 4
    assert metrics["base_rate"] == 1 / 2
    assert metrics["auc"] == (1 + 1 + 1 / 2 + 1) / 4  # of four pairs one is tied
    assert metrics["average_precision"] == pytest.approx(1 / 2 * 1 + 1 / 2 * 2 / 3)
    assert metrics["brier"] == pytest.approx((0.04 + 0.25 + 0.25 + 0.04) / 4)
    assert metrics["log_loss"] == pytest.approx(-(2 * log(0.8) + 2 * log(0.5)) / 4)
    assert metrics["top_decile_lift"] == pytest.approx(1 / (1 / 2))


def test_a_constant_has_no_order(measure):
    metrics = measure([(1.0, 0.3), (0.0, 0.3), (0.0, 0.3)])
    assert metrics["auc"] == 1 / 2
    assert metrics["average_precision"] == pytest.approx(1 / 3)
    assert metrics["top_decile_lift"] == pytest.approx(1)


def test_the_top_tenth_takes_its_share_of_a_tie(measure):
    # Twenty rows: the top two are the one at 0.9 and half of the two at 0.8, of which one is positive.
    pairs = [(1.0, 0.9), (1.0, 0.8), (0.0, 0.8)] + [(0.0, 0.1)] * 17
    assert measure(pairs)["top_decile_lift"] == pytest.approx(((1 + 0.5) / 2) / (2 / 20))


@pytest.mark.parametrize("label", [0.0, 1.0])
def test_one_class_leaves_out_what_is_undefined(measure, label):
    metrics = measure([(label, 0.5), (label, 0.5)])
    assert set(metrics) == {"n", "base_rate", "log_loss", "brier"}
    assert metrics["log_loss"] == pytest.approx(log(2))


def test_no_rows(measure):
    assert measure([]) == {"n": 0.0}


def test_certain_and_wrong_costs_much_but_not_infinitely(measure):
    assert measure([(1.0, 0.0), (0.0, 0.0)])["log_loss"] == pytest.approx(-log(1e-15) / 2, rel=1e-3)


def test_as_scikit_learn_on_many_rows_with_ties(spark):
    scored = spark.range(5000).select(
        (F.pmod(F.xxhash64("id"), F.lit(1000)) / 1000).alias("probability"),
        (F.pmod(F.xxhash64("id", F.lit(1)), F.lit(3)) == 0).cast("double").alias("label"),
    )
    table = scored.toPandas()
    metrics = classification_metrics(scored)
    assert metrics["auc"] == pytest.approx(roc_auc_score(table.label, table.probability), rel=1e-12)
    assert metrics["average_precision"] == pytest.approx(average_precision_score(table.label, table.probability))
