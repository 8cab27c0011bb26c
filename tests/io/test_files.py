"""Files of every format are read: packed or not, in parts or together; and those that cannot be read are named."""

import gzip
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from affinity.core.source import SourceMapping
from affinity.core.vocabulary import Feed
from affinity.io import files as files_module
from affinity.io.deliveries import Delivery, layouts
from affinity.io.files import Batch, Reading, batches
from affinity.io.landing import Arrivals, LandedFile, changed_since, landed_files, waiting_files
from affinity.reading.splits import Split, n_tasks, packed_evenly, split
from tests.features.sources import mapping

CATALOGUE = ["item", "price", "seen", "card"]


def logs(**files: Any) -> SourceMapping:
    feed = {"event_ts": "ts", "event_ts_format": "iso8601", "item_id": "item", "default_type": "view"}
    return mapping(files={"columns": ["ts", "item"], "pattern": "*", **files}, events=feed)


def catalogue(**items: Any) -> SourceMapping:
    files = {"format": "parquet", "pattern": "*.parquet", "columns": CATALOGUE, "optional_columns": ["card"]}
    return mapping(files=files, currency="GBP", items={"item_id": "item", "unit_price": "price", **items})


def parquet(folder: Path, name: str, rows: Sequence[Mapping[str, Any]], **types: pa.DataType) -> LandedFile:
    """A landed file of rows; types are told where Arrow would guess others."""
    table = pa.Table.from_pylist([dict(row) for row in rows])
    for column, kind in types.items():
        table = table.set_column(table.column_names.index(column), column, table[column].cast(kind))
    pq.write_table(table, folder / name)
    return landed(folder, name)


def landed(folder: Path, name: str) -> LandedFile:
    facts = (folder / name).stat()
    return LandedFile(folder / name, name, name, facts.st_size, date(2025, 10, 6), facts.st_mtime_ns)


def faults(files: Sequence[LandedFile], source: SourceMapping) -> dict[str, str | None]:
    return {name: own.fault for name, own in layouts(files, source).items()}


def told(spark: SparkSession, files: Sequence[LandedFile], source: SourceMapping, folder: Path) -> list[Any]:
    """File, line and item of each row, and the faults of files that could not be read."""
    (folder / "key").write_text("ab" * 32, encoding="ascii")
    feed = Feed.EVENTS if source.events else Feed.ITEMS
    found = batch(spark, files, source, feed)
    reading = Reading(source, feed, "UTC", str(folder / "key"))
    rows = reading.rows(spark, [*found.whole, *found.in_parts]).collect()
    return [*sorted((row["file_id"], row["line_no"], row["item_id"]) for row in rows), *sorted(found.faults.items())]


def batch(spark: SparkSession, files: Sequence[LandedFile], source: SourceMapping, feed: Feed) -> Batch:
    arrived = Arrivals(tuple(files), {}, frozenset(), {})
    (found,) = batches(spark, [Delivery(source, arrived, layouts(files, source), [])], feed)
    return found


def test_packed_files_are_read_as_they_would_be_unpacked(spark: SparkSession, tmp_path: Path) -> None:
    text = '{"item": "tea"}\n\n{"item": "cup"}\n'
    (tmp_path / "a.jsonl").write_text(text)
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(text.encode()[:16]) + gzip.compress(text.encode()[16:]))
    with pa.CompressedOutputStream(str(tmp_path / "c.jsonl.zst"), "zstd") as file:
        file.write(text.encode())
    files = [landed(tmp_path, name) for name in ("a.jsonl", "b.jsonl.gz", "c.jsonl.zst")]
    expected = [(file.name, line_no, item) for file in files for line_no, item in ((1, "tea"), (3, "cup"))]
    assert told(spark, files, logs(), tmp_path) == expected


def test_files_that_cannot_be_read_to_their_end_are_named_and_the_others_go_on(
    spark: SparkSession, tmp_path: Path
) -> None:
    text = b"".join(b'{"item": "%d"}\n' % number for number in range(20_000))
    whole = gzip.compress(text)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 255
    (tmp_path / "cut.jsonl.gz").write_bytes(whole[:-100])
    (tmp_path / "flipped.jsonl.gz").write_bytes(bytes(flipped))
    (tmp_path / "bomb.jsonl.gz").write_bytes(gzip.compress(b'{"item": "x"}\n' * 6_000_000, 9))
    (tmp_path / "endless.jsonl.gz").write_bytes(gzip.compress(b"x" * 20_000_000, 1))
    (tmp_path / "good.jsonl").write_text('{"item": "tea"}\n')
    names = ("cut.jsonl.gz", "flipped.jsonl.gz", "bomb.jsonl.gz", "endless.jsonl.gz", "good.jsonl")
    files = [landed(tmp_path, name) for name in names]
    found = told(spark, files, logs(), tmp_path)
    assert found == [
        ("good.jsonl", 1, "tea"),
        ("bomb.jsonl.gz", "it comes out more than 300 times as long as it is packed"),
        ("cut.jsonl.gz", "it cannot be unpacked: it is cut, or its bytes are damaged"),
        ("endless.jsonl.gz", "it has a line of more than 16 MB"),
        ("flipped.jsonl.gz", "it cannot be unpacked: it is cut, or its bytes are damaged"),
    ]


