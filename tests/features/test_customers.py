from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from pyspark.sql import functions as F

from affinity.features.customers import customer_features, features_of_files, with_attributes
from affinity.features.grouped import Files
from affinity.features.identities import known_before, of_customers
from affinity.features.items import item_categories
from affinity.tables import gold, silver
from affinity.tables.customer_features import ATTRIBUTES, FEATURES, MEASURES
from tests.features.days import LATER, at, belonging, contributions, described, of_themselves

AS_OF = date(2011, 6, 1)


def features_of(*batches, identities=None, categories=None):
    made = contributions(*batches)
    mapped = of_themselves(made) if identities is None else of_customers(made, identities, LATER)
    return customer_features(mapped, as_of=AS_OF, categories=categories)


@pytest.fixture
def known(spark, tmp_path):
    """Files with the categories that were known before a date."""

    def written(*said, as_of=AS_OF):
        folder = tmp_path / f"known-{as_of}-{len(said)}"
        item_categories(spark.createDataFrame(described(*said)), as_of=as_of).write.parquet(str(folder))
        return folder

    return written


@pytest.fixture
def stated(spark):
    """Statements of a day: customer, hour, file, source, country, tier."""
    schema = (
        "customer_id string, observed_ts timestamp, file_id string, source string, country string, tier string, "
        "subject_key string"
    )

    def make(*rows):
        at_hours = [(who, datetime(2011, 5, 30, hour, tzinfo=UTC), *said, "key") for who, hour, *said in rows]
        return spark.createDataFrame(at_hours, schema)

    return make


def attributes_of(features, statements):
    made = with_attributes(features, statements)
    return {row.customer_id: (row.country, row.tier) for row in made.collect()}


def test_each_attribute_is_the_newest_that_was_named(events_of, stated):
    features = features_of(events_of({}, {"customer_id": "bob"}))
    statements = stated(
        ("ann", 9, "f1", "crm", "France", "gold"),
        ("ann", 10, "f2", "shop", "Norway", None),
        ("eve", 11, "f3", "crm", "Spain", "silver"),
    )
    assert attributes_of(features, statements) == {"ann": ("Norway", "gold"), "bob": (None, None)}


def test_of_equally_new_statements_the_greater_file_then_source_counts(events_of, stated):
    rows = [
        ("ann", 9, "f1", "web", "France", "a"),
        ("ann", 9, "f2", "crm", "Norway", "b"),
        ("ann", 9, "f2", "shop", "Spain", None),
    ]
    features = features_of(events_of({}))
    found = [attributes_of(features, stated(*order)) for order in (rows, rows[::-1])]
    assert found == [{"ann": ("Spain", "b")}] * 2


def test_without_statements_every_customer_is_there(events_of, stated):
    assert attributes_of(features_of(events_of({})), stated()) == {"ann": (None, None)}


def test_columns_are_those_of_the_table(events_of, stated):
    features = with_attributes(features_of(events_of({})), stated())
    slice_columns = [(c.name, c.type) for c in gold.CUSTOMER_FEATURES.columns if c.name not in {"as_of_date", "run_id"}]
    assert features.dtypes == slice_columns


