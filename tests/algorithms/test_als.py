import pytest
from pyspark.ml.recommendation import ALS

from affinity.algorithms import als
from affinity.algorithms.als import AlsConfig, AlsModel
from affinity.core.errors import BadInput, NotYet

PAIRS = "customer_id string, item_id string, weight double"
TEA, CUP, POT, MILK = "tea", "cup", "pot", "milk"


def config(**given):
    return AlsConfig(**({"seed": 7, "n_factors": 4, "max_iter": 5, "n_blocks": 2, "top_k": 2} | given))


def ranked(frame):
    return sorted((row.customer_id, row["rank"], row.item_id, row.strategy) for row in frame.collect())


@pytest.fixture
def known(spark):
    """Two customers, four items, factors small enough to multiply by hand."""
    items = [(TEA, [1.0, 0.0]), (CUP, [0.5, 0.5]), (POT, [0.5, 0.5]), (MILK, [0.0, 1.0])]
    customers = [("ann", [1.0, 0.0]), ("bob", [0.0, 2.0])]
    return AlsModel(
        spark.createDataFrame(items, "item_id string, factors array<float>"),
        spark.createDataFrame(customers, "customer_id string, factors array<float>"),
    )


@pytest.fixture
def items(spark):
    rows = [(TEA, True), (CUP, True), (POT, True), (MILK, True)]
    return spark.createDataFrame(rows, "item_id string, is_recommendable boolean")


@pytest.fixture
def bought(spark):
    def make(*pairs):
        return spark.createDataFrame([(*pair, 1.0) for pair in pairs], PAIRS)

    return make


@pytest.fixture
def people(spark):
    return lambda *names: spark.createDataFrame([(name,) for name in names], "customer_id string")


def test_best_unseen_first_ties_by_item(known, people, bought, items):
    recommended = als.recommend(known, people("ann", "bob"), bought(("ann", TEA)), items, config())
    assert ranked(recommended) == [
        ("ann", 1, CUP, "als"),
        ("ann", 2, POT, "als"),
        ("bob", 1, MILK, "als"),
        ("bob", 2, CUP, "als"),  # ties with the pot for the last place
    ]
    assert sorted(row.score for row in recommended.collect()) == [0.5, 0.5, 1.0, 2.0]


def test_who_saw_nearly_all_gets_what_is_left(known, people, bought, items):
    seen = bought(("ann", TEA), ("ann", CUP), ("ann", POT), ("ann", "no longer sold"), ("bob", TEA))
    recommended = als.recommend(known, people("ann"), seen, items, config())
    assert ranked(recommended) == [("ann", 1, MILK, "als")]
    everything = bought(*(("ann", item) for item in (TEA, CUP, POT, MILK)))
    assert ranked(als.recommend(known, people("ann"), everything, items, config())) == []


def test_only_recommendable_items(spark, known, people, bought):
    items = spark.createDataFrame([(TEA, False), (CUP, True)], "item_id string, is_recommendable boolean")
    recommended = als.recommend(known, people("ann"), bought(), items, config())
    assert ranked(recommended) == [("ann", 1, CUP, "als")]


def test_nothing_to_recommend(known, people, bought, items):
    assert ranked(als.recommend(known, people("ann"), bought(), items.where("false"), config())) == []
    assert ranked(als.recommend(known, people(), bought(), items, config())) == []


def test_item_factors_over_the_cap_are_refused(known, people, bought, items):
    heavy = AlsModel(
        known.item_factors.selectExpr("item_id", "array_repeat(0f, 500) AS factors"), known.customer_factors
    )
    with pytest.raises(BadInput, match="at most 1,024 are allowed per worker; raise max_item_factor_bytes"):
        als.recommend(heavy, people("ann"), bought(), items, config(max_item_factor_bytes=1024))


def test_popularity_counts_customers(bought, people, items):
    pairs = bought(("ann", TEA), ("bob", TEA), ("eve", TEA), ("bob", CUP), ("eve", CUP), ("eve", POT))
    recommended = als.recommend_popular(als.popular(pairs), people("ann", "new"), pairs, items, config())
    assert ranked(recommended) == [
        ("ann", 1, CUP, "popularity"),
        ("ann", 2, POT, "popularity"),
        ("new", 1, TEA, "popularity"),
        ("new", 2, CUP, "popularity"),
    ]
    assert {row.score for row in recommended.collect()} == {1.0, 2.0, 3.0}


def test_everyone_gets_the_model_or_popularity(known, people, bought, items):
    pairs = bought(("ann", TEA), ("eve", TEA), ("eve", CUP))
    recommended = als.recommend_or_popular(known, people("ann", "bob", "new"), pairs, items, config(top_k=1))
    assert ranked(recommended) == [("ann", 1, CUP, "als"), ("bob", 1, MILK, "als"), ("new", 1, TEA, "popularity")]
    assert recommended.dtypes == [
        ("customer_id", "string"),
        ("rank", "int"),
        ("item_id", "string"),
        ("score", "double"),
        ("strategy", "string"),
    ]


