from math import log2

import pytest

from affinity.metrics.ranking import mean_ranking, ranking_at_k


@pytest.fixture
def judge(spark):
    def make(recommended, relevant, k):
        ranked = spark.createDataFrame(recommended, "customer_id string, rank int, item_id string")
        bought = spark.createDataFrame(relevant, "customer_id string, item_id string")
        judged = ranking_at_k(ranked, bought, k=k)
        return {row.customer_id: row.asDict() for row in judged.collect()}

    return make


def test_by_hand(judge):
    recommended = [("ann", 1, "a"), ("ann", 2, "b"), ("ann", 3, "c"), ("bob", 1, "a")]
    relevant = [("ann", "a"), ("ann", "c"), ("ann", "d"), ("bob", "x")]
    judged = judge(recommended, relevant, 3)
    ann, bob = judged["ann"], judged["bob"]
    assert (ann["n_relevant"], ann["n_hits"]) == (3, 2)
    assert ann["precision"] == 2 / 3
    assert ann["recall"] == 2 / 3
    assert ann["ndcg"] == pytest.approx((1 + 1 / 2) / (1 + 1 / log2(3) + 1 / 2))
    assert ann["average_precision"] == pytest.approx((1 / 1 + 2 / 3) / 3)
    assert [bob[name] for name in ("n_hits", "precision", "recall", "ndcg", "average_precision")] == [0] * 5


def test_ranks_beyond_k_do_not_count(judge):
    judged = judge([("ann", 1, "x"), ("ann", 2, "y"), ("ann", 3, "a")], [("ann", "a")], 2)
    assert judged["ann"]["n_hits"] == 0


def test_more_relevant_than_places_can_still_be_perfect(judge):
    judged = judge([("ann", 1, "a")], [("ann", "a"), ("ann", "b")], 1)
    assert (judged["ann"]["ndcg"], judged["ann"]["average_precision"], judged["ann"]["recall"]) == (1, 1, 1 / 2)


def test_only_customers_with_something_relevant_are_judged(judge):
    assert set(judge([("ann", 1, "a"), ("bob", 1, "a")], [("ann", "a"), ("eve", "a")], 1)) == {"ann", "eve"}


def test_repetitions_count_once(judge):
    judged = judge([("ann", 1, "a"), ("ann", 2, "a")], [("ann", "a"), ("ann", "a")], 2)
    assert (judged["ann"]["n_relevant"], judged["ann"]["n_hits"], judged["ann"]["ndcg"]) == (1, 1, 1)


def test_no_customers_no_means(spark):
    nothing = spark.createDataFrame([], "customer_id string, rank int, item_id string")
    assert mean_ranking(ranking_at_k(nothing, nothing, k=1)) == {}
