"""What becomes of a line, what is kept of it, and what tells it from others."""

import hashlib
import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from affinity.core.vocabulary import Defect, Feed
from affinity.reading.splits import Split
from tests.reading.logs import Row, landed, log, read, read_lines, said, whole

DAY = date(2025, 1, 1)


def verdict(row: Row) -> tuple[Any, ...]:
    return tuple(row[name] for name in ("rejection", "column_name", "expected", "got"))


QUANTITY = "a number but 0; below 0 for a return"
PRICE = "a number, and a currency of three capitals"
WORDS = "one of look, buy, back"
AHEAD, LATE = "at most 1 days after the date of the file", "at most 30 days before the date of the file"
TIME = "iso8601 in UTC"


@pytest.mark.parametrize(
    ("line", "reason", "column", "expected", "got"),
    [
        (said(ts="soon"), "event_ts_invalid", "ts", TIME, "soon"),
        (said(ts="2025-13-45"), "event_ts_invalid", "ts", TIME, "9999-99-99"),
        (said(ts="2025-01-04"), "event_ts_future", "ts", AHEAD, "9999-99-99"),
        (said(ts="2024-12-01"), "event_ts_late", "ts", LATE, "9999-99-99"),
        (said(what="jump"), "event_type_unknown", "what", WORDS, "jump"),
        (said(what="ann@x.org"), "event_type_unknown", "what", WORDS, "aaa@a.aaa"),
        (said(n="two"), "quantity_invalid", "n", QUANTITY, "two"),
        (said(n="0"), "quantity_invalid", "n", QUANTITY, "9"),
        (said(what="buy", price="1"), "quantity_invalid", "n", QUANTITY, None),
        (said(what="back", n="1", price="1"), "quantity_invalid", "n", QUANTITY, "9"),
        (said(what="buy", n="1"), "price_invalid", "price", PRICE, None),
        (said(price="1,5"), "price_invalid", "price", PRICE, "9,9"),
        (said(what="buy", n="1", price="0"), "price_not_positive", "price", "above 0", "9"),
        (said(price="-1"), "price_not_positive", "price", "above 0", "-9"),
        (
            said(what="buy", n="9e10", price="9e10"),
            "amount_invalid",
            "price",
            "quantity times price below 10^11",
            "9a99",
        ),
        (said(what="buy", n="-1", price="1"), "stock_correction", "n", "above 0, but for a return", "-9"),
        (said(ts="soon", what="jump", n="x"), "event_ts_invalid", "ts", TIME, "soon"),
        (said(what="jump", n="x", price="y"), "event_type_unknown", "what", WORDS, "jump"),
        (b"{", "unparsable", None, "one JSON object in UTF-8", "no JSON object"),
    ],
)
def test_the_first_defect_in_the_order_of_the_vocabulary_is_the_reason(
    tmp_path: Path, line: bytes, reason: str, column: str | None, expected: str, got: str | None
) -> None:
    (row,) = read_lines(log(events__max_late_days=30), tmp_path, line, day=DAY)
    assert verdict(row) == (reason, column, expected, got)
    assert row["rejected_as"] == ("filtered" if reason == "stock_correction" else "quarantined")


def test_a_good_line_has_no_verdict(tmp_path: Path) -> None:
    (row,) = read_lines(log(), tmp_path, said(who="Ann"), day=DAY)
    assert (verdict(row), row["rejected_as"], row["defects"]) == ((None, None, None, None), None, [])


def test_all_defects_of_a_line_are_told_in_the_order_of_the_vocabulary(tmp_path: Path) -> None:
    (row,) = read_lines(log(events__description="item"), tmp_path, said(ts="", what="jump", n="x", price="y"))
    found = ["event_ts_invalid", "event_type_unknown", "quantity_invalid", "price_invalid"]
    assert row["defects"] == [*found, "customer_missing", "description_missing"]
    assert row["defects"] == sorted(row["defects"], key=[str(defect) for defect in Defect].index)


def test_times_beside_the_date_of_the_file(tmp_path: Path) -> None:
    source = log(events__max_ahead_days=1, events__max_late_days=2)
    days = ["2024-12-29", "2024-12-30", "2025-01-01", "2025-01-02", "2025-01-03", "9999-01-01", "1960-01-01"]
    rows = read_lines(source, tmp_path, *(said(ts=day) for day in days), day=DAY)
    late, future = "event_ts_late", "event_ts_future"
    assert [row["rejection"] for row in rows] == [late, None, None, None, future, future, late]
    undated = read_lines(source, tmp_path, *(said(ts=day) for day in days))
    assert [row["rejection"] for row in undated] == [None] * 5 + ["event_ts_invalid"] * 2


def test_a_window_of_days_in_the_business_zone(tmp_path: Path) -> None:
    source = log(events__earliest=date(2025, 7, 1), events__latest=date(2025, 7, 2))
    times = ["2025-06-30T22:59:59Z", "2025-06-30T23:00:00Z", "2025-07-02T22:59:59Z", "2025-07-02T23:00:00Z", "soon"]
    rows = read_lines(source, tmp_path, *(said(ts=time) for time in times))
    assert [row["rejection"] for row in rows] == [
        "event_ts_outside",
        None,
        None,
        "event_ts_outside",
        "event_ts_invalid",
    ]
    assert rows[0]["expected"] == "a day from 2025-07-01 to 2025-07-02"


