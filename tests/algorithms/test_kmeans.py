from decimal import Decimal

import pytest
from pydantic import ValidationError
from pyspark.sql import functions as F

from affinity.algorithms import kmeans
from affinity.algorithms.kmeans import KMeansConfig
from affinity.algorithms.segment_profiles import profiles
from affinity.core.errors import NotYet
from affinity.io.job import Inputs
from affinity.jobs.train_segments import TrainSegments, transform
from affinity.tables import gold

FEATURES = "customer_id string, recency_days int, frequency bigint, monetary_amount decimal(18,4), currency string"


@pytest.fixture
def features(spark):
    def make(*rows):
        named = [(name, recency, frequency, Decimal(amount), "GBP") for name, recency, frequency, amount in rows]
        return spark.createDataFrame(named, FEATURES)

    return make


THREE_KINDS = (
    *((f"rich{n}", 1 + n, 50 + n, 9000 + n) for n in range(3)),
    *((f"poor{n}", 300 + n, 1, 5 + n) for n in range(3)),
    *((f"some{n}", 20 + n, 6, 300 + n) for n in range(3)),
)


def test_planted_segments_are_found_and_numbered_by_spend(features):
    customers = features(*THREE_KINDS)
    model = kmeans.fit(customers, KMeansConfig(seed=1, n_starts=3, k_candidates=(2, 3, 4)))
    segments = kmeans.apply(model.pipeline, customers).collect()
    assert model.k == 3
    assert {row.customer_id[:4]: row.segment_id for row in segments} == {"rich": 1, "some": 2, "poor": 3}
    assert len({(row.customer_id[:4], row.segment_id) for row in segments}) == 3
    assert model.metrics["silhouette"] == model.metrics["silhouette_k3"]


def test_segments_are_those_of_people_whatever_programs_do(features):
    people = features(*THREE_KINDS).withColumn("is_bot", F.lit(False))
    programs = features(*((f"bot{n}", 1, 9_000 + n, 1) for n in range(9))).withColumn("is_bot", F.lit(True))
    settings = TrainSegments(seed=1, n_starts=3, k_candidates=(2, 3, 4), every_days=1, max_drop=0)
    metrics = [
        transform(Inputs({gold.CUSTOMER_FEATURES.full_name: rows}), settings).metrics
        for rows in (people, people.unionByName(programs))
    ]
    assert metrics[0] == metrics[1]


def test_distance_is_that_to_the_own_centre_in_scaled_space(features):
    customers = features(("a", 1, 1, 10), ("b", 1, 1, 1000), ("c", 3, 3, 10), ("d", 3, 3, 1000))
    config = KMeansConfig(seed=1, n_starts=1, k_candidates=(2,), min_k=2, features=("monetary_amount",))
    model = kmeans.fit(customers, config)
    assert [row.distance for row in kmeans.apply(model.pipeline, customers).collect()] == pytest.approx([0] * 4)
    other = features(("e", 1, 1, 0))  # log1p(0) = 0; mean and standard deviation of the four logarithms:
    low, high = 2.397895272798371, 6.90875477931522
    sd = (high - low) / 2 * (4 / 3) ** 0.5
    assert kmeans.apply(model.pipeline, other).collect()[0].distance == pytest.approx(low / sd)


def test_partitions_do_not_matter(features):
    customers = features(*THREE_KINDS)
    config = KMeansConfig(seed=3, n_starts=1, k_candidates=(4,), rows_per_partition=5)
    found = [
        kmeans.fit(arrival, config).pipeline.stages[-1].clusterCenters()
        for arrival in (customers.coalesce(1), customers.repartition(5).orderBy(F.desc("customer_id")))
    ]
    assert [list(map(float, centre)) for centre in found[0]] == [list(map(float, centre)) for centre in found[1]]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ((), "no customers at all"),
        ([(name, 5, 1, 10 + n) for n, name in enumerate("abcd")], "'recency_days', 'frequency'"),
        ([("a", 1, 1, 1), ("b", 2, 2, 2), ("c", 2, 2, 2)], "there are 2 and the candidates are"),
    ],
)
def test_too_little_to_segment(features, rows, message):
    with pytest.raises(NotYet, match=message):
        kmeans.fit(features(*rows), KMeansConfig(seed=1))


def test_settings_refuse_what_they_do_not_know():
    with pytest.raises(ValidationError):
        KMeansConfig(seed=1, k=3)
    with pytest.raises(ValidationError):
        KMeansConfig()


def test_profiles_by_hand(spark, features):
    customers = features(("a", 10, 4, 300), ("b", 20, 2, 100), ("c", 100, 1, 40), ("d", 200, 1, 60))
    segments = spark.createDataFrame([("a", 1), ("b", 1), ("c", 2), ("d", 2)], "customer_id string, segment_id int")
    rows = [tuple(row) for row in profiles(customers, segments).orderBy("segment_id").collect()]
    high = (1, "recent, frequent orders, high spend", 2, 1 / 2, 400 / 500, 15.0, 3.0, Decimal(200), "GBP")
    low = (2, "lapsed, rare orders, low spend", 2, 1 / 2, 100 / 500, 150.0, 1.0, Decimal(50), "GBP")
    assert rows == [high, low]
