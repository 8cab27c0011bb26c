from datetime import date

import pytest

from affinity.algorithms import fpgrowth
from affinity.algorithms.fpgrowth import RulesConfig
from affinity.core.errors import NotYet
from affinity.io.job import Inputs
from affinity.jobs import mine_rules
from affinity.tables import gold, silver
from affinity.tables.ddl import frame_schema


@pytest.fixture
def mine(spark):
    def make(carts, **settings):
        config = RulesConfig(**settings)
        frame = spark.createDataFrame([(cart,) for cart in carts], "items array<string>")
        return fpgrowth.rules(fpgrowth.fit(frame, config), len(carts), config)

    return make


CARTS = [["tea", "cup"], ["tea", "cup"], ["tea"], ["milk"], ["cup", "tea", "milk"]]


def test_a_rule_by_hand(mine):
    rules = mine(CARTS, min_support=0.5, min_confidence=0.1, min_lift=0)
    by_sides = {(row.antecedent_key, row.consequent): row.asDict() for row in rules.collect()}
    assert set(by_sides) == {("tea", "cup"), ("cup", "tea")}
    rule = by_sides["tea", "cup"]  # tea 4, cup 3, both 3 of 5
    assert rule["antecedent"] == ["tea"]
    assert rule["n_baskets"] == 3
    assert rule["support"] == 3 / 5
    assert rule["confidence"] == 3 / 4
    assert rule["lift"] == pytest.approx((3 / 4) / (3 / 5))
    assert rule["leverage"] == pytest.approx(3 / 5 - 4 / 5 * 3 / 5)
    assert rule["conviction"] == pytest.approx((1 - 3 / 5) / (1 - 3 / 4))
    assert by_sides["cup", "tea"]["conviction"] is None  # confidence 1


def test_thresholds(mine):
    rules = mine([["c", "b", "a"]] * 2 + [["a"], ["b"]], min_support=0.5, min_confidence=0, min_lift=1.2)
    keys = {(row.antecedent_key, row.consequent) for row in rules.collect()}
    # a and b 3 of 4, c 2 of 4; a with b has lift (2/3) / (3/4) < 1.
    assert keys == {("a", "c"), ("b", "c"), ("c", "a"), ("c", "b"), ("a|b", "c"), ("a|c", "b"), ("b|c", "a")}
    short = mine([["c", "b", "a"]] * 2 + [["a"], ["b"]], min_support=0.5, min_lift=1.2, max_antecedent=1)
    assert {row.antecedent_key for row in short.collect()} == {"a", "b", "c"}


def test_no_baskets(mine):
    assert mine([], min_support=0.5).isEmpty()


def test_too_few_baskets_make_no_rules_yet(spark, events_of):
    events = events_of({"order_id": "a"}, {"order_id": "b"}, {"order_id": "c", "customer_id": "bot"})
    items = spark.createDataFrame([], frame_schema(silver.ITEMS))
    features = spark.createDataFrame([("bot", True), ("ann", False)], "customer_id string, is_bot boolean")
    frames = {silver.EVENTS: events, silver.ITEMS: items, gold.CUSTOMER_FEATURES: features}
    inputs = Inputs({spec.full_name: frame for spec, frame in frames.items()}, as_of=date(2011, 6, 1))
    with pytest.raises(NotYet, match=r"min_support 0\.01 of 2 baskets is 1, .* min_count = 10"):
        mine_rules.transform(inputs, mine_rules.MineRules(window_days=365, min_count=10))


def test_itemsets_are_mined_once(spark):
    frame = spark.createDataFrame([(cart,) for cart in CARTS], "items array<string>")
    model = fpgrowth.fit(frame, RulesConfig(min_support=0.5))
    assert model.freqItemsets.storageLevel.useMemory
    assert "InMemoryTableScan" in model.freqItemsets._jdf.queryExecution().executedPlan().toString()
    model.freqItemsets.unpersist()
    assert not model.freqItemsets.storageLevel.useMemory


@pytest.fixture(scope="module")
def groceries(spark, data_folder):
    path = data_folder / "groceries" / "groceries.csv"
    if not path.is_file():
        pytest.skip(f"Groceries is not at {path}; set AFFINITY_DATA to the folder that holds groceries/")
    carts = spark.read.text(str(path)).selectExpr("array_distinct(split(value, ',')) AS items").cache()
    yield carts
    carts.unpersist()


@pytest.mark.needs_data
@pytest.mark.parametrize(
    ("min_support", "min_confidence", "n_itemsets", "n_rules"), [(0.01, 0.5, 333, 15), (0.001, 0.8, 13492, 410)]
)
def test_groceries(groceries, min_support, min_confidence, n_itemsets, n_rules):
    config = RulesConfig(min_support=min_support, min_confidence=min_confidence, min_lift=0, max_antecedent=20)
    model = fpgrowth.fit(groceries, config)
    assert model.freqItemsets.count() == n_itemsets
    rules = fpgrowth.rules(model, 9835, config).orderBy("lift", ascending=False)
    assert rules.count() == n_rules
    if n_rules == 410:
        top = rules.first()
        assert (top.antecedent_key, top.consequent, top.n_baskets) == ("liquor|red/blush wine", "bottled beer", 19)
        assert (top.confidence, top.lift) == (pytest.approx(0.9048, abs=5e-5), pytest.approx(11.235, abs=5e-4))
    model.freqItemsets.unpersist()