@pytest.mark.parametrize(
    ("defect", "rule", "line", "expected"),
    [
        ("price_not_positive", "accept", said(what="buy", n="1", price="0"), (None, None)),
        ("price_not_positive", "filter", said(what="buy", n="1", price="0"), ("price_not_positive", "filtered")),
        ("price_invalid", "accept", said(what="buy", n="1", price="?"), (None, None)),
        ("event_ts_future", "accept", said(ts="2025-02-01"), (None, None)),
        ("stock_correction", "quarantine", said(what="buy", n="-1", price="1"), ("stock_correction", "quarantined")),
        ("stock_correction", "accept", said(what="buy", n="-1", price="1"), (None, None)),
        ("customer_missing", "filter", said(), ("customer_missing", "filtered")),
        ("cancellation", "filter", said(what="back", n="-1", price="1"), ("cancellation", "filtered")),
        ("repeated_line", "filter", said(), (None, None)),
        ("event_type_unknown", "filter", said(what="jump"), ("event_type_unknown", "filtered")),
        ("unparsable", "filter", b"{", ("unparsable", "filtered")),
    ],
)
def test_a_source_may_decide_otherwise(
    tmp_path: Path, defect: str, rule: str, line: bytes, expected: tuple[str | None, str | None]
) -> None:
    (row,) = read_lines(log(events__defects={defect: rule}), tmp_path, line, day=DAY)
    assert (row["rejection"], row["rejected_as"]) == expected
    assert defect == "repeated_line" or defect in row["defects"]


def test_a_repeated_line_may_be_filtered(tmp_path: Path) -> None:
    rows = read_lines(
        log(events__defects={"repeated_line": "filter"}), tmp_path, said(item="a"), said(), said(item="a")
    )
    assert [row["rejection"] for row in rows] == [None, None, "repeated_line"]


def test_what_is_bought_and_brought_back(tmp_path: Path) -> None:
    lines = [
        said(what="buy", n="2", price="1.5"),
        said(what="back", n="-2", price="1.5"),
        said(price="1.5"),
        said(n="2"),
    ]
    rows = read_lines(log(), tmp_path, *lines)
    told = [(row["event_type"], row["quantity"], row["amount"], row["currency"]) for row in rows]
    assert told == [
        ("purchase", 2, 3, "GBP"),
        ("return", -2, -3, "GBP"),
        ("view", None, None, "GBP"),
        ("view", 2, None, None),
    ]
    (back,) = read_lines(log(events__returns="positive"), tmp_path, said(what="back", n="2", price="1.5"))
    assert (back["rejection"], back["amount"]) == (None, 3)


def test_the_amount_of_a_line_has_the_sign_of_its_quantity(tmp_path: Path) -> None:
    source = log(events__unit_price=None, events__amount="price")
    lines = [("buy", "2", "3"), ("back", "-2", "3"), ("back", "-2", "-3"), ("buy", "2", "-3"), ("look", None, "3")]
    rows = read_lines(source, tmp_path, *(said(what=what, n=n, price=price) for what, n, price in lines))
    assert [row["amount"] for row in rows] == [3, -3, -3, -3, None]
    assert [row["unit_price"] for row in rows] == [None] * 5
    assert [row["rejection"] for row in rows] == [None, None, None, "price_not_positive", None]


def test_units_of_a_purchase_that_says_none(tmp_path: Path) -> None:
    source = log(events__default_quantity=Decimal("2"))
    lines = [said(what=what, price="1.5", n=n) for what in ("buy", "back", "look") for n in (None, "x")]
    rows = read_lines(source, tmp_path, *lines)
    assert [row["quantity"] for row in rows] == [2, None, -2, None, None, None]
    assert [row["amount"] for row in rows] == [3, None, -3, None, None, None]
    (back,) = read_lines(log(events__default_quantity=2, events__returns="positive"), tmp_path, lines[2])
    assert (back["quantity"], back["rejection"]) == (2, None)


def test_purchases_without_a_price_have_no_money(tmp_path: Path) -> None:
    source = log(events__unit_price=None, events__defects={"price_invalid": "accept"}, currency=None)
    (row,) = read_lines(source, tmp_path, said(what="buy", n="1"))
    assert [row[name] for name in ("rejection", "unit_price", "amount", "currency")] == [None] * 4


def test_the_currency_of_a_line_and_that_of_the_source(tmp_path: Path) -> None:
    source = log(events__currency="item", events__item_id=None)
    rows = read_lines(source, tmp_path, *(said(price="1", item=told) for told in ("EUR", "", None, "eur", "Euro")))
    assert [(row["currency"], row["rejection"]) for row in rows] == [
        ("EUR", None),
        ("GBP", None),
        ("GBP", None),
        ("eur", "price_invalid"),
        ("Euro", "price_invalid"),
    ]