def test_one_customer_by_hand(events_of):
    events = events_of(
        {"event_date": date(2011, 1, 1), "order_id": "a", "item_id": "tea", "amount": 10},
        {"event_date": date(2011, 1, 1), "order_id": "a", "item_id": "cup", "amount": 20},
        {"event_date": date(2011, 3, 3), "order_id": "b", "item_id": "tea", "amount": 30, "quantity": Decimal(5)},
        {"event_date": date(2011, 5, 2), "order_id": "c", "item_id": "tea", "amount": 40},
        {"event_date": date(2011, 5, 3), "order_id": "x", "item_id": "tea", "amount": 5, "event_type": "return"},
        {"event_date": date(2011, 5, 31), "event_type": "view", "order_id": None, "amount": None},
    )
    row = features_of(events).collect()[0].asDict()
    bought = {
        "customer_id": "ann",
        "recency_days": 30,  # 2 May to 1 June
        "frequency": 3,
        "monetary_amount": Decimal(100),
        "returns_amount": Decimal(5),
        "net_amount": Decimal(95),
        "currency": "GBP",
        "tenure_days": 151,  # 1 January to 1 June
        "n_active_days": 3,
        "n_items": 2,
        "n_lines": 4,
        "mean_gap_days": (151 - 30) / 2,
        "mean_order_amount": Decimal("33.3333"),
        "mean_order_lines": 4 / 3,
        "mean_line_quantity": 8 / 4,  # 1 + 1 + 5 + 1
        "frequency_30d": 1,  # 2 May is the first of the 30 days
        "monetary_30d_amount": Decimal(40),
        "frequency_90d": 2,  # 3 March is the first of the 90 days
        "monetary_90d_amount": Decimal(70),
    }
    assert {name: row[name] for name in bought} == bought
    browsed = {
        "frequency_7d": 0,
        "frequency_365d": 3,
        "monetary_7d_amount": 0,
        "monetary_365d_amount": 100,
        "n_active_days_7d": 0,
        "n_active_days_30d": 1,
        "n_active_days_90d": 2,
        "n_active_days_365d": 3,
        "n_views": 1,
        "n_views_7d": 1,
        "n_carts": 0,
        "n_sessions": 5,  # at noon of each of the five days
        "n_sessions_7d": 1,
        "n_sessions_30d": 3,  # purchase, return and view
        "n_sessions_90d": 4,
        "n_visit_days": 5,
        "n_visit_days_30d": 3,
        "n_sources": 1,
        "preferred_day_part": "afternoon",
        "is_bot": False,
    }
    assert {name: row[name] for name in browsed} == browsed


def test_windows_are_half_open(events_of):
    events = events_of(
        {"event_date": date(2011, 5, 1), "amount": 1},  # 31 days before
        {"event_date": date(2011, 5, 2), "amount": 2},  # 30 days before
        {"event_date": date(2011, 5, 31), "amount": 4},
        {"event_date": AS_OF, "amount": 8},
    )
    row = features_of(events).collect()[0]
    assert (row.recency_days, row.frequency, row.frequency_30d) == (1, 3, 2)
    assert (row.monetary_amount, row.monetary_30d_amount) == (7, 6)


def test_only_known_customers_with_a_purchase(events_of):
    events = events_of(
        {"customer_id": "ann"},
        {"customer_id": None},
        {"customer_id": "bob", "event_type": "return"},
        {"customer_id": "eve", "event_date": AS_OF},
    )
    assert [row.customer_id for row in features_of(events).collect()] == ["ann"]


def test_an_order_is_told_by_its_source_and_a_missing_one_by_its_event(events_of):
    events = events_of(
        {"order_id": "7", "source": "shop"},
        {"order_id": "7", "source": "web"},
        {"order_id": None},
        {"order_id": None},
    )
    assert features_of(events).collect()[0].frequency == 4


def test_null_amounts_and_items_count_as_nothing(events_of):
    events = events_of({"amount": None, "item_id": None}, {"amount": 3})
    row = features_of(events).collect()[0]
    assert (row.monetary_amount, row.n_items, row.n_lines, row.currency) == (3, 1, 2, "GBP")
    assert row.mean_gap_days is None


def test_no_events_no_customers(events_of):
    assert features_of(events_of()).isEmpty()


def test_currencies_are_never_added_up(events_of):
    events = events_of({"amount": 1}, {"amount": 2, "currency": "EUR"})
    with pytest.raises(Exception, match="several currencies, expected one, got at least EUR and GBP"):
        features_of(events).collect()
    euros = customer_features(of_themselves(contributions(events)), as_of=AS_OF, currency="EUR").collect()
    assert [(row.frequency, row.monetary_amount, row.currency) for row in euros] == [(1, 2, "EUR")]


def test_the_future_moves_no_feature(events_of):
    past = [{"event_date": date(2011, 5, day), "order_id": str(day)} for day in (1, 9, 31)]
    future = [
        {"event_date": AS_OF, "order_id": "31", "item_id": "pot", "amount": 99},
        {"event_date": date(2011, 7, 1), "event_type": "return", "currency": "EUR"},
        {"event_date": date(2011, 7, 1), "customer_id": "new"},
    ]
    known = features_of(events_of(*past)).collect()
    assert features_of(events_of(*past, *future)).collect() == known


