from datetime import date
from decimal import Decimal

import pytest

from affinity.features.customers import customer_features
from affinity.tables import gold

AS_OF = date(2011, 6, 1)


def test_columns_are_those_of_the_table(events_of):
    features = customer_features(events_of({}), as_of=AS_OF)
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
    row = customer_features(events, as_of=AS_OF).collect()[0].asDict()
    assert row == {
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


def test_windows_are_half_open(events_of):
    events = events_of(
        {"event_date": date(2011, 5, 1), "amount": 1},  # 31 days before
        {"event_date": date(2011, 5, 2), "amount": 2},  # 30 days before
        {"event_date": date(2011, 5, 31), "amount": 4},
        {"event_date": AS_OF, "amount": 8},
    )
    row = customer_features(events, as_of=AS_OF).collect()[0]
    assert (row.recency_days, row.frequency, row.frequency_30d) == (1, 3, 2)
    assert (row.monetary_amount, row.monetary_30d_amount) == (7, 6)


def test_only_known_customers_with_a_purchase(events_of):
    events = events_of(
        {"customer_id": "ann"},
        {"customer_id": None},
        {"customer_id": "bob", "event_type": "return"},
        {"customer_id": "eve", "event_date": AS_OF},
    )
    assert [row.customer_id for row in customer_features(events, as_of=AS_OF).collect()] == ["ann"]


def test_an_order_is_told_by_its_source_and_a_missing_one_by_its_event(events_of):
    events = events_of(
        {"order_id": "7", "source": "shop"},
        {"order_id": "7", "source": "web"},
        {"order_id": None},
        {"order_id": None},
    )
    assert customer_features(events, as_of=AS_OF).collect()[0].frequency == 4


def test_null_amounts_and_items_count_as_nothing(events_of):
    events = events_of({"amount": None, "item_id": None}, {"amount": 3})
    row = customer_features(events, as_of=AS_OF).collect()[0]
    assert (row.monetary_amount, row.n_items, row.n_lines, row.currency) == (3, 1, 2, "GBP")
    assert row.mean_gap_days is None


def test_no_events_no_customers(events_of):
    assert customer_features(events_of(), as_of=AS_OF).isEmpty()


def test_currencies_are_never_added_up(events_of):
    events = events_of({"amount": 1}, {"amount": 2, "currency": "EUR"})
    with pytest.raises(Exception, match="several currencies, expected one, got at least EUR and GBP"):
        customer_features(events, as_of=AS_OF).collect()
    euros = customer_features(events, as_of=AS_OF, currency="EUR").collect()
    assert [(row.frequency, row.monetary_amount, row.currency) for row in euros] == [(1, 2, "EUR")]


def test_the_future_moves_no_feature(events_of):
    past = [{"event_date": date(2011, 5, day), "order_id": str(day)} for day in (1, 9, 31)]
    future = [
        {"event_date": AS_OF, "order_id": "31", "item_id": "pot", "amount": 99},
        {"event_date": date(2011, 7, 1), "event_type": "return", "currency": "EUR"},
        {"event_date": date(2011, 7, 1), "customer_id": "new"},
    ]
    known = customer_features(events_of(*past), as_of=AS_OF).collect()
    assert customer_features(events_of(*past, *future), as_of=AS_OF).collect() == known


def test_one_shuffle_and_no_expand(events_of):
    plan = customer_features(events_of({}), as_of=AS_OF)._jdf.queryExecution().executedPlan().toString()
    assert (plan.count("Exchange hashpartitioning"), plan.count("Expand")) == (1, 0)
