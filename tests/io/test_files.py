"""Files of every format become lines: packed or not, of several layouts, and none with other rows than it states."""

import gzip
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from affinity.core.errors import BadInput
from affinity.core.source import SourceMapping
from affinity.io.files import check_files, read_lines, stated_rows
from affinity.io.landing import LandedFile, landed_files
from tests.features.sources import mapping

CATALOGUE = ["item", "price", "seen", "card"]


def logs(**files: Any) -> SourceMapping:
    feed = {"event_ts": "ts", "event_ts_format": "iso8601", "default_type": "view"}
    return mapping(files={"columns": ["ts", "item"], "pattern": "*", **files}, events=feed)


def catalogue() -> SourceMapping:
    files = {"format": "parquet", "pattern": "*.parquet", "columns": CATALOGUE, "optional_columns": ["card"]}
    return mapping(files=files, currency="GBP", items={"item_id": "item", "unit_price": "price"})


def parquet(folder: Path, name: str, rows: Sequence[Mapping[str, Any]], **types: pa.DataType) -> LandedFile:
    """A landed file of rows; types are told where Arrow would guess others."""
    table = pa.Table.from_pylist([dict(row) for row in rows])
    for column, kind in types.items():
        table = table.set_column(table.column_names.index(column), column, table[column].cast(kind))
    pq.write_table(table, folder / name)
    return landed(folder, name)


def landed(folder: Path, name: str) -> LandedFile:
    return LandedFile(folder / name, name, name, (folder / name).stat().st_size, date(2025, 10, 6))


def told(spark: SparkSession, files: Sequence[LandedFile], source: SourceMapping) -> list[tuple[str, Any]]:
    rows = read_lines(spark, files, source).collect()
    return sorted((row["file_id"], row["line"]) for row in rows)


def test_packed_files_are_read_as_they_would_be_unpacked(spark: SparkSession, tmp_path: Path) -> None:
    text = '{"item": "tea"}\n{"item": "cup"}\n'
    (tmp_path / "2025-10-06.jsonl").write_text(text)
    (tmp_path / "2025-10-06.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    with pa.CompressedOutputStream(str(tmp_path / "2025-10-06.jsonl.zst"), "zstd") as file:
        file.write(text.encode())
    files = [landed(tmp_path, f"2025-10-06.jsonl{packed}") for packed in ("", ".gz", ".zst")]

    check_files(files, logs())

    lines = ['{"item": "cup"}', '{"item": "tea"}']
    assert told(spark, files, logs()) == [(file.name, line) for file in files for line in lines]


def test_many_small_files_are_few_tasks(spark: SparkSession, tmp_path: Path) -> None:
    for number in range(60):
        (tmp_path / f"2025-10-06-{number}.jsonl").write_text('{"item": "tea"}\n')
    files = landed_files(tmp_path, logs())
    read = read_lines(spark, files, logs())
    assert read.rdd.getNumPartitions() <= spark.sparkContext.defaultParallelism
    assert read.count() == 60


def test_the_header_of_a_packed_csv_is_checked(tmp_path: Path) -> None:
    (tmp_path / "good.csv.gz").write_bytes(gzip.compress(b"\xef\xbb\xbfts,item\r\n"))
    (tmp_path / "bad.csv.gz").write_bytes(gzip.compress(b"ts,sku\n"))
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(b"ts,item\n")[:5])
    good, bad, cut = (landed(tmp_path, f"{name}.csv.gz") for name in ("good", "bad", "cut"))
    check_files([good], logs(format="csv"))
    with pytest.raises(BadInput, match=r"bad.csv.gz: missing \['item'\], not expected \['sku'\].*cut.csv.gz: .*unpack"):
        check_files([good, bad, cut], logs(format="csv"))


def test_a_row_of_parquet_is_the_line_that_says_the_same(spark: SparkSession, tmp_path: Path) -> None:
    at = datetime(2025, 10, 6, 7, 0, 0, 250, tzinfo=UTC)
    row = {"item": "tea", "price": Decimal("2.50"), "seen": at, "stock": 7, "card": "77"}
    with_card = parquet(tmp_path, "a.parquet", [row], seen=pa.timestamp("us", tz="UTC"))
    later = {"item": 'a "b"\nc', "price": 3, "seen": datetime(2025, 10, 6, 7)}  # noqa: DTZ001  a time without a zone
    without = parquet(
        tmp_path, "b.parquet", [later, {"item": None, "price": None, "seen": None}], seen=pa.timestamp("us")
    )

    check_files([with_card, without], catalogue())

    assert [(name, json.loads(line)) for name, line in told(spark, [with_card, without], catalogue())] == [
        ("a.parquet", {"item": "tea", "price": "2.50", "seen": "2025-10-06T07:00:00.000250Z", "card": "77"}),
        ("b.parquet", {"item": 'a "b"\nc', "price": "3", "seen": "2025-10-06T07:00:00.000000"}),
        ("b.parquet", {}),
    ]
    assert stated_rows([with_card, without], catalogue()) == {with_card: 1, without: 2}


def test_a_parquet_file_that_lacks_what_it_must_have_is_refused_by_name(tmp_path: Path) -> None:
    lacking = parquet(tmp_path, "a.parquet", [{"item": "tea", "seen": 1}])
    nanos = parquet(tmp_path, "b.parquet", [{"item": "tea", "price": 1, "seen": 1}], seen=pa.timestamp("ns"))
    (tmp_path / "c.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-9])
    with pytest.raises(BadInput) as refused:
        check_files([lacking, nanos, landed(tmp_path, "c.parquet")], catalogue())
    for words in (
        "a.parquet: missing ['price'] (expected ['item', 'price', 'seen', 'card'], got ['item', 'seen'])",
        "b.parquet: nanoseconds in ['seen']",
        "c.parquet: it is no whole Parquet file",
    ):
        assert words in str(refused.value)


def test_a_snapshot_needs_a_date_in_its_name_and_is_another_file_on_another_day(tmp_path: Path) -> None:
    for name in ("2025-10-06.parquet", "2025-10-07.parquet", "newest.parquet"):
        parquet(tmp_path, name, [{"item": "tea", "price": 1, "seen": None}])
    files = landed_files(tmp_path, catalogue())
    assert len({file.file_id for file in files}) == 3
    with pytest.raises(BadInput, match=r"newest.parquet: its name has no date"):
        check_files(files, catalogue())
