"""Public logs by the mappings that ship; the numbers were counted with Python's own csv reader and by eye."""

from collections import Counter
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from affinity.core.vocabulary import Feed
from affinity.reading.splits import Split
from tests.reading.logs import read, shipped, whole

pytestmark = pytest.mark.needs_data
ACCEPTED = None


@pytest.mark.parametrize(
    ("name", "file", "reasons", "types", "n_people"),
    [
        (
            "completejourney_transactions",
            "completejourney-sample/transactions_sample.csv",
            {ACCEPTED: 74_584, "quantity_invalid": 416},
            {"purchase": 75_000},
            2_377,
        ),
        (
            "rees46",
            "rees46-sample/2019-Oct.head.csv",
            {ACCEPTED: 17_434, "unparsable": 1},  # the last line is cut
            {"view": 17_055, "purchase": 214, "cart": 165, None: 1},
            4_504,
        ),
        (
            "taobao",
            "taobao-userbehavior-sample/UserBehavior.head.csv",
            {ACCEPTED: 4_320, "event_ts_outside": 1},
            {"view": 3_926 + 128, "cart": 190, "purchase": 77},
            43,
        ),
        (
            "yoochoose",
            "yoochoose-100k/yoochoose-clicks-100k_train_full.txt",
            {ACCEPTED: 70_278},
            {"view": 70_278},
            17_794,
        ),
        ("yoochoose", "yoochoose-100k/yoochoose-clicks-100k_test.txt", {ACCEPTED: 13_568}, {"view": 13_568}, 3_416),
        ("sar_demo", "sar-demo-usage/demoUsage.csv", {ACCEPTED: 11_838}, {"view": 11_838}, 2_343),
        (
            "online_retail",
            "online_retail/2010-12-01.csv",
            {ACCEPTED: 3_098, "price_not_positive": 10},
            {"purchase": 3_082, "return": 26},
            98,
        ),
    ],
)
def test_every_line_is_accepted_or_has_its_reason(
    data_folder: Path,
    tmp_path: Path,
    name: str,
    file: str,
    reasons: dict[str | None, int],
    types: dict[str | None, int],
    n_people: int,
) -> None:
    source = shipped(name)
    rows = read(source, [whole(data_folder / file, source)], tmp_path)
    assert Counter(row["rejection"] for row in rows) == reasons
    assert Counter(row["event_type"] for row in rows) == types
    assert len({row["subject_key"] for row in rows} - {None}) == n_people
    assert len({row["event_id"] for row in rows}) == len(rows)


def test_the_row_that_is_cut_is_told_by_its_line(data_folder: Path, tmp_path: Path) -> None:
    source = shipped("rees46")
    rows = read(source, [whole(data_folder / "rees46-sample/2019-Oct.head.csv", source)], tmp_path)
    (cut,) = (row for row in rows if row["rejection"])
    assert (cut["line_no"], cut["got"]) == (17_436, "8 fields")
    assert cut["payload"].startswith("9999-99-99 99:99:99 aaa,aaaa,99999999,")
    assert sum(row["amount"] for row in rows if row["event_type"] == "purchase") == Decimal("59442.63")
    assert not any("user_session" in row["payload"] for row in rows)


def test_totals_of_lines_are_amounts(data_folder: Path, tmp_path: Path) -> None:
    source = shipped("completejourney_transactions")
    path = data_folder / "completejourney-sample/transactions_sample.csv"
    rows = [row for row in read(source, [whole(path, source)], tmp_path) if row["rejection"] is None]
    assert sum(row["amount"] for row in rows) == Decimal("233935.24")
    assert sum("price_not_positive" in row["defects"] for row in rows) == 113  # given away
    assert {row["currency"] for row in rows} == {"USD"}


@pytest.mark.parametrize(
    ("name", "file", "feed", "n_rows", "n_hidden"),
    [
        ("rees46", "rees46-sample/2019-Oct.head.csv", Feed.ITEMS, 17_434, 0),
        ("completejourney_products", "completejourney-sample/products.csv", Feed.ITEMS, 92_331, 670),
        ("completejourney_demographics", "completejourney-sample/demographics.csv", Feed.CUSTOMERS, 801, 0),
    ],
)
def test_what_is_sold_and_who_buys(
    data_folder: Path, tmp_path: Path, name: str, file: str, feed: Feed, n_rows: int, n_hidden: int
) -> None:
    source = shipped(name)
    rows = read(source, [whole(data_folder / file, source, day=date(2017, 1, 1))], tmp_path, feed)
    assert len(rows) == n_rows
    assert sum(not row.get("is_recommendable", True) for row in rows) == n_hidden


def test_a_log_cut_anywhere_is_the_same_log(data_folder: Path, tmp_path: Path) -> None:
    source = shipped("sar_demo")
    path = data_folder / "sar-demo-usage/demoUsage.csv"
    one = whole(path, source)
    cuts = [0, 1, 99_999, 100_000, 400_001, one.n_bytes]
    starts = [path.read_bytes()[: cut - 1].count(b"\n") + 2 if cut > 1 else 1 + cut for cut in cuts[:-1]]
    parts = [
        Split(one.path, one.file_id, None, end - start, one.columns, start, end, first_line)
        for start, end, first_line in zip(cuts[:-1], cuts[1:], starts, strict=True)
    ]
    told = ("line_no", "event_ts", "subject_key", "item_id", "payload")
    assert [[row[name] for name in told] for row in read(source, parts, tmp_path)] == [
        [row[name] for name in told] for row in read(source, [one], tmp_path)
    ]