def test_rules_for_types_come_before_words(tmp_path: Path) -> None:
    rules = [
        {"type": "return", "column": "item", "starts_with": "C"},
        {"type": "cart", "column": "item", "starts_with": "CC"},
    ]
    rows = read_lines(log(events__types=rules), tmp_path, said(item="CC1"), said(item="c1"), said())
    assert [row["event_type"] for row in rows] == ["return", "view", "view"]


@pytest.mark.parametrize("format_", ["jsonl", "csv"])
def test_the_payload_holds_neither_the_person_nor_what_is_withheld(tmp_path: Path, format_: str) -> None:
    source = log(files__format=format_)
    values = {
        "ts": "2025-01-01",
        "what": "look",
        "who": "Ann",
        "item": 'a"\\\n',
        "n": "",
        "price": "1",
        "cookie": "secret",
    }
    values["item"] = 'a"\\' if format_ == "csv" else values["item"]
    as_csv = ",".join('"' + text.replace('"', '""') + '"' for text in values.values())
    (row,) = read_lines(source, tmp_path, as_csv.encode() if format_ == "csv" else json.dumps(values).encode())
    assert json.loads(row["payload"]) == {"ts": "2025-01-01", "what": "look", "item": values["item"], "price": "1"}
    assert not any(word in str(value) for value in row.values() for word in ("Ann", "secret"))


def digest(*parts: str) -> str:
    return hashlib.sha256("".join(parts).encode()).hexdigest()[:31]


def test_one_native_id_is_one_event_whatever_else_the_line_says(tmp_path: Path) -> None:
    source = log(events__event_id="item")
    rows = read_lines(
        source, tmp_path, said(item="e1"), said(item=" e1 ", what="buy", n="1", price="2"), said(item="e2")
    )
    ids = [row["event_id"] for row in rows]
    assert ids == [f"n{digest('shop|', native)}" for native in ("e1", "e1", "e2")]
    other = read_lines(log(events__event_id="item", name="till"), tmp_path, said(item="e1"))
    assert other[0]["event_id"] not in ids


def test_without_a_native_id_the_line_is_its_identity(tmp_path: Path) -> None:
    rows = read_lines(log(events__event_id="item"), tmp_path, said(), said(item=" "), said(n="1"), said(item="e1"))
    assert [row["event_id"][0] for row in rows] == ["l", "l", "l", "n"]
    assert [row["defects"] for row in rows] == [["event_id_missing", "customer_missing"]] * 3 + [["customer_missing"]]
    assert len({row["event_id"] for row in rows}) == 4


def test_equal_lines_of_a_file_are_events_of_their_own(tmp_path: Path) -> None:
    lines = [said(item="a"), said(item="b"), said(item="a"), b"{", b"{", said(item="a")]
    rows = read_lines(log(), tmp_path, *lines)
    assert len({row["event_id"] for row in rows}) == 6
    assert [str(Defect.REPEATED_LINE) in row["defects"] for row in rows] == [False, False, True, False, True, True]


def test_equal_lines_of_two_files_are_the_same_events(tmp_path: Path) -> None:
    lines = [said(item="a", cookie="c"), said(item="a", cookie="c"), said(item="b", who="Ann"), b"what"]
    one = landed(tmp_path, b"\n".join(lines), "one")
    two = landed(tmp_path, b"\r\n".join([said(item="new"), b"", *reversed(lines), b""]), "two")
    rows = read(log(), [whole(one, log()), whole(two, log())], tmp_path)
    ids = {name: {row["event_id"] for row in rows if row["file_id"] == name} for name in ("one", "two")}
    assert (len(ids["one"]), len(ids["two"])) == (4, 5)
    assert ids["one"] < ids["two"]


@pytest.mark.parametrize("change", [{"cookie": "d"}, {"who": "Ann"}, {"item": "b"}, {"n": "1"}])
def test_lines_that_differ_anywhere_are_different_events(tmp_path: Path, change: dict[str, str]) -> None:
    rows = read_lines(log(), tmp_path, said(cookie="c"), said(**{"cookie": "c", **change}))
    assert len({row["event_id"] for row in rows}) == 2


def test_people_and_items_of_a_line(tmp_path: Path) -> None:
    source = log(customers={"country": "item", "tier": "n"}, items={"item_id": "item", "unit_price": "price"})
    path = landed(tmp_path, b"\n".join([said(who="Ann", item="UK"), said(item="UK"), said(who="Ann", ts="soon"), b"{"]))
    part = Split(str(path), "log", None, path.stat().st_size, source.files.columns)
    (ann,) = read(source, [part], tmp_path, Feed.CUSTOMERS)
    assert (ann["country"], ann["tier"], ann["subject_kind"], str(ann["observed_date"])) == (
        "UK",
        None,
        "account",
        "2025-01-01",
    )
    assert [row["line_no"] for row in read(source, [part], tmp_path, Feed.ITEMS)] == [1, 2]
