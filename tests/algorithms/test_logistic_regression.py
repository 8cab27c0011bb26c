from math import log1p

import pytest
from pyspark.sql import functions as F

from affinity.algorithms import logistic_regression as propensity
from affinity.algorithms.logistic_regression import PropensityConfig
from affinity.core.errors import NotYet

LABELLED = (
    "customer_id string, recency_days int, tenure_days int, mean_gap_days double, net_amount double, label double"
)


@pytest.fixture
def labelled(spark):
    def make(*rows):
        return spark.createDataFrame(rows, LABELLED)

    return make


@pytest.fixture
def some(labelled):
    return labelled(
        ("a", 1, 90, 10.0, 500.0, 1.0),
        ("b", 5, 80, 20.0, 300.0, 1.0),
        ("c", 60, 60, None, -20.0, 0.0),
        ("d", 80, 80, None, 10.0, 0.0),
        ("e", 40, 70, 30.0, 90.0, 1.0),
    )


def settings(*features, **given):
    return PropensityConfig(features=features, **given)


def test_recent_buyers_are_likelier(some):
    pipeline = propensity.fit(some, settings("recency_days"))
    scores = {row.customer_id: row.probability for row in propensity.apply(pipeline, some).collect()}
    assert sorted(scores, key=scores.get, reverse=True) == ["a", "b", "e", "c", "d"]
    assert propensity.coefficients(pipeline)["recency_days"] < 0
    assert all(0 < probability < 1 for probability in scores.values())


def test_a_missing_gap_is_the_tenure_and_amounts_keep_their_sign(some):
    pipeline = propensity.fit(some, settings("mean_gap_days", "net_amount"))
    logs = {row.customer_id: list(row.logs) for row in pipeline.transform(some).collect()}
    assert logs["a"] == pytest.approx([log1p(10), log1p(500)])
    assert logs["c"] == pytest.approx([log1p(60), -log1p(20)])


@pytest.mark.parametrize(("label", "found"), [(0.0, "only label 0"), (1.0, "only label 1")])
def test_one_class_is_not_enough(some, label, found):
    with pytest.raises(NotYet, match=found):
        propensity.fit(some.withColumn("label", F.lit(label)), settings("recency_days"))


def test_nobody_is_not_enough(labelled):
    with pytest.raises(NotYet, match="got no customers at all"):
        propensity.fit(labelled(), settings("recency_days"))


@pytest.fixture
def scores(spark):
    return lambda *rows: spark.createDataFrame(rows, "customer_id string, probability double")


def test_deciles_differ_by_at_most_one_customer(scores):
    rows = [(f"c{n:02}", n / 100) for n in range(25)]
    tenths = {row.customer_id: row.decile for row in propensity.deciles(scores(*rows)).collect()}
    assert (tenths["c24"], tenths["c23"], tenths["c22"], tenths["c21"], tenths["c00"]) == (1, 1, 1, 2, 10)
    assert sorted([list(tenths.values()).count(d) for d in range(1, 11)]) == [2] * 5 + [3] * 5


def test_equal_probabilities_go_by_customer(scores):
    rows = [(f"c{n}", 0.5) for n in range(10)]
    tenths = {row.customer_id: row.decile for row in propensity.deciles(scores(*reversed(rows))).collect()}
    assert tenths == {f"c{n}": n + 1 for n in range(10)}


def test_few_or_no_scores(scores):
    tenths = propensity.deciles(scores(("a", 0.1), ("b", 0.9)))
    assert sorted(tuple(row) for row in tenths.collect()) == [("a", 0.1, 6), ("b", 0.9, 1)]
    assert propensity.deciles(scores()).isEmpty()


def test_metrics_stand_beside_two_baselines(spark):
    schema = "probability double, label double"
    scored = spark.createDataFrame([(0.9, 1.0), (0.1, 0.0)], schema)
    recency = spark.createDataFrame([(0.4, 1.0), (0.6, 0.0)], schema)
    metrics = propensity.evaluate(scored, recency=recency, base_rate=0.25)
    assert (metrics["auc"], metrics["recency_auc"], metrics["n"]) == (1, 0, 2)
    assert metrics["brier"] == pytest.approx(0.01)
    assert metrics["recency_brier"] == pytest.approx(0.36)
    assert metrics["base_rate_brier"] == pytest.approx((0.75**2 + 0.25**2) / 2)
    assert "base_rate_auc" not in metrics
