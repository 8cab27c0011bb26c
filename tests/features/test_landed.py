"""Lines become rows: what is broken is flagged, and no raw id is in anything that is kept."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from affinity.core.source import SourceMapping
from affinity.io.config import load_config, load_source
from tests.features.sources import read

RAW_ID = "17850"
GOOD = "536365,85123A,WHITE HEART,6,2010-12-01 08:26:00,2.55,17850.0,France"


@pytest.fixture(scope="module")
def mapping() -> SourceMapping:
    return load_source(load_config(), "online_retail")


@pytest.fixture
def rows(mapping: SourceMapping, tmp_path: Path) -> Callable[..., list[dict[str, Any]]]:
    def make(*lines: str, key: str = "ab" * 32) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = read(mapping, tmp_path, *lines, day=None, key=key).to_pylist()
        return found

    return make


def test_a_good_line(rows) -> None:
    (row,) = rows(GOOD)
    assert (row["defects"], row["order_id"], row["item_id"]) == ([], "536365", "85123A")
    assert json.loads(row["payload"])["Description"] == "WHITE HEART"


def test_an_empty_last_column_is_no_missing_one(rows) -> None:
    (row,) = rows(GOOD.removesuffix("France"))
    assert row["defects"] == []
    assert row["subject_key"] is not None


@pytest.mark.parametrize(
    "line",
    [
        GOOD.removesuffix(",France"),
        GOOD + ",more",
        GOOD.replace("WHITE HEART", "WHITE, HEART"),
        GOOD.replace("WHITE HEART", '"WHITE HEART'),
        "17850.0",
    ],
)
def test_an_unreadable_line_shows_its_shape_and_nobody(rows, line: str) -> None:
    (row,) = rows(line)
    assert row["defects"][0] == "unparsable"
    assert (row["subject_key"], row["order_id"], row["item_id"]) == (None, None, None)
    assert row["payload"] == "".join("a" if c.isalpha() else "9" if c.isdigit() else c for c in line)
    assert RAW_ID not in str(row)


def test_an_identity_is_of_the_token_and_not_of_the_id(rows) -> None:
    def digests(key: str) -> list[str]:
        lines = (GOOD, GOOD.replace("17850.0", "13047.0"), GOOD + ",more")
        return [row["event_id"] for row in rows(*lines, key=key)]

    ours, others = digests("ab" * 32), digests("cd" * 32)
    assert not set(ours) & set(others), "without the key nobody can make the digest of a guessed line"
    assert [row["defects"] for row in rows(GOOD, GOOD.replace("17850.0", "17850"))] == [[], ["repeated_line"]]


def test_equal_lines_are_two_events(rows) -> None:
    found = rows(GOOD, GOOD)
    assert len({row["event_id"] for row in found}) == 2
    assert [row["defects"] for row in found] == [[], ["repeated_line"]]


@pytest.mark.parametrize(
    ("quantity", "defect"),
    [("5012345678900", "quantity_invalid"), ("50123456789", "amount_invalid")],
    ids=["the number itself", "times its price"],
)
def test_an_amount_beyond_all_money_is_a_defect_and_no_error(rows, quantity: str, defect: str) -> None:
    scanned = GOOD.replace(",6,", f",{quantity},").replace("2.55", "25.00")
    assert [row["defects"] for row in rows(scanned)] == [[defect]]