def test_one_shuffle_by_customer_and_no_expand(events_of):
    plan = features_of(events_of({}))._jdf.queryExecution().executedPlan().toString()
    assert (plan.count("hashpartitioning(customer_id"), plan.count("Exchange"), plan.count("Expand")) == (1, 1, 0)


def test_categories_are_those_that_were_known_at_the_date(events_of, known):
    bought = {"cup": date(2011, 5, 30), "mug": date(2011, 5, 20), "tea": date(2011, 2, 1), "pin": date(2011, 5, 31)}
    events = events_of(
        *({"item_id": item, "event_date": day} for item, day in bought.items()),
        {"customer_id": "bob", "item_id": "pin", "event_date": date(2011, 5, 1)},
    )
    said = (
        *(("cup", "gifts", date(2010, 1, 1)), ("cup", "dishes", date(2011, 1, 1)), ("cup", "junk", AS_OF)),
        *(("mug", "dishes", date(2011, 1, 1)), ("tea", "drinks", date(2011, 1, 1)), ("pin", "new", AS_OF)),
    )
    found = {row.customer_id: row for row in features_of(events, categories=known(*said)).collect()}
    ann, bob = found["ann"], found["bob"]
    assert [ann[f"n_categories{window}"] for window in ("_7d", "_30d", "_90d", "_365d", "")] == [1, 1, 1, 2, 2]
    assert (ann.n_items, bob.n_items, bob.n_categories, bob.n_categories_7d) == (4, 1, None, None)
    earlier = features_of(events, categories=known(*said, as_of=date(2010, 6, 1))).where("customer_id = 'ann'")
    assert [row.n_categories for row in earlier.collect()] == [1]


def test_tasks_that_read_the_files_make_the_same(spark, events_of, tmp_path, known):
    on_days = [
        {"customer_id": f"c{n % 7}", "event_date": date(2011, 5, 1 + n % 31), "item_id": f"i{n}"} for n in range(90)
    ]
    made = contributions(events_of(*on_days), events_of(*on_days[:5], {"event_date": AS_OF}))
    made.write.partitionBy("event_date").parquet(str(tmp_path / "days"))
    who = belonging(spark, {"c1": "c0", "c2": "c0"})
    known_before(who, LATER).write.parquet(str(tmp_path / "who"))
    paths = [str(path) for path in (tmp_path / "days").rglob("*.parquet")]
    files = Files(spark, paths, {column.name: column.type for column in silver.SUBJECT_DAILY.columns})
    categories = known(*((f"i{n}", f"of {n % 3}", date(2011, 1, 1)) for n in range(60)))
    found = features_of_files(files, tmp_path / "who", as_of=AS_OF, categories=categories)
    expected = customer_features(of_customers(made, who, LATER), as_of=AS_OF, categories=categories)
    assert sorted(found.collect()) == sorted(expected.collect())
    assert {row.n_categories for row in found.collect()} == {3}
    assert found.count() == 5
    assert features_of_files(files, tmp_path / "who", as_of=AS_OF, currency="EUR").collect() == []


def test_an_order_over_two_days_and_two_subjects_is_one(spark, events_of):
    first = events_of({"event_date": date(2011, 5, 30), "order_id": "a", "customer_id": "phone", "item_id": "tea"})
    late = events_of({"event_date": date(2011, 5, 31), "order_id": "a", "customer_id": "laptop", "item_id": "tea"})
    who = belonging(spark, {"phone": "ann", "laptop": "ann"})
    (row,) = features_of(first, late, identities=who).collect()
    assert (row.customer_id, row.frequency, row.frequency_7d, row.n_items, row.n_active_days) == ("ann", 1, 1, 1, 2)
    assert (row.n_lines, row.monetary_7d_amount) == (2, 2)


