"""The content of landed files through Spark: what can be read of it, how it is split, its rows."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from affinity.core.source import SourceMapping
from affinity.core.vocabulary import Feed
from affinity.io.deliveries import Delivery
from affinity.io.landing import LandedFile
from affinity.reading.blocks import BLOCK_BYTES, PARQUET_ROWS, Unreadable
from affinity.reading.counting import Counted, counted
from affinity.reading.kernel import Reader, schema
from affinity.reading.parts import Part, write
from affinity.reading.splits import Split, dumped, loaded, n_tasks, packed_evenly, shares, split, work_of


@dataclass(frozen=True)
class Batch:
    """Files that are read together: their splits, apart by whether a split has all lines of its file in one block."""

    whole: Sequence[Split]
    in_parts: Sequence[Split]
    n_lines: Mapping[str, int]
    faults: Mapping[str, str]


def batches(spark: SparkSession, deliveries: Sequence[Delivery], feed: Feed) -> list[Batch]:
    """Split the new files of each delivery, and count in one job the lines of those that are packed, split or of
    Parquet before anything is parsed.

    ``n_lines`` has the lines that say something of the files that were counted; ``faults`` are files that cannot be
    read to their end or should not be.
    """
    splits = [_splits(delivery) for delivery in deliveries]
    unsure = [_unsure(of_files, delivery, feed) for of_files, delivery in zip(splits, deliveries, strict=True)]
    counts = _counted(spark, unsure, [_is_parquet(delivery.mapping) for delivery in deliveries])
    return [_batch(*found) for found in zip(deliveries, splits, counts, strict=True)]


def _splits(delivery: Delivery) -> dict[str, list[Split]]:
    """The splits of each file of a delivery."""
    return {file.file_id: _splits_of(file, delivery) for file in delivery.arrivals.new}


def _splits_of(file: LandedFile, delivery: Delivery) -> list[Split]:
    if not file.n_bytes:  # an empty file says nothing, in every format: it takes back what was under its name
        return []
    columns = delivery.layouts[file.file_id].columns
    whole = Split(str(file.path.absolute()), file.file_id, file.file_date, file.n_bytes, columns)
    return [whole] if _is_parquet(delivery.mapping) else split(whole)


def _unsure(splits: Mapping[str, Sequence[Split]], delivery: Delivery, feed: Feed) -> list[Split]:
    """The splits whose lines are counted before they are read."""
    is_counted = feed is not Feed.EVENTS or _is_parquet(delivery.mapping)
    return [p for parts in splits.values() for p in parts if is_counted or p.is_packed or not p.is_whole]


def _is_parquet(mapping: SourceMapping) -> bool:
    return mapping.files.format == "parquet"


def _batch(delivery: Delivery, splits: Mapping[str, Sequence[Split]], counts: Sequence[Counted]) -> Batch:
    faults = {count.file_id: count.fault for count in counts if count.fault}
    by_file: dict[str, list[Counted]] = {}
    for count in counts:
        by_file.setdefault(count.file_id, []).append(count)
    mapping = delivery.mapping
    has_header = mapping.files.format == "csv" and mapping.files.header
    n_lines = {file_id: max(0, sum(c.n_told for c in found) - has_header) for file_id, found in by_file.items()}
    placed = {
        file_id: _numbered(parts, by_file.get(file_id, []))
        for file_id, parts in splits.items()
        if file_id not in faults
    }
    in_one_block = {
        file_id for file_id, parts in placed.items() if _is_in_one_block(parts, by_file.get(file_id, []), mapping)
    }
    whole = [p for file_id, parts in placed.items() if file_id in in_one_block for p in parts]
    in_parts = [p for file_id, parts in placed.items() if file_id not in in_one_block for p in parts]
    return Batch(whole, in_parts, n_lines, faults)


def _counted(
    spark: SparkSession, groups: Sequence[Sequence[Split]], are_parquet: Sequence[bool]
) -> list[list[Counted]]:
    found: list[list[Counted]] = [[] for _ in groups]
    if not any(groups):
        return found

    def count(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for group, parts in _arrived(batches):
            counts = [counted(part, is_parquet=are_parquet[group]) for part in parts]
            yield pa.RecordBatch.from_pylist([{"of": group, **vars(one)} for one in counts], _COUNTED)

    fields = "of bigint, file_id string, start bigint, n_lines bigint, n_told bigint, n_bytes bigint, fault string"
    for row in _tasks(spark, groups).mapInArrow(count, fields).collect():
        said = row.asDict()
        found[said.pop("of")].append(Counted(**said))
    return found


_COUNTED = pa.schema(
    [
        ("of", pa.int64()),
        ("file_id", pa.string()),
        *((n, pa.int64()) for n in ("start", "n_lines", "n_told", "n_bytes")),
        ("fault", pa.string()),
    ]
)


def _numbered(parts: Sequence[Split], counts: Sequence[Counted]) -> list[Split]:
    """The splits of a file, each with the number of its first line."""
    lines = {count.start: count.n_lines for count in counts}
    placed, first = [], 1
    for part in parts:
        placed.append(replace(part, first_line=first))
        first += lines.get(part.start, 0)
    return placed


def _is_in_one_block(parts: Sequence[Split], counts: Sequence[Counted], mapping: SourceMapping) -> bool:
    """Whether the reader sees all lines of a file at once: only then can it tell equal ones apart."""
    if len(parts) != 1:
        return not parts
    (part,) = parts
    if mapping.files.format == "parquet":
        return bool(pq.read_metadata(part.path).num_rows <= PARQUET_ROWS)
    unpacked = next((c.n_bytes for c in counts if c.file_id == part.file_id), part.n_bytes)
    return unpacked < BLOCK_BYTES


@dataclass(frozen=True)
class Place:
    """Where rows are written, and as what."""

    folder: str
    run_id: str
    schema: pa.Schema


@dataclass(frozen=True)
class Written:
    """The files that tasks wrote; lines that say something, and faults, by file_id as far as the tasks read them."""

    parts: list[Part]
    n_told: Counter[str]
    faults: dict[str, str]


_REPORT = "of bigint, part string, told string, faults string"


@dataclass(frozen=True)
class Reading:
    """How rows are made of splits: the reader's facts, which travel to the tasks, and not the key itself."""

    mapping: SourceMapping
    feed: Feed
    business_zone: str
    key_file: str
    suppressed: tuple[str, ...] = ()

    def reader(self, *, numbers_lines: bool = True) -> Reader:
        """A reader in this process."""
        return Reader(
            self.mapping,
            self.feed,
            self.business_zone,
            self.key_file,
            numbers_lines=numbers_lines,
            suppressed=self.suppressed,
        )

    def rows(self, spark: SparkSession, splits: Sequence[Split], *, numbers_lines: bool = True) -> DataFrame:
        """The rows of the splits with the columns of the feed and ``source``."""

        def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            for _, parts in _arrived(batches):
                for table in self.reader(numbers_lines=numbers_lines).read(parts):
                    yield from table.to_batches(_BATCH_ROWS)

        made = _tasks(spark, [splits]).mapInArrow(read, schema(self.feed))
        return made.withColumn("source", F.lit(self.mapping.name))