@pytest.fixture(scope="module")
def two_tastes(spark):
    """Tea people and paint people; ann lacks the pot, zoe the brush."""
    tea = [(name, item, 1.0) for name in ("ann", "bob", "eve", "kim") for item in (TEA, CUP, POT)]
    paint = [(name, item, 1.0) for name in ("zoe", "yan", "xia", "wes") for item in ("oil", "canvas", "brush")]
    missing = {("ann", POT), ("zoe", "brush")}
    return spark.createDataFrame([row for row in tea + paint if row[:2] not in missing], PAIRS)


def factors_of(model):
    frames = (model.item_factors, model.customer_factors)
    return [{row[0]: list(row.factors) for row in frame.collect()} for frame in frames]


def test_planted_tastes_are_found_whatever_the_partitions(two_tastes, people):
    model = als.fit(two_tastes, config())
    assert model.item_factors.dtypes == [("item_id", "string"), ("factors", "array<float>")]
    assert model.customer_factors.dtypes == [("customer_id", "string"), ("factors", "array<float>")]
    sold = two_tastes.select("item_id").distinct().selectExpr("item_id", "true AS is_recommendable")
    recommended = als.recommend(model, people("ann", "zoe"), two_tastes, sold, config(top_k=1))
    assert ranked(recommended) == [("ann", 1, POT, "als"), ("zoe", 1, "brush", "als")]
    for one, other in zip(factors_of(model), factors_of(als.fit(two_tastes.repartition(5), config())), strict=True):
        assert one == {name: pytest.approx(factors) for name, factors in other.items()}


def test_scores_are_those_of_mllib(spark, bought):
    # No two items alike: MLlib breaks ties in no order.
    bought_by = {0: (0, 1), 1: (0, 2, 3), 2: (1, 3), 3: (4, 5, 0), 4: (2, 5)}
    ratings = [(u, i, 1.0 + u + i) for u, items in bought_by.items() for i in items]
    ratings = spark.createDataFrame(ratings, "u int, i int, w float")
    columns = {"userCol": "u", "itemCol": "i", "ratingCol": "w"}
    mllib = ALS(rank=3, maxIter=2, implicitPrefs=True, numUserBlocks=1, numItemBlocks=1, seed=7, **columns).fit(ratings)
    model = AlsModel(
        mllib.itemFactors.selectExpr("CAST(id AS string) AS item_id", "features AS factors"),
        mllib.userFactors.selectExpr("CAST(id AS string) AS customer_id", "features AS factors"),
    )
    sold = model.item_factors.selectExpr("item_id", "true AS is_recommendable")
    scored = als.recommend(model, model.customer_factors, bought(), sold, config(top_k=4)).collect()
    expected = {
        (str(row.u), rank): (str(item.i), item.rating)
        for row in mllib.recommendForAllUsers(4).collect()
        for rank, item in enumerate(row.recommendations, start=1)
    }
    got = {(row.customer_id, row["rank"]): (row.item_id, row.score) for row in scored}
    assert {place: item for place, (item, _) in got.items()} == {place: item for place, (item, _) in expected.items()}
    assert [got[place][1] for place in expected] == pytest.approx([score for _, score in expected.values()], abs=1e-6)


def test_no_interactions(bought):
    with pytest.raises(NotYet, match="at least one purchase of a recommendable item"):
        als.fit(bought(), config())


def test_evaluation_by_hand(known, bought, items):
    # ann and bob know the tea; cup is the most popular of the rest, milk is what the model gives bob.
    pairs = bought(("ann", TEA), ("bob", TEA), ("eve", CUP), ("kim", CUP), ("eve", POT))
    relevant = bought(("ann", CUP), ("bob", MILK), ("stranger", CUP)).drop("weight")
    metrics = als.evaluate(known, pairs, relevant, items, config(top_k=1))
    assert metrics["n_customers"] == 2
    assert metrics["als_ndcg"] == metrics["als_precision"] == metrics["als_recall"] == 1
    assert metrics["popularity_ndcg"] == 1 / 2
    assert metrics["ndcg_difference"] == 1 / 2
    assert als.better(metrics) == "neither"


def test_which_is_better_is_said_by_the_interval():
    assert als.better({"ndcg_difference_low": 0.01, "ndcg_difference_high": 0.02}) == "als"
    assert als.better({"ndcg_difference_low": -0.02, "ndcg_difference_high": -0.01}) == "popularity"
    assert als.better({"ndcg_difference_low": 0.0, "ndcg_difference_high": 0.0}) == "neither"
