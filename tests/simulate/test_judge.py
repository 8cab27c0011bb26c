"""Found beside planted, by hand: three customers, two segments, one pair, one trap."""

from datetime import date
from math import log
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from affinity.core.errors import BadInput
from affinity.privacy.columns import customer_id
from affinity.privacy.tokens import token
from affinity.simulate.judge import Finding, customers_of, judged, subjects_of, truth_frames
from affinity.simulate.place import Shop


@pytest.fixture(scope="module")
def truth(spark: SparkSession) -> dict[str, DataFrame]:
    labels = [(1, "families", "families", 3, 2), (2, "traders", "traders", 5, 2), (3, "traders", "families", 9, 2)]
    labels += [(4, "traders", "traders", 2, 2), (5, "traders", "traders", 9, 0)]  # too few visits; never bought
    states = [(1, 1, 0.9, True, True), (2, 10, 0.2, False, True), (3, 5, 0.5, False, True), (4, 1, 0.5, True, False)]
    complements = [("a", "c", 0.5, 2.0), ("b", "d", 0.3, 1.5), ("e", "f", 0.2, 1.1)]
    return {
        "segment_labels": spark.createDataFrame(
            labels, "customer long, archetype string, bayes_archetype string, visit_days long, n_orders long"
        ),
        "states": spark.createDataFrame(
            states, "customer long, recency long, p_30 double, bought_30 boolean, has_bought boolean"
        ),
        "complements": spark.createDataFrame(
            complements, "antecedent string, consequent string, confidence double, lift double"
        ),
        "traps": spark.createDataFrame([("s", "t"), ("s", "u")], "a string, b string"),
        "relevant_items": spark.createDataFrame(
            [(1, ["x", "y"], 1.0, 0.5), (2, ["z"], 0.6, 0.1)],
            "customer long, items array<string>, oracle double, popularity double",
        ),
    }


@pytest.fixture(scope="module")
def who(spark: SparkSession) -> DataFrame:
    return spark.createDataFrame([(f"c{n}", n) for n in range(1, 6)], "customer_id string, customer long")


def by_metric(found: list[Finding]) -> dict[str, Finding]:
    return {finding.metric: finding for finding in found}


def test_segments(spark: SparkSession, truth: dict[str, DataFrame], who: DataFrame) -> None:
    rows = [("c1", 1), ("c2", 2), ("c3", 2), ("c4", 1), ("c5", 1), ("card", 1)]
    found = judged({"customer_segments": spark.createDataFrame(rows, "customer_id string, segment_id int")}, truth, who)
    (finding,) = found
    assert (finding.found, finding.n) == (1.0, 3)  # the segments are the archetypes of the three who count
    assert finding.ceiling == pytest.approx(-0.5)  # pairs: none agrees, 1 x 1 of 3 by chance, at most 1
    assert finding.naive == 0.0  # all have two orders


def test_rules(spark: SparkSession, truth: dict[str, DataFrame], who: DataFrame) -> None:
    rows = [(["a"], "c", 0.6, 2.1), (["b", "a"], "d", 0.3, 1.5), (["t"], "s", 0.4, 1.3), (["s"], "u", 0.4, 1.1)]
    frame = spark.createDataFrame(rows, "antecedent array<string>, consequent string, confidence double, lift double")
    found = by_metric(judged({"association_rules": frame}, truth, who))
    assert (found["planted pairs found"].found, found["planted pairs found"].n) == (1 / 2, 2)  # e -> f is too weak
    assert found["error of their confidence"].found == pytest.approx(0.1)
    assert found["traps taken for rules"].found == 1 / 2  # t -> s at 1.3; s -> u is below 1.2


def test_recommendations(spark: SparkSession, truth: dict[str, DataFrame], who: DataFrame) -> None:
    rows = [("c1", 1, "q"), ("c1", 2, "x"), ("c2", 1, "z"), ("c3", 1, "z")]
    frame = spark.createDataFrame(rows, "customer_id string, rank int, item_id string")
    (finding,) = judged({"recommendations": frame}, truth, who)
    first = (1 / log(3, 2)) / (1 + 1 / log(3, 2))
    assert finding.found == pytest.approx((first + 1) / 2)
    assert (finding.naive, finding.ceiling, finding.n) == (pytest.approx(0.3), pytest.approx(0.8), 2)


