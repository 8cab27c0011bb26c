"""The content of landed files through Spark: what can be read of it, how it is split, its rows."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from affinity.core.errors import BadInput
from affinity.core.source import SourceMapping
from affinity.core.vocabulary import Feed
from affinity.io.landing import LandedFile, said_date
from affinity.reading.blocks import BLOCK_BYTES, PARQUET_ROWS, Unreadable
from affinity.reading.counting import Counted, counted
from affinity.reading.kernel import Reader, schema
from affinity.reading.layouts import OwnLayout, own_layout
from affinity.reading.parts import Part, write
from affinity.reading.splits import Split, dumped, loaded, n_tasks, packed_evenly, split

_SHOWN = 5


def layouts(files: Sequence[LandedFile], mapping: SourceMapping) -> dict[str, OwnLayout]:
    """What each file says of its layout, by file_id; a fault says why it is refused."""
    found = {file.file_id: own_layout(file.path, mapping) for file in files}
    for file in files:
        if fault := _date_fault(file, mapping):
            found[file.file_id] = replace(found[file.file_id], fault=fault)
    return found


def _date_fault(file: LandedFile, mapping: SourceMapping) -> str | None:
    if file.file_date is not None:
        return None
    if said := said_date(Path(file.name), mapping):
        return f"its name says {said!r} for a date (expected YYYY-MM-DD or YYYYMMDD)"
    if not mapping.is_dated_by_name:
        return None
    return f"its name has no date, which is the time of what it says (expected {mapping.files.date_pattern})"


def refusal(faults: Mapping[str, str], mapping: SourceMapping) -> BadInput:
    """The error where no file can be read: file name → fault."""
    told = [f"{name}: {fault}" for name, fault in sorted(faults.items())]
    more = f"; and {len(told) - _SHOWN} more files" if len(told) > _SHOWN else ""
    return BadInput(
        f"Files of source {mapping.name!r} are not as its mapping says: {'; '.join(told[:_SHOWN])}{more}. "
        f"Nothing was read. Mend the files, or `files` of conf/sources/{mapping.name}.toml if the source has changed; "
        f"`affinity source check FILE --source {mapping.name}` shows what it makes of one."
    )


@dataclass(frozen=True)
class Batch:
    """Files that are read together: their splits, apart by whether a split has all lines of its file in one block."""

    whole: Sequence[Split]
    in_parts: Sequence[Split]
    n_lines: Mapping[str, int]
    faults: Mapping[str, str]


def batch(
    spark: SparkSession,
    files: Sequence[LandedFile],
    found: Mapping[str, OwnLayout],
    mapping: SourceMapping,
    feed: Feed,
) -> Batch:
    """Split the files, and count the lines of those that are packed, split or of Parquet before anything is parsed.

    ``n_lines`` has the lines that say something of the files that were counted; ``faults`` are files that cannot be
    read to their end or should not be.
    """
    splits = {file.file_id: _splits(file, found[file.file_id], mapping) for file in files}
    is_counted = feed is not Feed.EVENTS or mapping.files.format == "parquet"
    unsure = [p for parts in splits.values() for p in parts if is_counted or p.is_packed or not p.is_whole]
    counts = _counted(spark, unsure, mapping) if unsure else []
    faults = {count.file_id: count.fault for count in counts if count.fault}
    has_header = mapping.files.format == "csv" and mapping.files.header
    n_lines: dict[str, int] = {}
    for count in counts:
        n_lines[count.file_id] = n_lines.get(count.file_id, 0) + count.n_told
    n_lines = {file_id: max(0, n - has_header) for file_id, n in n_lines.items()}
    by_file: dict[str, list[Counted]] = {}
    for count in counts:
        by_file.setdefault(count.file_id, []).append(count)
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


def _splits(file: LandedFile, own: OwnLayout, mapping: SourceMapping) -> list[Split]:
    if not file.n_bytes:  # an empty file says nothing, in every format: it takes back what was under its name
        return []
    whole = Split(str(file.path.absolute()), file.file_id, file.file_date, file.n_bytes, own.columns)
    return [whole] if mapping.files.format == "parquet" else split(whole)


def _counted(spark: SparkSession, splits: Sequence[Split], mapping: SourceMapping) -> list[Counted]:
    tasks = _tasks(spark, splits)
    is_parquet = mapping.files.format == "parquet"

    def count(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        found = [counted(part, is_parquet=is_parquet) for part in _arrived(batches)]
        yield pa.RecordBatch.from_pylist([vars(one) for one in found], _COUNTED)

    fields = "file_id string, start bigint, n_lines bigint, n_told bigint, n_bytes bigint, fault string"
    return [Counted(**row.asDict()) for row in tasks.mapInArrow(count, fields).collect()]


_COUNTED = pa.schema(
    [
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

    parts: Sequence[Part]
    n_told: Mapping[str, int]
    faults: Mapping[str, str]


_REPORT = "part string, told string, faults string"


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
            reader = self.reader(numbers_lines=numbers_lines)
            for table in reader.read(list(_arrived(batches))):
                yield from table.to_batches(_BATCH_ROWS)

        made = _tasks(spark, splits).mapInArrow(read, schema(self.feed))
        return made.withColumn("source", F.lit(self.mapping.name))

    def written(self, spark: SparkSession, splits: Sequence[Split], place: Place) -> Written:
        """Write the rows of the splits as files of a table, each task its own, and tell of them."""

        def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            reader = self.reader()
            stamps = {"source": self.mapping.name, "run_id": place.run_id, "reading": 1}
            tables = (_stamped(table, stamps) for table in reader.read(list(_arrived(batches))))
            try:
                yield _report(write(tables, place.folder, place.schema), reader.told)
            except Unreadable as unreadable:
                yield _report(None, {}, {reader.reading: str(unreadable)})

        return _collected(_tasks(spark, splits).mapInArrow(read, _REPORT))


def written(rows: DataFrame, place: Place) -> Written:
    """Write rows that Spark made as files of a table, each task its own, and tell of them."""

    def sink(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield _report(write((pa.Table.from_batches([batch]) for batch in batches), place.folder, place.schema), {})

    return _collected(rows.mapInArrow(sink, _REPORT))


_BATCH_ROWS = 20_000


def _tasks(spark: SparkSession, splits: Sequence[Split]) -> DataFrame:
    """One row per task: its splits as JSON."""
    tasks = packed_evenly(splits, n_tasks(splits, spark.sparkContext.defaultParallelism))
    rows = spark.sparkContext.parallelize([(dumped(mine),) for mine in tasks], max(1, len(tasks)))
    return spark.createDataFrame(rows, "splits string")


def _arrived(batches: Iterator[pa.RecordBatch]) -> Iterator[Split]:
    return (part for batch in batches for text in batch.column(0).to_pylist() for part in loaded(text))


def _stamped(table: pa.Table, stamps: Mapping[str, object]) -> pa.Table:
    for name, value in stamps.items():
        table = table.append_column(name, pa.repeat(pa.scalar(value), len(table)))
    return table


def _report(part: Part | None, told: Mapping[str, int], faults: Mapping[str, str] | None = None) -> pa.RecordBatch:
    values = {
        "part": [part.dumped() if part else None],
        "told": [json.dumps(told)],
        "faults": [json.dumps(faults or {})],
    }
    return pa.RecordBatch.from_pydict({name: pa.array(value, pa.string()) for name, value in values.items()})


def _collected(reports: DataFrame) -> Written:
    parts: list[Part] = []
    told, faults = Counter[str](), dict[str, str]()
    for row in reports.collect():
        parts += [Part.loaded(row["part"])] if row["part"] else []
        told.update(json.loads(row["told"]))
        faults |= json.loads(row["faults"])
    return Written(parts, told, faults)
