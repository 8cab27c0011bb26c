"""Days of subjects and of customers, by hand."""

from datetime import date
from decimal import Decimal

from pyspark.sql import functions as F

from affinity.tables import silver
from tests.features.days import LONDON, at, belonging, by_day, contributions, days, described, of_themselves, utc

DAY = date(2025, 10, 6)


def bits(*hours):
    return sum(1 << hour for hour in hours)


def by_currency(frame):
    return {row.currency: row for row in frame.collect()}


def test_columns_are_those_of_the_table(events_of):
    columns = [(c.name, c.type) for c in silver.SUBJECT_DAILY.columns if c.name != "run_id"]
    assert contributions(events_of({})).drop("run_id").dtypes == columns


def test_one_day_by_hand(events_of):
    events = events_of(
        {**at("2025-10-06 08:00"), "event_type": "view", "order_id": None, "amount": None, "source": "web"},
        {**at("2025-10-06 08:30"), "event_type": "search", "order_id": None, "amount": None, "source": "web"},
        {**at("2025-10-06 09:01"), "event_type": "cart", "order_id": None, "amount": 7, "currency": "EUR"},
        {**at("2025-10-06 09:02"), "order_id": "a", "item_id": "tea", "amount": 10, "quantity": Decimal(2)},
        {**at("2025-10-06 09:02"), "order_id": "a", "item_id": "cup", "amount": 5},
        {**at("2025-10-06 11:00"), "order_id": "x", "event_type": "return", "amount": 3},
        {**at("2025-10-06 12:00"), "event_type": "review", "order_id": None, "amount": None},
        {**at("2025-10-06 20:00"), "event_type": "contact", "order_id": None, "amount": None, "source": "mail"},
    )
    found = by_currency(contributions(events, zone=LONDON))  # an hour ahead of UTC

    assert found[None].asDict() == {
        "subject_id": "ann",
        "event_date": DAY,
        "currency": None,
        "n_views": 1,
        "n_searches": 1,
        "n_carts": 1,
        "n_purchases": 0,
        "n_returns": 0,
        "n_reviews": 1,
        "n_contacts": 1,
        "n_units": 0,
        "gross_amount": 0,
        "returned_amount": 0,
        "order_keys": [],
        "item_ids": [],
        "sources": ["mail", "shop", "web"],
        "hours": bits(9, 10, 13),  # nobody did anything at nine in the evening
        "session_starts": [utc("2025-10-06 08:00"), utc("2025-10-06 09:01"), utc("2025-10-06 12:00")],
        "session_ends": [utc("2025-10-06 08:30"), utc("2025-10-06 09:01"), utc("2025-10-06 12:00")],
        "run_id": "r0",
    }
    bought = found["GBP"]
    assert (bought.n_purchases, bought.n_returns, bought.n_carts) == (2, 1, 0)
    assert (bought.n_units, bought.gross_amount, bought.returned_amount) == (3, 15, 3)
    assert (bought.order_keys, bought.item_ids, bought.sources) == (["shop/a"], ["cup", "tea"], ["shop"])
    assert (bought.hours, len(bought.session_starts)) == (bits(10, 12), 2)


def test_rows_keep_the_checks_of_the_table(events_of):
    events = events_of({}, {"event_type": "contact"}, {"customer_id": "bob", "event_type": "view", "amount": None})
    checks = [F.expr(check.predicate).alias(check.name) for check in silver.SUBJECT_DAILY.checks]
    assert {value for row in contributions(events).select(*checks).collect() for value in row} == {True}


def test_what_is_missing_counts_as_it_does_in_features(events_of):
    events = events_of(
        {"order_id": None, "item_id": None, "amount": 4, "quantity": None},
        {"order_id": None, "amount": 1, "quantity": Decimal("0.5")},
        {"event_type": "return", "amount": None, "currency": "GBP"},
        {"customer_id": None},
    )
    (row,) = contributions(events).collect()
    assert (row.n_units, row.gross_amount, row.returned_amount) == (Decimal("1.5"), 5, 0)
    assert (row.order_keys, row.item_ids) == (["shop/e0", "shop/e1"], ["tea"])


def test_nothing_gives_nothing(events_of):
    assert contributions(events_of()).isEmpty()
    assert days(events_of()) == []


def test_of_the_hour_that_comes_twice_both_are_one_hour_and_two_sessions(events_of):
    day = {"event_date": date(2025, 10, 26), "event_type": "view", "amount": None}
    events = events_of({**at("2025-10-26 00:30"), **day}, {**at("2025-10-26 01:30"), **day})
    (row,) = contributions(events, zone=LONDON).collect()
    assert (row.hours, len(row.session_starts)) == (bits(1), 2)