def test_many_small_files_are_few_tasks() -> None:
    parts = [Split(f"/{number}.jsonl", str(number), None, 1000, ()) for number in range(10_000)]
    tasks = packed_evenly(parts, n_tasks(parts, 2))
    assert [len(task) for task in tasks] == [5_000, 5_000]


def test_a_large_file_is_read_in_parts_with_the_lines_of_the_whole(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files_module, "split", lambda whole: split(whole, size=1_000))
    lines = [f'{{"item": "{number % 7}", "ts": "2025-10-06"}}' for number in range(300)]
    (tmp_path / "large.jsonl").write_text("\n".join(lines))
    found = told(spark, [landed(tmp_path, "large.jsonl")], logs(), tmp_path)
    assert found == [("large.jsonl", number + 1, str(number % 7)) for number in range(300)]


def test_the_header_of_a_packed_csv_is_checked(tmp_path: Path) -> None:
    (tmp_path / "good.csv.gz").write_bytes(gzip.compress(b"\xef\xbb\xbfts,item,more\r\n"))
    (tmp_path / "bad.csv.gz").write_bytes(gzip.compress(b"ts,sku\n"))
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(b"ts,item\n")[:5])
    (tmp_path / "twice.csv.gz").write_bytes(gzip.compress(b"ts,item,Item\n"))
    (tmp_path / "wide.csv.gz").write_bytes(gzip.compress("ts,item\n".encode("utf-16")))
    files = [landed(tmp_path, f"{name}.csv.gz") for name in ("good", "bad", "cut", "twice", "wide")]
    found = faults(files, logs(format="csv"))
    assert found["good.csv.gz"] is None
    assert layouts(files[:1], logs(format="csv"))["good.csv.gz"].drift == '{"new": ["more"]}'
    assert found["bad.csv.gz"] == "missing ['item'] (expected ['ts', 'item'], got ['ts', 'sku'])"
    assert "cannot be unpacked" in str(found["cut.csv.gz"])
    assert "one name but for upper and lower case" in str(found["twice.csv.gz"])
    assert "UTF-16" in str(found["wide.csv.gz"])


def test_a_row_of_parquet_is_read_as_a_log_would_say_it(spark: SparkSession, tmp_path: Path) -> None:
    at = datetime(2025, 10, 6, 7, 0, 0, 250, tzinfo=UTC)
    row = {"item": "tea", "price": Decimal("2.50"), "seen": at, "stock": 7, "card": "77"}
    files = [
        parquet(tmp_path, "a.parquet", [row], seen=pa.timestamp("us", tz="UTC")),
        parquet(tmp_path, "b.parquet", [row | {"item": "cup", "price": 3.25}], seen=pa.timestamp("ns", tz="UTC")),
        parquet(tmp_path, "c.parquet", [{"item": 'a "b"\nc', "price": 3, "seen": datetime(2025, 10, 6, 8)}]),  # noqa: DTZ001
    ]
    (tmp_path / "key").write_text("ab" * 32, encoding="ascii")
    timed = catalogue(observed_ts="seen")
    found = batch(spark, files, timed, Feed.ITEMS)
    rows = Reading(timed, Feed.ITEMS, "UTC", str(tmp_path / "key")).rows(spark, found.whole)
    texts = rows.selectExpr("item_id", "unit_price", "string(observed_ts)").collect()
    assert sorted(map(tuple, texts)) == [
        ('a "b"\nc', Decimal(3), "2025-10-06 08:00:00"),
        ("cup", Decimal("3.25"), "2025-10-06 07:00:00.00025"),
        ("tea", Decimal("2.50"), "2025-10-06 07:00:00.00025"),
    ]
    assert found.n_lines == {"a.parquet": 1, "b.parquet": 1, "c.parquet": 1}


