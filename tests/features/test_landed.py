"""Lines become rows: what is broken is flagged, and no raw id is in anything that is kept."""

import json
from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from affinity.core.source import SourceMapping
from affinity.features.landed import events
from affinity.features.lines import parsed
from affinity.io.config import load_config, load_source

RAW_ID = "17850"
GOOD = "536365,85123A,WHITE HEART,6,2010-12-01 08:26:00,2.55,17850.0,France"


@pytest.fixture(scope="module")
def mapping() -> SourceMapping:
    return load_source(load_config(), "online_retail")


@pytest.fixture
def read(spark: SparkSession, mapping: SourceMapping, tmp_path: Path):
    def make(*lines: str, key: str = "ab" * 32) -> DataFrame:
        key_file = tmp_path / key
        key_file.write_text(key, encoding="ascii")
        frame = spark.createDataFrame(
            [("f", None, line) for line in lines], "file_id string, file_date date, line string"
        )
        rows = parsed(frame, mapping, key_file=str(key_file))
        return events(rows, mapping, business_zone="Europe/London")

    return make


def defects(frame: DataFrame) -> list[list[str]]:
    return [row["defects"] for row in frame.orderBy("line_length").collect()]


def test_a_good_line(read) -> None:
    (row,) = read(GOOD).collect()
    assert (row["defects"], row["order_id"], row["item_id"]) == ([], "536365", "85123A")
    assert json.loads(row["payload"])["Description"] == "WHITE HEART"


def test_an_empty_last_column_is_no_missing_one(read) -> None:
    (row,) = read(GOOD.removesuffix("France")).collect()
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
def test_an_unreadable_line_shows_its_shape_and_nobody(read, line: str) -> None:
    (row,) = read(line).collect()
    assert row["defects"][0] == "unparsable"
    assert (row["subject_key"], row["order_id"], row["item_id"]) == (None, None, None)
    assert row["payload"] == "".join("a" if c.isalpha() else "9" if c.isdigit() else c for c in line)
    assert RAW_ID not in str(row.asDict())


def test_a_digest_is_of_the_token_and_not_of_the_id(read) -> None:
    def digests(key: str) -> list[str]:
        lines = (GOOD, GOOD.replace("17850.0", "17850"), GOOD.replace("17850.0", "13047.0"), GOOD + ",more")
        return [row["line_digest"] for row in read(*lines, key=key).orderBy("line_length", "order_id").collect()]

    ours, others = digests("ab" * 32), digests("cd" * 32)
    assert not set(ours) & set(others), "without the key nobody can make the digest of a guessed line"
    assert len(set(ours)) == 3, "two spellings of one id are one line"


def test_equal_lines_are_two_events(read) -> None:
    rows = read(GOOD, GOOD).collect()
    assert len({row["event_id"] for row in rows}) == 2
    assert sorted(row["defects"] for row in rows) == [[], ["repeated_line"]]


def test_an_amount_beyond_all_money_is_a_defect_and_no_error(read) -> None:
    scanned = GOOD.replace(",6,", ",5012345678900,").replace("2.55", "25.00")
    assert defects(read(scanned)) == [["amount_invalid"]]
