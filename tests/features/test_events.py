"""Lines of many spellings become typed events with one identity each, and flags for what is wrong."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from affinity.core.source import SourceMapping
from affinity.features.cleaning import rejected_rows
from tests.features.days import answered
from tests.features.judging import accepted, judgements
from tests.features.sources import by, clicks, mapping, read

Row = dict[str, Any]
Typed = Callable[..., list[Row]]
Framed = Callable[..., DataFrame]
ByPlace = Callable[..., dict[int, str]]
GOOD = {"id": "e1", "ts": "2025-10-06T07:00:00Z", "what": "look", "who": "ann", "item": "tea"}


def line(**given: Any) -> str:
    """A click; None takes a key out."""
    return json.dumps({key: value for key, value in (GOOD | given).items() if value is not None})


@pytest.fixture
def typed(tmp_path: Path) -> Typed:
    """The rows that the reader makes of lines."""

    def make(*lines: str, source: SourceMapping | None = None, **more: Any) -> list[Row]:
        rows: list[Row] = read(source or clicks(), tmp_path, *lines, **more).to_pylist()
        return rows

    return make


@pytest.fixture
def framed(spark: SparkSession, tmp_path: Path) -> Framed:
    """The same rows in Spark."""

    def make(*lines: str, **more: Any) -> DataFrame:
        return spark.createDataFrame(read(clicks(), tmp_path, *lines, **more))

    return make


def test_a_good_line_of_json(typed: Typed) -> None:
    (row,) = typed(line(extra="ignored", cookie="k77"))
    assert (row["event_type"], row["item_id"], row["order_id"], row["defects"]) == ("view", "tea", None, [])
    assert (row["quantity"], row["unit_price"], row["currency"]) == (None, None, None)
    assert row["event_ts"].astimezone(UTC) == datetime(2025, 10, 6, 7, tzinfo=UTC)
    assert json.loads(row["payload"]) == {key: GOOD[key] for key in ("id", "ts", "what", "item")}
    assert "ann" not in str(row)
    assert "k77" not in str(row)


@pytest.mark.parametrize(
    "bad",
    [
        line()[:-5],
        f"[{line()}]",
        '"text"',
        "null",
        line() + line(id="e2"),
        line() + ", " + line(id="e2"),
        line() + " and more",
        "{'id': 'e1'}",
    ],
)
def test_what_is_no_object_or_cut_is_unparsable(typed: Typed, bad: str) -> None:
    (row,) = typed(bad)
    assert row["defects"][0] == "unparsable"
    assert "ann" not in str(row)


def test_an_object_without_any_known_key_is_read_and_empty(typed: Typed) -> None:
    (row,) = typed('{"other": 1}')
    assert row["defects"] == ["event_ts_invalid", "event_type_unknown", "event_id_missing", "customer_missing"]


def test_a_line_without_its_id_is_known_by_all_it_says_also_by_what_is_withheld(typed: Typed) -> None:
    lines = [line(id=None, cookie=cookie) for cookie in ("k1", "k2", None, "k1")]
    rows = typed(*lines)
    assert len({row["event_id"] for row in rows}) == 3
    assert all(row["defects"] == ["event_id_missing"] for row in rows)


def test_a_native_id_is_the_identity_whatever_else_the_line_says(typed: Typed) -> None:
    rows = typed(line(), line(item="cup"), line(), line(id="e2"), line(id=None), line(id=" "))
    assert len({row["event_id"] for row in rows}) == 4
    assert [row["line_no"] for row in rows] == [1, 2, 3, 4, 5, 6]


def test_of_one_id_one_row_is_accepted_and_a_bad_one_takes_nobodys_place(framed: Framed, tmp_path: Path) -> None:
    lines = framed(line(), line(), line(item="cup"), line(ts="never"), line(id="e2", ts="never"))
    rows = judgements(lines, tmp_path)
    (kept,) = accepted(rows).to_pylist()
    assert kept["item_id"] == "tea"  # the first line of the file
    rejected = answered(rejected_rows("rows"), rows=rows).to_pylist()
    assert Counter((row["disposition"], row["reason"]) for row in rejected) == {
        ("duplicate", "same_event_id"): 2,
        ("quarantined", "event_ts_invalid"): 2,
    }


def test_words_tell_the_type_and_an_unknown_one_is_none(typed: Typed) -> None:
    rows = typed(line(id="1"), line(id="2", what="Look"), line(id="3", what=None), line(id="4", what=" look "))
    found = by([row | {"id": json.loads(row["payload"])["id"]} for row in rows], "id", "event_type", "defects")
    assert found == {
        "1": ("view", []),
        "2": (None, ["event_type_unknown"]),
        "3": (None, ["event_type_unknown"]),
        "4": ("view", []),
    }


@pytest.mark.parametrize(
    ("given", "defects"),
    [
        ({"what": "look", "n": None, "price": ""}, []),
        ({"what": "look", "n": "many", "price": "dear"}, ["quantity_invalid", "price_invalid"]),
        ({"what": "look", "n": "0"}, ["quantity_invalid"]),
        ({"what": "look", "price": "0"}, []),
        ({"what": "buy", "n": "1", "price": "2.50"}, []),
        ({"what": "buy", "n": None, "price": None}, ["quantity_invalid", "price_invalid"]),
        ({"what": "buy", "n": "1", "price": "0"}, ["price_not_positive"]),
        ({"what": "buy", "n": "1", "price": "9.99e15"}, ["price_invalid"]),
        ({"what": "buy", "n": "-1", "price": "2"}, ["stock_correction"]),
        ({"what": "back", "n": "-1", "price": "2"}, ["cancellation"]),
        ({"what": "back", "n": "1", "price": "2"}, ["quantity_invalid", "cancellation"]),
    ],
)
def test_quantity_and_price_are_needed_where_there_is_money(typed: Typed, given: Any, defects: list[str]) -> None:
    (row,) = typed(line(**given))
    assert row["defects"] == defects


def test_returns_may_be_positive(typed: Typed) -> None:
    lines = [line(id=n, what="back", n=n, price="2") for n in ("1", "-1")]
    rows = typed(*lines, source=clicks(returns="positive"))
    assert by(rows, "quantity", "defects") == {
        Decimal(1): ["cancellation"],
        Decimal(-1): ["quantity_invalid", "cancellation"],
    }


def test_money_has_the_currency_of_the_line_or_else_of_the_source(typed: Typed) -> None:
    lines = [line(what="buy", n="1", price="2", item=c or None) for c in ("EUR", "", "pounds")]
    rows = typed(*lines, line(item="USD", what="look"), source=clicks(currency="item"))
    assert by(rows, "item_id", "currency", "defects") == {
        "EUR": ("EUR", []),
        None: ("GBP", []),
        "pounds": ("pounds", ["price_invalid"]),
        "USD": (None, []),
    }


# The file is of 2025-10-06; one day ahead and three days late are allowed. 1759734000 is 2025-10-06 07:00 UTC.
@pytest.mark.parametrize(
    ("spelling", "said", "event_date", "defects"),
    [
        ("iso8601", "2025-10-07T22:59:59Z", date(2025, 10, 7), []),
        ("iso8601", "2025-10-07T23:00:00Z", date(2025, 10, 8), ["event_ts_future"]),
        ("iso8601", "2025-10-02T23:00:00Z", date(2025, 10, 3), []),
        ("iso8601", "2025-10-02T22:59:59Z", date(2025, 10, 2), ["event_ts_late"]),
        ("iso8601", "07:00:00", None, ["event_ts_invalid"]),
        ("epoch_seconds", "1759734000", date(2025, 10, 6), []),
        ("epoch_seconds", "1759734000000", None, ["event_ts_future"]),
        ("epoch_seconds", "9" * 30, None, ["event_ts_future"]),
        ("epoch_seconds", "9" * 60, None, ["event_ts_invalid"]),
        ("epoch_seconds", "-1", None, ["event_ts_late"]),
        ("epoch_seconds", "0", None, ["event_ts_late"]),
        ("epoch_seconds", "-" + "9" * 20, None, ["event_ts_late"]),
        ("epoch_millis", "1759734000000", date(2025, 10, 6), []),
        ("epoch_millis", "soon", None, ["event_ts_invalid"]),
        ("%d/%m/%Y %H:%M", "06/10/2025 08:00", date(2025, 10, 6), []),
    ],
)
def test_times_are_held_against_the_date_of_the_file(
    typed: Typed, spelling: str, said: str, event_date: date | None, defects: list[str]
) -> None:
    (row,) = typed(line(ts=said), source=clicks(event_ts_format=spelling, max_late_days=3))
    assert (row["event_date"], row["defects"]) == (event_date, defects)
    assert (row["event_ts"] is None) == (event_date is None)


@pytest.mark.parametrize(
    ("said", "defects"), [("1759734000000", ["event_ts_invalid"]), ("0", ["event_ts_invalid"]), ("1900000000", [])]
)
def test_a_file_without_a_date_judges_no_time_but_what_nobody_can_read(
    typed: Typed, said: str, defects: list[str]
) -> None:
    (row,) = typed(line(ts=said), source=clicks(event_ts_format="epoch_seconds", max_late_days=3), day=None)
    assert row["defects"] == defects


def test_times_without_a_zone_are_those_of_the_source(typed: Typed) -> None:
    tills = clicks().model_copy(update={"time_zone": "Europe/London"})
    rows = typed(line(item="a", ts="2025-10-06T08:00:00"), line(item="b", ts="2025-10-06 08:00:00+02:00"), source=tills)
    found = {item: ts.astimezone(UTC).hour for item, ts in by(rows, "item_id", "event_ts").items()}
    assert found == {"a": 7, "b": 6}


def test_a_source_that_names_nobody_misses_nobody(typed: Typed) -> None:
    feed = {"event_ts": "ts", "event_ts_format": "iso8601", "default_type": "view"}
    (row,) = typed(line(), source=mapping(files={"columns": ["ts", "item"]}, events=feed))
    assert (row["subject_kind"], row["subject_key"], row["defects"]) == (None, None, [])


@pytest.fixture
def by_place(tmp_path: Path) -> ByPlace:
    """Line → what becomes of it."""

    def find(lines: DataFrame, rivals: DataFrame | None = None) -> dict[int, str]:
        return by(judgements(lines, tmp_path, rivals).to_pylist(), "line_no", "disposition")

    return find


def test_of_one_id_on_days_near_each_other_the_line_of_the_first_file_counts(framed: Framed, by_place: ByPlace) -> None:
    lines = framed(line(), line(id="e2"), line(id="e3"))
    earlier = framed(line(item="cup", ts="2025-10-05T07:00:00Z"), day=date(2025, 10, 5))
    later = framed(line(id="e2", item="cup", ts="2025-10-07T07:00:00Z"), day=date(2025, 10, 7))
    assert by_place(lines, earlier.unionByName(later)) == {1: "duplicate", 2: "accepted", 3: "accepted"}


@pytest.mark.parametrize(("day", "what"), [(13, "duplicate"), (14, "accepted")])
def test_an_id_that_comes_after_more_than_a_week_is_another_event(
    framed: Framed, by_place: ByPlace, day: int, what: str
) -> None:
    lines = framed(line(ts=f"2025-10-{day}T07:00:00Z"), day=date(2025, 10, day))
    assert by_place(lines, framed(line())) == {1: what}


def test_a_file_without_a_date_comes_after_those_that_have_one(framed: Framed, by_place: ByPlace) -> None:
    assert by_place(framed(line(), day=None), framed(line(), day=date(2025, 10, 7))) == {1: "duplicate"}
    assert by_place(framed(line(), day=date(2025, 10, 7)), framed(line(), day=None)) == {1: "accepted"}


def test_a_chain_of_days_is_judged_pair_by_pair(framed: Framed, tmp_path: Path) -> None:
    days = (1, 6, 11, 30)
    files = [framed(line(ts=f"2025-10-{day:02}T07:00:00Z"), day=date(2025, 10, day)) for day in days]
    named = [file.withColumn("file_id", F.lit(f"f{number}")) for number, file in enumerate(files)]
    chain = reduce(DataFrame.unionByName, named)
    rows = judgements(chain, tmp_path).to_pylist()
    assert {row["file_date"].day: row["disposition"] for row in rows} == {
        1: "accepted",
        6: "duplicate",
        11: "duplicate",
        30: "accepted",
    }