def test_a_parquet_file_that_lacks_what_it_must_have_is_refused_by_name(spark: SparkSession, tmp_path: Path) -> None:
    lacking = parquet(tmp_path, "a.parquet", [{"item": "tea", "seen": 1}])
    (tmp_path / "c.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-9])
    damaged = parquet(tmp_path, "d.parquet", [{"item": f"tea {n}", "price": n, "seen": 1} for n in range(5_000)])
    data = bytearray(damaged.path.read_bytes())
    data[200:400] = b"\x00" * 200
    damaged.path.write_bytes(bytes(data))
    found = faults([lacking, landed(tmp_path, "c.parquet")], catalogue())
    assert found == {
        "a.parquet": "missing ['price'] (expected ['item', 'price', 'seen', 'card'], got ['item', 'seen'])",
        "c.parquet": "it is no whole Parquet file",
    }
    assert told(spark, [damaged], catalogue(), tmp_path) == [("d.parquet", "a page of it is damaged")]


def test_a_snapshot_needs_a_date_in_its_name_and_is_another_file_on_another_day(tmp_path: Path) -> None:
    for name in ("2025-10-06.parquet", "2025-10-07.parquet", "newest.parquet"):
        parquet(tmp_path, name, [{"item": "tea", "price": 1, "seen": None}])
    files = landed_files(tmp_path, catalogue())
    assert len({file.file_id for file in files}) == 3
    assert [fault for fault in faults(files, catalogue()).values() if fault] == [
        "its name has no date, which is the time of what it says (expected (?P<date>\\d{4}-\\d{2}-\\d{2}))"
    ]


def test_a_name_that_says_no_date_where_it_should_is_refused(tmp_path: Path) -> None:
    pattern = r"log-(?P<date>[\d-]+)\.jsonl"
    names = ("log-2025-10-06.jsonl", "log-20251007.jsonl", "log-31122025.jsonl", "log-20251232.jsonl", "other.jsonl")
    for number, name in enumerate(names):
        (tmp_path / name).write_text('{"ts": "2025-10-06"}\n' * (number + 1))
    files = landed_files(tmp_path, logs(date_pattern=pattern))
    assert {file.name: str(file.file_date) for file in files if file.file_date} == {
        "log-2025-10-06.jsonl": "2025-10-06",
        "log-20251007.jsonl": "2025-10-07",
    }
    names_of = {file.file_id: file.name for file in files}
    refused = {names_of[key]: fault for key, fault in faults(files, logs(date_pattern=pattern)).items() if fault}
    assert {name: fault for name, fault in refused.items() if "for a date" in fault} == {
        name: f"its name says {said!r} for a date (expected YYYY-MM-DD or YYYYMMDD)"
        for name, said in (("log-31122025.jsonl", "31122025"), ("log-20251232.jsonl", "20251232"))
    }


def test_raw_bytes_of_parquet_are_refused(tmp_path: Path) -> None:
    rows = [{"item": b"0123456789abcdef", "price": 1, "seen": None}]
    file = parquet(tmp_path, "2025-10-06.parquet", rows, item=pa.binary(16))
    assert faults([file], catalogue()) == {
        file.file_id: "['item'] are raw bytes (expected texts, numbers, times, or Parquet's own UUID)"
    }


def test_what_is_known_by_name_size_and_time_is_not_read_again(tmp_path: Path) -> None:
    (tmp_path / "2025-10-06.jsonl").write_text("{}")
    (file,) = landed_files(tmp_path, logs())
    row = {"path": file.name, "n_bytes": file.n_bytes, "modified_ns": file.modified_ns, "file_id": "remembered"}
    assert landed_files(tmp_path, logs(), [row])[0].file_id == "remembered"
    file.path.write_text("[]")
    assert landed_files(tmp_path, logs(), [row])[0].file_id not in ("remembered", file.file_id)


def test_what_is_hidden_or_not_finished_waits_and_is_named(tmp_path: Path) -> None:
    for name in ("2025-10-06.jsonl", ".2025-10-07.jsonl", "_2025-10-08.jsonl", "2025-10-09.jsonl.tmp", "README"):
        (tmp_path / name).write_text("{}")
    found = landed_files(tmp_path, logs(pattern="*.jsonl"))
    assert [file.name for file in found] == ["2025-10-06.jsonl"]
    expected = [".2025-10-07.jsonl", "2025-10-09.jsonl.tmp", "_2025-10-08.jsonl"]
    assert waiting_files(tmp_path, [logs(pattern="*.jsonl")]) == expected


def test_a_file_that_grows_while_it_is_read_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "2025-10-06.jsonl").write_text("{}")
    files = landed_files(tmp_path, logs())
    assert changed_since(files) == []
    files[0].path.write_text("{}\n{}")
    assert changed_since(files) == ["2025-10-06.jsonl"]