def read_into(spark: SparkSession, groups: Sequence[tuple[Reading, Sequence[Split]]], place: Place) -> list[Written]:
    """Write the rows of splits as files of a table, each task its own, and tell of them, for each reading its own."""
    readings = [reading for reading, _ in groups]

    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for group, parts in _arrived(batches):
            reading = readings[group]
            reader = reading.reader()
            stamps = {"source": reading.mapping.name, "run_id": place.run_id, "reading": 1}
            tables = (_stamped(table, stamps) for table in reader.read(parts))
            try:
                yield _report(group, write(tables, place.folder, place.schema), reader.told)
            except Unreadable as unreadable:
                yield _report(group, None, {}, {reader.reading: str(unreadable)})

    return _collected(_tasks(spark, [splits for _, splits in groups]).mapInArrow(read, _REPORT), len(groups))


def written(rows: DataFrame, place: Place) -> Written:
    """Write rows that Spark made as files of a table, each task its own, and tell of them."""

    def sink(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield _report(0, write((pa.Table.from_batches([batch]) for batch in batches), place.folder, place.schema), {})

    return _collected(rows.mapInArrow(sink, _REPORT), 1)[0]


_BATCH_ROWS = 20_000


def _tasks(spark: SparkSession, groups: Sequence[Sequence[Split]]) -> DataFrame:
    """One row per task: splits of one group as JSON, and the number of the group."""
    busy = shares([work_of(splits) for splits in groups], spark.sparkContext.defaultParallelism)
    tasks = [
        (number, dumped(mine))
        for number, splits in enumerate(groups)
        for mine in packed_evenly(splits, n_tasks(splits, busy[number]))
    ]
    return spark.createDataFrame(spark.sparkContext.parallelize(tasks, max(1, len(tasks))), "of bigint, splits string")


def _arrived(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[int, list[Split]]]:
    return ((row["of"], loaded(row["splits"])) for batch in batches for row in batch.to_pylist())


def _stamped(table: pa.Table, stamps: Mapping[str, object]) -> pa.Table:
    for name, value in stamps.items():
        table = table.append_column(name, pa.repeat(pa.scalar(value), len(table)))
    return table


def _report(
    group: int, part: Part | None, told: Mapping[str, int], faults: Mapping[str, str] | None = None
) -> pa.RecordBatch:
    said = {"part": part.dumped() if part else None, "told": json.dumps(told), "faults": json.dumps(faults or {})}
    return pa.RecordBatch.from_pylist([{"of": group, **said}], _REPORTED)


_REPORTED = pa.schema([("of", pa.int64()), *((name, pa.string()) for name in ("part", "told", "faults"))])


def _collected(reports: DataFrame, n_groups: int) -> list[Written]:
    found = [Written([], Counter[str](), {}) for _ in range(n_groups)]
    for row in reports.collect():
        of = found[row["of"]]
        of.parts.extend([Part.loaded(row["part"])] if row["part"] else [])
        of.n_told.update(json.loads(row["told"]))
        of.faults.update(json.loads(row["faults"]))
    return found
