"""Bots by their days: by hand, and those of the simulated shop, where no person may be taken for one."""

from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from affinity.core.bot_rules import BotRules
from affinity.simulate.behaviour import live
from affinity.simulate.bots import bot_events
from affinity.simulate.customers import customers
from affinity.simulate.events import events
from affinity.simulate.params import SIZES, ShopConfig
from affinity.simulate.sessions import EVENT_FEEDS, rows
from affinity.simulate.world import world_of
from affinity.tables import views
from tests.features.days import asked, at, by_day, contributions

SCHEMA = pa.schema(
    {
        "customer_id": pa.string(),
        "event_date": pa.date32(),
        "n_events": pa.int64(),
        "n_purchases": pa.int64(),
        "n_hours": pa.int32(),
    }
)
HOUR = 3_600


def table(rows):
    return pa.Table.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in rows], SCHEMA)


def bots(days, rules=BotRules()):  # noqa: B008 (frozen)
    return asked(views.bots("rows", rules), days)


@pytest.mark.parametrize(
    ("day", "rule"),
    [
        ((501, 0, 3), "many_events"),
        ((30, 0, 18), "all_hours"),
        ((29, 0, 18), None),
        ((500, 0, 17), None),
        ((501, 1, 24), None),
        ((501, 0, 24), "many_events"),
    ],
)
def test_a_day_by_the_rules(day, rule):
    found = bots(table([("ann", date(2025, 10, 6), *day)]))
    assert [bot.rule for bot in found] == ([rule] if rule else [])


def test_the_first_day_with_evidence():
    given = [
        ("crawler", date(2025, 10, 7), 501, 0, 4),
        ("crawler", date(2025, 10, 6), 90, 0, 18),
        ("crawler", date(2025, 10, 5), 500, 0, 17),
        ("trader", date(2025, 10, 6), 900, 600, 20),
        ("patient", date(2025, 10, 6), 29, 0, 24),
    ]
    (found,) = bots(table(given))
    assert (found.customer_id, found.event_date, found.rule) == ("crawler", date(2025, 10, 6), "all_hours")


def test_rules_may_be_set():
    daily = table([("a", date(2025, 10, 6), 11, 0, 1), ("b", date(2025, 10, 6), 10, 0, 5)])
    found = bots(daily, BotRules(max_events=10, min_hours=5, min_events=10))
    assert [(row.customer_id, row.rule) for row in found] == [("a", "many_events"), ("b", "all_hours")]


def test_nobody_is_no_bot():
    assert bots(table([])) == []


def counted(who, ts):
    """(who, day, events, hours) in UTC: what is done in 18 hours of one zone is so of another, but for its days."""
    hours, n = np.unique(np.stack([who, ts // HOUR]), axis=1, return_counts=True)
    days, place = np.unique(np.stack([hours[0], hours[1] // 24]), axis=1, return_inverse=True)
    return days, np.bincount(place.ravel(), weights=n).astype(int), np.bincount(place.ravel())


def daily(who, ts):
    (who, day), n_events, n_hours = counted(who, ts)
    columns = (who.astype(str), day.astype("datetime64[D]"), n_events, np.zeros_like(n_events), n_hours)
    return pa.table([pa.array(column) for column in columns], SCHEMA.names).cast(SCHEMA)


@pytest.mark.parametrize("size", ["tiny", "demo", "bench"])
def test_every_bot_of_the_shop_is_found_on_its_first_day(size):
    config = ShopConfig(**SIZES[size])
    found = [bot_events(world_of(config), day) for day in range(14)]
    who = np.concatenate([crawls.customer[made.row] for crawls, made in found])
    days = daily(who, np.concatenate([made.ts for _, made in found]))
    assert {bot.customer_id for bot in bots(days)} == {str(each) for each in who}
    flagged = f"SELECT count(*) AS n FROM (SELECT {views.bot_rule(BotRules())} AS rule FROM rows) WHERE rule IS NULL"
    assert asked(flagged, days)[0].n == 0


@pytest.mark.parametrize("size", ["tiny", "demo", "bench"])
def test_no_person_is_taken_for_a_bot_whatever_they_buy(size):
    config = ShopConfig(**SIZES[size])
    # Of a great shop some thousand customers: they live as all others do.
    who = customers(config, np.arange(min(config.customers, 4_000)))
    made, world = rows(who, live(who, 60)), world_of(config)
    parts = [(some := made.take(made.feed == feed), events(world, some, feed)) for feed in EVENT_FEEDS]
    number = np.concatenate([some.customer[part.row] for some, part in parts])
    ts = np.concatenate([part.ts for _, part in parts])
    pairs = number // 2  # households with one browser, and none that buys in a way that would clear it
    assert bots(daily(pairs, ts)) == []


def test_a_program_with_a_third_of_all_events_is_told_and_changes_nobody_else(events_of):
    people = [{"customer_id": f"p{n % 10}", **at(f"2011-05-{n // 10 + 1:02} 10:{n % 60:02}")} for n in range(120)]
    view = {"customer_id": "crawler", "event_type": "view", "amount": None}
    crawl = [{**view, **at(f"2011-05-02 {n % 20:02}:{n:02}")} for n in range(60)]
    alone, crowded = (contributions(events_of(*given)).toArrow() for given in (people, [*people, *crawl]))
    found = of_days(crowded)
    assert [day for day in found if day.customer_id != "crawler"] == of_days(alone)
    days = pa.Table.from_pylist([vars(day) for day in found])
    assert {bot.customer_id for bot in asked(views.bots("rows"), days)} == {"crawler"}


def of_days(made):
    return by_day(made.rename_columns({"subject_id": "customer_id"}))
