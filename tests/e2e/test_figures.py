"""The published numbers of Online Retail, as an independent program computed them."""

import csv
import json
import math
from collections import Counter
from datetime import date
from decimal import Decimal

import pytest

from affinity.core.vocabulary import Feed, Strategy
from affinity.features.baskets import baskets
from affinity.features.labels import labelled_customers
from affinity.io.ask import ask
from affinity.io.releases import Releases
from affinity.tables import bronze, gold, models, ops, silver
from tests.e2e.conftest import AS_OF, Demo

DEFECTS = {
    "customer_missing": 88_652,
    "cancellation": 5_847,
    "price_not_positive": 1_799,
    "description_missing": 1_161,
    "repeated_line": 2_483,
}
# Within-cluster sums of squares and silhouettes for 2 to 8 segments, of an independent program.
WSSSE = [5003.82, 3744.80, 2993.31, 2557.49, 2259.38, 2044.83, 1881.85]
SILHOUETTE = [0.634, 0.509, 0.527, 0.476, 0.463, 0.411, 0.403]


def test_every_line_of_every_file_is_in_bronze(demo: Demo) -> None:
    files = [row for row in demo.manifest() if row["feed"] == Feed.EVENTS]
    lines = 0
    for path in demo.landing.glob("*.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            lines += sum(1 for _ in csv.DictReader(file))

    assert len(files) == 219
    assert lines == 320_705
    assert demo.read(bronze.EVENTS).count() == 320_705
    assert demo.read(bronze.EVENTS).select("event_id").distinct().count() == 320_705
    assert sum(row["n_rows"] for row in files) == 320_705


def test_defects_are_counted_apart_and_overlap(demo: Demo) -> None:
    counted: Counter[str] = Counter()
    for row in demo.manifest():
        counted.update(json.loads(row["defects"] or "{}"))
    assert {name: counted[name] for name in DEFECTS} == DEFECTS


def test_rows_in_are_rows_out_and_rejected(demo: Demo) -> None:
    files = [row for row in demo.manifest() if row["feed"] == Feed.EVENTS]
    for row in files:
        assert row["n_rows"] == row["n_accepted"] + row["n_duplicate"] + row["n_filtered"] + row["n_quarantined"]
    accepted = sum(row["n_accepted"] for row in files)
    assert demo.read(silver.EVENTS).count() == accepted
    assert demo.read(silver.QUARANTINE).count() == 320_705 - accepted


def test_usual_cleaning(demo: Demo) -> None:
    (row,) = ask(
        demo.platform.root,
        "SELECT count(*) AS lines, count(DISTINCT customer_id) AS customers, count(DISTINCT order_id) AS invoices, "
        "sum(amount) AS gross FROM silver.events WHERE event_type = 'purchase' AND customer_id IS NOT NULL",
    )
    assert (row["lines"], row["customers"], row["invoices"]) == (226_467, 3_317, 11_413)
    assert row["gross"] == Decimal("5239240.562")


def test_gross_returns_and_net_stand_side_by_side(demo: Demo) -> None:
    (row,) = ask(
        demo.platform.root,
        "SELECT sum(monetary_amount) AS gross, sum(returns_amount) AS returned, sum(net_amount) AS net "
        "FROM gold.customer_features_latest",
    )
    assert row["gross"] == Decimal("5239240.562")
    assert row["returned"] > 0
    assert row["net"] == row["gross"] - row["returned"]


def test_recency_frequency_monetary(demo: Demo) -> None:
    (row,) = ask(
        demo.platform.root,
        "SELECT median(recency_days) AS recency_median, avg(recency_days) AS recency_mean, "
        "avg(frequency) AS frequency_mean, max(frequency) AS frequency_max, "
        "median(monetary_amount::DOUBLE) AS monetary_median, avg(monetary_amount::DOUBLE) AS monetary_mean, "
        "count(*) AS customers FROM gold.customer_features_latest",
    )
    assert row["customers"] == 3_317
    assert row["recency_median"] == 73
    assert row["recency_mean"] == pytest.approx(93.14, abs=0.005)
    assert row["frequency_mean"] == pytest.approx(3.44, abs=0.005)
    assert row["frequency_max"] == 127
    assert row["monetary_median"] == pytest.approx(555.65, abs=0.005)
    assert row["monetary_mean"] == pytest.approx(1579.51, abs=0.005)


def test_stock_codes_keep_their_case(demo: Demo) -> None:
    (row,) = ask(
        demo.platform.root,
        "SELECT count(DISTINCT item_id) AS codes, count(DISTINCT upper(item_id)) AS upper_codes FROM bronze.events",
    )
    assert (row["codes"], row["codes"] - row["upper_codes"]) == (3_774, 94)


def test_segments_of_every_number(demo: Demo) -> None:
    metrics = _metrics(demo, "train_segments")
    assert [metrics[f"wssse_k{k}"] for k in range(2, 9)] == pytest.approx(WSSSE, rel=0.005)
    assert [metrics[f"silhouette_k{k}"] for k in range(2, 9)] == pytest.approx(SILHOUETTE, abs=0.01)
    assert metrics["k"] == 4


def test_baskets(demo: Demo) -> None:
    carts = baskets(demo.read(silver.EVENTS), as_of=AS_OF)
    sizes = carts.selectExpr("count(*)", "round(avg(size(items)), 2)", "max(size(items))").collect()
    assert tuple(sizes[0]) == (12_495, 24.67, 704)


def test_itemsets_of_every_support(demo: Demo) -> None:
    champion = Releases.of(demo.platform.ops).model(models.RULES, AS_OF)
    assert champion is not None
    (growth,) = demo.platform.tracker.load(models.RULES, champion).required_pipeline.stages
    counts = [row["freq"] for row in growth.freqItemsets.select("freq").collect()]
    found = [sum(n >= math.ceil(support * 12_495) for n in counts) for support in (0.03, 0.02, 0.015, 0.01)]
    assert found == [151, 397, 787, 2_193]


def test_who_comes_back_within_a_quarter(demo: Demo) -> None:
    labelled = labelled_customers(demo.read(silver.SUBJECT_DAILY), as_of=date(2011, 6, 1), horizon_days=92)
    assert tuple(labelled.selectExpr("count(*)", "sum(label)").collect()[0]) == (2_718, 1_349.0)


def test_the_rules_behind_the_slice(demo: Demo) -> None:
    metrics = _metrics(demo, "mine_rules")
    assert metrics["n_baskets"] == 12_495
    assert metrics["n_itemsets"] == 2_193
    assert demo.read(gold.ASSOCIATION_RULES).count() == metrics["n_rules"]


def test_everybody_gets_items_and_no_postage(demo: Demo) -> None:
    recommendations = demo.read(gold.RECOMMENDATIONS)
    assert recommendations.select("customer_id").distinct().count() == 3_317
    assert recommendations.groupBy("customer_id").count().where("count <> 10").count() == 0
    banned = ("POST", "DOT", "C2", "M", "D", "S", "B", "BANK CHARGES", "AMAZONFEE", "CRUK")
    assert recommendations.where(recommendations.item_id.isin(*banned)).count() == 0
    strategies = {row["strategy"] for row in recommendations.select("strategy").distinct().collect()}
    assert strategies <= {Strategy.ALS, Strategy.POPULARITY}


def test_nothing_bought_before_is_recommended(demo: Demo) -> None:
    (row,) = ask(
        demo.platform.root,
        "SELECT count(*) AS n FROM gold.recommendations_latest r JOIN silver.events e USING (customer_id, item_id) "
        "WHERE e.event_type = 'purchase' AND e.event_date < r.as_of_date",
    )
    assert row["n"] == 0


def test_als_is_judged_beside_popularity_with_an_interval(demo: Demo) -> None:
    metrics = _metrics(demo, "train_recommender")
    low, high = metrics["ndcg_difference_low"], metrics["ndcg_difference_high"]
    assert low < metrics["als_ndcg"] - metrics["popularity_ndcg"] < high
    assert low > 0, "ALS is better than popularity on this shop, for certain"


def test_propensity_beats_its_baselines(demo: Demo) -> None:
    metrics = _metrics(demo, "train_propensity")
    assert metrics["auc"] > metrics["recency_auc"] > 0.5
    assert metrics["brier"] < metrics["base_rate_brier"]


def test_every_published_table_was_checked(demo: Demo) -> None:
    checked = {row["table_name"] for row in demo.platform.ops.read(ops.QUALITY_RESULTS)}
    assert checked >= {name for name, version in demo.versions().items() if version is not None}
    assert all(row["is_success"] for row in demo.platform.ops.read(ops.QUALITY_RESULTS))


def _metrics(demo: Demo, job: str) -> dict[str, float]:
    runs = [row for row in demo.platform.ops.read(ops.RUNS) if row["job"] == job and row["metrics"]]
    return dict(json.loads(runs[0]["metrics"]))
