"""Rows are merged by Spark, or, into a table that is small, by one process: the tables are the same."""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from affinity.io import upsert
from affinity.tables import ddl, silver
from tests.bench.shop_runs import root_in

DAY = date(2026, 1, 1)
Row = dict[str, Any]


def item(name: str, hour: int, file_id: str, price: str = "1", day: date = DAY) -> Row:
    said = {"source": "till", "item_id": name, "observed_date": day, "file_id": file_id, "run_id": file_id}
    at = {"observed_ts": datetime(2026, 1, 1, hour, tzinfo=UTC), "is_recommendable": True}
    return dict.fromkeys(silver.ITEMS.column_names) | said | at | {"unit_price": Decimal(price), "description": "it's"}


BATCHES: list[tuple[list[Row], Sequence[str]]] = [
    ([item("cup", 8, "f1"), item("tea", 8, "f1"), item("pot", 9, "f1")], ()),
    # nothing of it is newer
    ([item("cup", 7, "f9", "9"), item("tea", 8, "f0", "9")], ()),
    # later, earlier, the same hour by a lesser and by a greater file, another day
    ([item("cup", 9, "f0", "2"), item("tea", 7, "f2", "2"), item("jug", 8, "f2")], ()),
    ([item("pot", 9, "f0", "3"), item("cup", 9, "f3", "3"), item("tea", 8, "f1", "4", date(2026, 1, 2))], ()),
    # f3 is corrected: what only it said goes, what the correction says earlier holds
    ([item("cup", 1, "f4", "5")], ("f3", "f2")),
    ([], ("f4",)),
]


@pytest.mark.parametrize("limits", [{"_FEW_BYTES": -1}, {"_FEW_ROWS": -1}, {}], ids=["many bytes", "many rows", "few"])
def test_rows_are_merged_by_key_order_and_correction(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limits: dict[str, int]
) -> None:
    for name, most in limits.items():
        monkeypatch.setattr(upsert, name, most)
    unlikely = "_merge_here" if limits else "_merge_by_spark"
    monkeypatch.setattr(upsert, unlikely, lambda *_: pytest.fail(f"{unlikely} was not to be called"))
    kept = root_in(tmp_path, "root", spark).store
    kept.ensure(silver.ITEMS)
    found = []
    for number, (rows, replaced) in enumerate(BATCHES):
        frame = spark.createDataFrame(rows, ddl.frame_schema(silver.ITEMS))
        staged = kept.stage(frame, silver.ITEMS, f"run-{number}")
        version = kept.publish(staged, silver.ITEMS, f"run-{number}", [], replaced=replaced)
        there = kept.read(silver.ITEMS, version).collect()
        found.append(sorted((r.item_id, r.observed_date.day, int(r.unit_price), r.file_id) for r in there))
    assert found == [
        [("cup", 1, 1, "f1"), ("pot", 1, 1, "f1"), ("tea", 1, 1, "f1")],
        [("cup", 1, 1, "f1"), ("pot", 1, 1, "f1"), ("tea", 1, 1, "f1")],
        [("cup", 1, 2, "f0"), ("jug", 1, 1, "f2"), ("pot", 1, 1, "f1"), ("tea", 1, 1, "f1")],
        [("cup", 1, 3, "f3"), ("jug", 1, 1, "f2"), ("pot", 1, 1, "f1"), ("tea", 1, 1, "f1"), ("tea", 2, 4, "f1")],
        [("cup", 1, 5, "f4"), ("pot", 1, 1, "f1"), ("tea", 1, 1, "f1"), ("tea", 2, 4, "f1")],
        [("pot", 1, 1, "f1"), ("tea", 1, 1, "f1"), ("tea", 2, 4, "f1")],
    ]
