import pytest

from affinity.metrics.agreement import pair_scores


@pytest.fixture
def scores(spark):
    def make(found, truth):
        return pair_scores(
            spark.createDataFrame(found, "subject_key string, customer_id string"),
            spark.createDataFrame(truth, "subject_key string, customer string, is_recoverable boolean"),
        )

    return make


def test_pairs_are_counted_by_group(scores):
    # Together: k1 k2 k3, k4 k5, and k9 whom the truth does not know. True: ann k1 k2 k4, bob k3 k5 k6, eve k7.
    found = [("k1", "x"), ("k2", "x"), ("k3", "x"), ("k9", "x"), ("k4", "y"), ("k5", "y"), ("k6", "z")]
    ann = [(key, "ann", True) for key in ("k1", "k2", "k4")]
    bob = [("k3", "bob", True), ("k5", "bob", False), ("k6", "bob", True)]
    assert scores(found, [*ann, *bob, ("k7", "eve", True)]) == {
        "pair_precision": 1 / 4,  # of k1k2 k1k3 k2k3 k4k5 the first
        "pair_recall": 1 / 4,  # of k1k2 k1k4 k2k4 k3k6 the first
        "n_pairs_found": 4.0,
        "n_pairs_recoverable": 4.0,
    }


def test_ids_that_were_not_found_are_alone(scores):
    assert scores([], [("k1", "ann", True), ("k2", "ann", True)]) == {
        "pair_precision": 1.0,
        "pair_recall": 0.0,
        "n_pairs_found": 0.0,
        "n_pairs_recoverable": 1.0,
    }


def test_nobody(scores):
    assert scores([], [])["pair_recall"] == 1.0