def test_the_hour_that_never_comes_parts_nothing(events_of):
    day = {"event_date": date(2026, 3, 29), "event_type": "view", "amount": None}
    events = events_of({**at("2026-03-29 00:50"), **day}, {**at("2026-03-29 01:10"), **day})
    (row,) = contributions(events, zone=LONDON).collect()
    assert (row.hours, len(row.session_starts)) == (bits(0, 2), 1)


def test_contributions_of_one_day_add_up(events_of):
    first = events_of(
        {**at("2025-10-06 08:00"), "order_id": "a", "item_id": "tea", "amount": 10},
        {**at("2025-10-06 09:10"), "event_type": "view", "amount": None, "source": "web"},
    )
    late = events_of(
        {**at("2025-10-06 08:20"), "order_id": "a", "item_id": "cup", "amount": 5},
        {**at("2025-10-06 08:45"), "event_type": "view", "amount": None},
        {**at("2025-10-06 23:00"), "order_id": "x", "event_type": "return", "amount": 4},
    )
    (row,) = days(first, late)
    assert (row.n_events, row.n_purchases, row.n_views, row.n_returns) == (5, 2, 2, 1)
    assert (row.n_orders, row.n_items, row.n_units) == (1, 2, 2)
    assert (row.gross_amount, row.returned_amount, row.net_amount, row.currency) == (15, 4, 11, "GBP")
    assert (row.order_keys, row.item_ids) == (["shop/a"], ["cup", "tea"])
    assert (row.sources, row.n_sources, row.hours, row.n_hours) == (["shop", "web"], 2, bits(8, 9, 23), 3)
    assert row.n_sessions == 2


def test_a_session_over_midnight_begins_once(events_of):
    views = [{**at(ts), "event_type": "view", "amount": None} for ts in ("2025-10-06 23:45", "2025-10-07 00:15")]
    later = [{**at(ts), "event_type": "view", "amount": None} for ts in ("2025-10-07 00:20", "2025-10-07 09:00")]
    found = days(events_of(*views, *later))
    assert [(row.event_date.day, row.n_sessions, row.n_views) for row in found] == [(6, 1, 1), (7, 1, 3)]


def test_a_day_of_contacts_alone_is_there_and_nothing_was_done_on_it(events_of):
    (row,) = days(events_of({"event_type": "contact", "amount": None, "source": "mail"}))
    assert (row.n_events, row.n_contacts, row.n_sessions, row.n_hours, row.n_orders) == (1, 1, 0, 0, 0)
    assert (row.hours, row.currency, row.gross_amount, row.sources) == (0, None, 0, ["mail"])


def test_two_subjects_are_one_customer_and_who_is_not_listed_is_one_of_its_own(spark, events_of):
    events = events_of(
        {**at("2025-10-06 10:00"), "customer_id": "phone", "order_id": "a", "item_id": "tea"},
        {**at("2025-10-06 10:20"), "customer_id": "laptop", "order_id": "a", "item_id": "tea"},
        {**at("2025-10-06 10:50"), "customer_id": "phone", "event_type": "view", "amount": None},
        {**at("2025-10-06 10:10"), "customer_id": "stranger", "event_type": "view", "amount": None},
    )
    identities = belonging(spark, {"phone": "ann", "laptop": "ann", "never seen": "eve"})
    found = {row.customer_id: row for row in days(events, identities=identities)}
    assert set(found) == {"ann", "stranger"}
    assert (found["ann"].n_sessions, found["ann"].n_orders, found["ann"].n_items, found["ann"].n_events) == (1, 1, 1, 3)
    assert found["stranger"].n_sessions == 1


def test_money_of_several_currencies_has_no_sum(events_of):
    (row,) = days(events_of({"amount": 1}, {"amount": 2, "currency": "EUR"}, {"event_type": "view", "amount": None}))
    assert (row.n_purchases, row.n_views, row.gross_amount, row.net_amount, row.currency) == (2, 1, None, None, None)


def test_the_price_of_a_cart_is_no_money(events_of):
    events = events_of({"amount": 1}, {"event_type": "cart", "amount": 2, "currency": "EUR"})
    (row,) = days(events)
    assert (row.gross_amount, row.currency, row.n_carts) == (1, "GBP", 1)


def test_categories_are_those_of_the_newest_descriptions_and_null_where_none_is_known(events_of):
    bought = contributions(events_of(*({"item_id": item} for item in ("tea", "cup", "mug", "pin"))))
    said = described(
        ("tea", "drinks", DAY), ("cup", "gifts", DAY), ("cup", "dishes", date(2025, 10, 8)), ("mug", "dishes", DAY)
    )
    rows = of_themselves(bought).toArrow()
    (row,) = by_day(rows, said)
    assert (row.n_items, row.n_categories, row.categories) == (4, 2, ["dishes", "drinks"])
    (row,) = by_day(rows, described(("tea", None, DAY), ("hat", "clothes", DAY)))
    assert (row.n_items, row.n_categories, row.categories) == (4, None, None)
