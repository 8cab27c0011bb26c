"""Bots by their days: by hand, and those of the simulated shop, where no person may be taken for one."""

from datetime import date, timedelta

import numpy as np
import pytest

from affinity.core.bot_rules import BotRules
from affinity.features.bots import bot_rule, bots
from affinity.simulate.behaviour import live
from affinity.simulate.bots import bot_events
from affinity.simulate.customers import customers
from affinity.simulate.events import events
from affinity.simulate.params import SIZES, ShopConfig
from affinity.simulate.sessions import EVENT_FEEDS, rows
from affinity.simulate.world import world_of

SCHEMA = "customer_id string, event_date date, n_events bigint, n_purchases bigint, n_hours int"
HOUR = 3_600


def test_the_first_day_with_evidence(spark):
    given = [
        ("crawler", date(2025, 10, 7), 501, 0, 4),
        ("crawler", date(2025, 10, 6), 90, 0, 18),
        ("crawler", date(2025, 10, 5), 500, 0, 17),
        ("trader", date(2025, 10, 6), 900, 600, 20),
        ("patient", date(2025, 10, 6), 29, 0, 24),
    ]
    found = bots(spark.createDataFrame(given, SCHEMA)).collect()
    assert [tuple(row) for row in found] == [("crawler", date(2025, 10, 6), "all_hours")]


def test_rules_may_be_set(spark):
    daily = spark.createDataFrame([("a", date(2025, 10, 6), 11, 0, 1), ("b", date(2025, 10, 6), 10, 0, 5)], SCHEMA)
    found = bots(daily, BotRules(max_events=10, min_hours=5, min_events=10)).orderBy("customer_id").collect()
    assert [(row.customer_id, row.rule) for row in found] == [("a", "many_events"), ("b", "all_hours")]


def test_nobody_is_no_bot(spark):
    assert bots(spark.createDataFrame([], SCHEMA)).isEmpty()


def counted(who, ts):
    """(who, day, events, hours) in UTC: what is done in 18 hours of one zone is so of another, but for its days."""
    hours, n = np.unique(np.stack([who, ts // HOUR]), axis=1, return_counts=True)
    days, place = np.unique(np.stack([hours[0], hours[1] // 24]), axis=1, return_inverse=True)
    return days, np.bincount(place.ravel(), weights=n).astype(int), np.bincount(place.ravel())


def daily(spark, who, ts):
    (who, day), n_events, n_hours = counted(who, ts)
    counts = zip(who, day, n_events, n_hours, strict=True)
    rows = [(str(w), date(1970, 1, 1) + timedelta(days=int(d)), int(n), 0, int(h)) for w, d, n, h in counts]
    return spark.createDataFrame(rows, SCHEMA)


@pytest.mark.parametrize("size", ["tiny", "demo", "bench"])
def test_every_bot_of_the_shop_is_found_on_its_first_day(spark, size):
    config = ShopConfig(**SIZES[size])
    found = [bot_events(world_of(config), day) for day in range(14)]
    who = np.concatenate([crawls.customer[made.row] for crawls, made in found])
    days = daily(spark, who, np.concatenate([made.ts for _, made in found]))
    assert days.where(bot_rule().isNull()).isEmpty()
    assert bots(days).count() == len(np.unique(who))


@pytest.mark.parametrize("size", ["tiny", "demo", "bench"])
def test_no_person_is_taken_for_a_bot_whatever_they_buy(spark, size):
    config = ShopConfig(**SIZES[size])
    # Of a great shop some thousand customers: they live as all others do.
    who = customers(config, np.arange(min(config.customers, 4_000)))
    made, world = rows(who, live(who, 60)), world_of(config)
    parts = [(some := made.take(made.feed == feed), events(world, some, feed)) for feed in EVENT_FEEDS]
    number = np.concatenate([some.customer[part.row] for some, part in parts])
    ts = np.concatenate([part.ts for _, part in parts])
    pairs = number // 2  # households with one browser, and none that buys in a way that would clear it
    assert bots(daily(spark, pairs, ts)).isEmpty()
