from datetime import date

import pytest
from pyspark.sql import functions as F

from affinity.features.baskets import baskets
from affinity.features.bots import without_bots
from affinity.features.interactions import interactions, unseen
from affinity.features.labels import labelled_people, with_label
from tests.features.days import at, belonging, contributions, of_themselves

CUT = date(2011, 6, 1)


def rows(frame):
    return sorted(tuple(row) for row in frame.collect())


@pytest.fixture
def items(spark):
    return spark.createDataFrame(
        [("tea", True), ("cup", True), ("postage", False)], "item_id string, flag boolean"
    ).toDF("item_id", "is_recommendable")


def test_a_basket_holds_each_item_once_sorted(events_of):
    events = events_of(
        {"order_id": "a", "item_id": "tea"},
        {"order_id": "a", "item_id": "cup"},
        {"order_id": "a", "item_id": "tea"},
        {"order_id": "b", "item_id": "tea", "customer_id": None},
        {"order_id": "b", "item_id": "cup", "source": "web"},
    )
    expected = [("shop", "a", ["cup", "tea"]), ("shop", "b", ["tea"]), ("web", "b", ["cup"])]
    assert rows(baskets(events, as_of=CUT)) == expected


def test_what_is_in_no_basket(events_of):
    events = events_of(
        {"order_id": None},
        {"item_id": None},
        {"event_type": "return"},
        {"event_date": CUT},
        {"event_date": date(2010, 12, 31)},
    )
    assert baskets(events, as_of=CUT, start=date(2011, 1, 1)).isEmpty()


@pytest.mark.parametrize(
    ("day", "label"),
    [(date(2011, 5, 31), 0.0), (CUT, 1.0), (date(2011, 6, 10), 1.0), (date(2011, 6, 11), 0.0)],
)
def test_the_horizon_is_half_open(spark, events_of, day, label):
    features = spark.createDataFrame([("ann", 1)], "customer_id string, frequency int")
    labelled = with_label(
        features, of_themselves(contributions(events_of({"event_date": day}))), as_of=CUT, horizon_days=10
    )
    assert rows(labelled) == [("ann", 1, label)]


def test_labels_keep_rows_and_ignore_returns_and_strangers(spark, events_of):
    features = spark.createDataFrame([("ann",), ("bob",), ("eve",)], "customer_id string")
    events = events_of(
        {"event_date": CUT, "customer_id": "ann"},
        {"event_date": CUT, "customer_id": "ann"},
        {"event_date": CUT, "customer_id": "bob", "event_type": "return"},
        {"event_date": CUT, "customer_id": None},
        {"event_date": CUT, "customer_id": "new"},
    )
    labelled = with_label(features, of_themselves(contributions(events)), as_of=CUT, horizon_days=1)
    assert rows(labelled) == [("ann", 1.0), ("bob", 0.0), ("eve", 0.0)]


def test_nothing_is_learnt_from_programs_and_people_are_those_of_the_cut(spark, events_of):
    crawl = [{**at(f"2011-05-02 {n % 20:02}:{n}"), "event_type": "view", "amount": None} for n in range(30, 60)]
    days = contributions(
        events_of(
            {"event_date": date(2011, 5, 1), "customer_id": "web"},
            {"event_date": CUT, "customer_id": "ann"},
            {"event_date": date(2011, 5, 1), "customer_id": "eve"},
            *({**view, "customer_id": "eve"} for view in crawl),
        )
    ).withColumn("customer_id", F.lit("whoever they are today"))
    found = labelled_people(days, belonging(spark, {"web": "ann"}), as_of=CUT, horizon_days=1)
    assert rows(found.select("customer_id", "label")) == [("ann", 1.0)]


def test_rows_of_programs_are_left_out_and_anonymous_ones_stay(spark):
    features = spark.createDataFrame([("ann", False), ("eve", True)], "customer_id string, is_bot boolean")
    seen = spark.createDataFrame([("ann",), ("eve",), ("new",), (None,)], "customer_id string")
    assert {row.customer_id for row in without_bots(seen, features).collect()} == {"ann", "new", None}


def test_a_weight_is_the_number_of_orders(events_of, items):
    events = events_of(
        {"order_id": "a", "item_id": "tea"},
        {"order_id": "a", "item_id": "tea"},
        {"order_id": "b", "item_id": "tea"},
        {"order_id": "b", "item_id": "cup"},
        {"customer_id": "bob", "item_id": "cup"},
    )
    expected = [("ann", "cup", 1.0), ("ann", "tea", 2.0), ("bob", "cup", 1.0)]
    assert rows(interactions(events, items, as_of=CUT)) == expected


def test_what_is_no_interaction(events_of, items):
    events = events_of(
        {"item_id": "postage"},
        {"item_id": "unknown"},
        {"item_id": None},
        {"customer_id": None},
        {"event_type": "return"},
        {"event_type": "view"},
        {"event_date": CUT},
        {"event_date": date(2010, 12, 31)},
    )
    assert interactions(events, items, as_of=CUT, start=date(2011, 1, 1)).isEmpty()


def test_unseen_pairs(spark):
    pair = "customer_id string, item_id string"
    bought = spark.createDataFrame([("ann", "tea"), ("ann", "cup"), ("ann", "cup"), ("bob", "tea")], pair)
    before = spark.createDataFrame([("ann", "tea"), ("bob", "cup")], pair)
    assert rows(unseen(bought, before)) == [("ann", "cup"), ("bob", "tea")]
