"""Tables by file: what a file said is added, and goes with it."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from affinity.tables import bronze, ddl, silver
from affinity.tables.spec import TableSpec
from tests.bench.shop_runs import root_in

DAY = date(2026, 1, 1)
Row = dict[str, Any]


def item(name: str, file_id: str) -> Row:
    said = {"source": "till", "item_id": name, "observed_date": DAY, "file_id": file_id, "run_id": file_id}
    at = {"observed_ts": datetime(2026, 1, 1, 9, tzinfo=UTC), "is_recommendable": True}
    return dict.fromkeys(silver.ITEMS.column_names) | said | at


BATCHES: list[tuple[list[Row], Sequence[str]]] = [
    ([item("cup", "f1"), item("tea", "f1")], ()),
    ([item("cup", "f2")], ()),
    ([], ()),
    ([item("cup", "f3"), item("pot", "f3")], ("f1", "f9")),
    ([], ("f3",)),
    ([], ("f3",)),
]


def test_rows_come_and_go_with_their_file(spark: SparkSession, tmp_path: Path) -> None:
    kept = root_in(tmp_path, "root", spark).store
    kept.ensure(silver.ITEMS)
    found, versions = [], []
    for number, (rows, replaced) in enumerate(BATCHES):
        frame = spark.createDataFrame(rows, ddl.frame_schema(silver.ITEMS))
        staged = kept.stage(frame, silver.ITEMS, f"run-{number}")
        versions.append(kept.publish(staged, silver.ITEMS, f"run-{number}", [DAY], replaced=replaced))
        there = kept.read(silver.ITEMS, versions[-1]).collect()
        found.append(sorted((row.item_id, row.file_id) for row in there))
    assert found == [
        [("cup", "f1"), ("tea", "f1")],
        [("cup", "f1"), ("cup", "f2"), ("tea", "f1")],
        [("cup", "f1"), ("cup", "f2"), ("tea", "f1")],
        [("cup", "f2"), ("cup", "f3"), ("pot", "f3")],
        [("cup", "f2")],
        [("cup", "f2")],
    ]
    assert versions[1] == versions[2]


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ([DAY], {"f1"}),
        ([date(2026, 1, 2)], {"f2"}),
        ([None], {"none"}),
        ([DAY, None], {"f1", "none"}),
        ([date(2027, 1, 1)], set()),
        (None, {"f1", "f2", "none"}),
    ],
)
def test_tasks_open_the_files_alone_that_may_have_rows_of_the_days(
    spark: SparkSession, tmp_path: Path, days: list[date | None] | None, expected: set[str]
) -> None:
    spec: TableSpec = bronze.EVENTS
    kept = root_in(tmp_path, "root", spark).store
    kept.ensure(spec)
    said = dict.fromkeys(spec.column_names) | {"source": "till", "line_no": 1, "reading": 1, "event_id": "e"}
    for file_id, day in (("f1", DAY), ("f2", date(2026, 1, 2)), ("none", None)):
        row = {**said, "file_id": file_id, "file_date": day, "run_id": file_id, "defects": []}
        frame = spark.createDataFrame([row], ddl.frame_schema(spec)).coalesce(1)
        version = kept.publish(frame, spec, file_id, [])
    paths = kept.files(spec, version, days).paths
    assert {row.file_id for path in paths for row in spark.read.parquet(path).collect()} == expected