@pytest.mark.parametrize(("days_before", "windows"), [(7, 4), (8, 3), (30, 3), (31, 2), (90, 2), (91, 1), (366, 0)])
def test_every_window_begins_on_its_first_day(events_of, days_before, windows):
    bought = {"event_date": AS_OF - timedelta(days=days_before), "amount": 2}
    row = features_of(events_of(bought, {**bought, "event_type": "cart"})).collect()[0]
    for measure in ("frequency", "n_active_days", "n_carts", "n_sessions", "n_visit_days"):
        assert sum(row[f"{measure}_{n}d"] for n in (7, 30, 90, 365)) == windows
    assert sum(row[f"monetary_{n}d_amount"] for n in (7, 30, 90, 365)) == 2 * windows


def test_contacts_are_no_visits(events_of):
    row = features_of(events_of({}, {"event_type": "contact", "event_date": date(2011, 5, 31), "source": "mail"}))
    (row,) = row.collect()
    assert (row.n_visit_days, row.n_sessions, row.n_visit_days_7d, row.n_sources) == (1, 1, 0, 2)


def test_the_preferred_part_of_the_day_and_of_equals_the_earlier(events_of):
    events = events_of(
        *({**at(f"2011-05-01 {hour}:00"), "customer_id": "owl"} for hour in ("00", "05", "06", "19")),
        *({**at(f"2011-05-01 {hour}:00"), "customer_id": "tie"} for hour in ("11", "18")),
    )
    found = {row.customer_id: row.preferred_day_part for row in features_of(events).collect()}
    assert found == {"owl": "night", "tie": "morning"}


def test_a_bot_that_bought_once_is_told(events_of):
    crawl = [{**at(f"2011-05-02 {n % 20:02}:{n}"), "event_type": "view", "amount": None} for n in range(30, 60)]
    crawled = events_of({"event_date": date(2011, 5, 1)}, *crawl, *({**view, "customer_id": "eve"} for view in crawl))
    assert [(row.customer_id, row.is_bot) for row in features_of(crawled).collect()] == [("ann", True)]


def test_rows_keep_the_checks_of_the_table(events_of, known):
    events = events_of(
        {"event_date": date(2011, 5, 31), "amount": 5},
        {"event_date": date(2010, 1, 1), "amount": 3},
        {"event_date": date(2011, 5, 31), "event_type": "return", "amount": 9},
        {"customer_id": "bob", "event_date": date(2011, 4, 1), "item_id": None},
        {"customer_id": "eve", "event_date": date(2011, 4, 1), "amount": None, "currency": None},
    )
    checks = [F.expr(check.predicate).alias(check.name) for check in gold.CUSTOMER_FEATURES.checks]
    described = features_of(events, categories=known(("tea", "drinks", date(2011, 1, 1))))
    assert {value for row in described.select(*checks).collect() for value in row} == {True}
    assert {value for row in features_of(events).select(*checks).collect() for value in row} == {True}


def test_who_bought_what_has_no_price_spent_nothing_in_no_currency(events_of):
    (row,) = features_of(events_of({"amount": None, "currency": None}, {"amount": None, "currency": None})).collect()
    assert (row.frequency, row.n_lines, row.monetary_amount, row.mean_order_amount, row.currency) == (2, 2, 0, 0, None)


def test_every_feature_is_declared_once_with_what_it_means():
    declared = (*FEATURES, *ATTRIBUTES)
    names = [feature.name for feature in declared]
    assert len(set(names)) == len(names)
    assert all(feature.unit and feature.comment and feature.known_at for feature in declared)
    comments = {column.name: column.comment for column in gold.CUSTOMER_FEATURES.columns}
    assert (
        comments["frequency_30d"]
        == "Orders with a purchase in the 30 days before as_of_date [orders; known at as_of_date 00:00]"
    )
    assert comments["n_items"] == "Distinct items bought, all history [items; known at as_of_date 00:00]"
    assert comments["mean_gap_days"].endswith("; null with one such day [days; known at as_of_date 00:00]")


def test_windows_nest_in_checks():
    predicates = {check.name: check.predicate for check in gold.CUSTOMER_FEATURES.checks}
    assert predicates["monetary_amount_nests"] == (
        "monetary_7d_amount <= monetary_30d_amount AND monetary_30d_amount <= monetary_90d_amount AND "
        "monetary_90d_amount <= monetary_365d_amount AND monetary_365d_amount <= monetary_amount"
    )
    assert sum(name.endswith("_nests") for name in predicates) == sum(bool(m.windows_days) for m in MEASURES)