def test_propensity(spark: SparkSession, truth: dict[str, DataFrame], who: DataFrame) -> None:
    rows = [("c1", 0.6, 30), ("c2", 0.7, 30), ("c3", 0.1, 30), ("c4", 0.9, 30)]
    frame = spark.createDataFrame(rows, "customer_id string, probability double, horizon_days int")
    found = by_metric(judged({"propensity_scores": frame}, truth, who))
    assert (found["AUC"].found, found["AUC"].naive, found["AUC"].ceiling) == (0.5, 1.0, 1.0)
    flat = -(log(1 / 3) + 2 * log(2 / 3)) / 3
    ours, best = (-(log(p) + log(q) + log(r)) / 3 for p, q, r in ((0.6, 0.3, 0.9), (0.9, 0.8, 0.5)))
    assert found["share of the gain"].found == pytest.approx((flat - ours) / (flat - best))
    assert found["AUC"].n == 3


def test_identities(spark: SparkSession) -> None:
    subjects = [("a", 1, True), ("b", 1, True), ("c", 1, False), ("d", 2, True), ("e", 2, True)]
    truth = {"subjects": spark.createDataFrame(subjects, "subject_key string, customer long, is_recoverable boolean")}
    rows = [("a", "x", "z"), ("b", "x", "z"), ("d", "y", "z"), ("shared", "x", "z")]
    frame = spark.createDataFrame(rows, "subject_key string, customer_id string, naive_customer_id string")
    found = by_metric(judged({"identities": frame}, truth, spark.createDataFrame([], "customer_id string")))
    precision, recall = found["pair precision"], found["pair recall"]
    assert (precision.found, precision.naive, precision.n) == (1.0, pytest.approx(1 / 3), 1)
    assert (recall.found, recall.naive, recall.n) == (1 / 2, 1 / 2, 2)  # e is in no link


def test_ids_of_several_people_are_nobodys(spark: SparkSession, tmp_path: Path) -> None:
    key = tmp_path / "subject.key"
    key.write_text("0f" * 32)
    rows = [("k1", "cookie", 7, True), ("k2", "cookie", 7, False), ("k2", "cookie", 8, True), ("k1", "device", 9, True)]
    ids = spark.createDataFrame(rows, "id string, kind string, customer long, recoverable boolean")
    found = subjects_of(ids, str(key)).collect()
    assert sorted((row.customer, row.is_recoverable) for row in found) == [(7, True), (9, True)]


def test_customers_are_found_by_the_tokens_of_their_accounts(spark: SparkSession, tmp_path: Path) -> None:
    key = tmp_path / "subject.key"
    key.write_text("0f" * 32)
    rows = [("10000001", "account", 7), ("10000002", "account", 7), ("kabc", "cookie", 7)]
    who = customers_of(spark.createDataFrame(rows, "id string, kind string, customer long"), str(key)).collect()
    expected = spark.createDataFrame(
        [(token(bytes.fromhex("0f" * 32), "account", "10000001"),)], "subject_key string"
    ).select(customer_id("subject_key").alias("customer_id"))  # type: ignore[arg-type]
    assert expected.collect()[0].customer_id in {row.customer_id for row in who}
    assert [row.customer for row in who] == [7, 7]


def test_truth_frames_of_a_shop(spark: SparkSession, shop: Shop, tmp_path: Path) -> None:
    frames, as_of = truth_frames(spark, shop.truth)
    assert as_of == date(2025, 10, 6 + 25) + (date(2025, 11, 28) - date(2025, 10, 31))  # day 53 of the span
    assert frames["states"].select("as_of").distinct().collect()[0].as_of == as_of
    with pytest.raises(BadInput, match="truth area"):
        truth_frames(spark, tmp_path)
