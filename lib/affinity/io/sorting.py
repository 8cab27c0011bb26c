"""Lines into tables: tasks bring days together, and write events, what was not accepted, and what days add up to."""

import uuid
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark.sql import DataFrame

from affinity.core.vocabulary import Disposition
from affinity.features.cleaning import accepted_events, disposition_counts, judged, rejected_rows
from affinity.features.daily import contributions
from affinity.features.grouped import ARRIVED, GROUP, Files, Rows, Work, cut, in_blocks
from affinity.io.store import StagedFile, Store
from affinity.privacy.columns import customer_id_sql
from affinity.reading.parts import repeated_columns
from affinity.tables import ops, silver
from affinity.tables.spec import TableSpec

if TYPE_CHECKING:
    import duckdb

SORTED = (silver.EVENTS, silver.SUBJECT_DAILY, silver.QUARANTINE, ops.DISPOSITIONS)
_NAMED = ("source", "file_id", "line_no", "event_id", "event_type", "event_ts", "event_date")
_SAID = ("order_id", "item_id", "quantity", "unit_price", "amount", "currency", "defects", "disposition", "reason")
_OF_REJECTED = ("column_name", "expected", "got", "payload")
_GROUP_LINES = (10_000, 400_000)
_BATCH_ROWS = 100_000
_REPORT = {"table_name": "string", "event_date": "date", "path": "string", "n_bytes": "bigint", "n_rows": "bigint"}
_REPORTED = pa.schema(
    [
        ("table_name", pa.string()),
        ("event_date", pa.date32()),
        ("path", pa.string()),
        ("n_bytes", pa.int64()),
        ("n_rows", pa.int64()),
    ]
)


@dataclass(frozen=True)
class Judgement:
    """How lines are judged and whither they go.

    ``repeated`` are files with the lines that repeat an event, ``n_lines`` how many lines there are of which days; with
    ``file_ids`` only lines of these files are meant.
    """

    repeated: Path
    n_lines: Mapping[date, int]
    run_id: str
    zone: str
    file_ids: Collection[str] | None = None


def sorted_out(lines: Rows, judgement: Judgement, store: Store) -> dict[TableSpec, list[StagedFile]]:
    """Write the rows of ``SORTED`` that lines of bronze.events make, and tell of the files.

    One shuffle, by day: a task has some days, or, of a day of many lines, some subjects. Of ops.dispositions a key may
    come twice.
    """
    if not judgement.n_lines:
        return {spec: [] for spec in SORTED}
    places = {spec.full_name: Destination.of(spec, judgement.run_id, store) for spec in SORTED}
    sorter = _Sorter(places, judgement.run_id, judgement.zone)
    told = by_days(lines, judgement, sorter, _REPORT, store.n_cores).collect()
    found: dict[TableSpec, list[StagedFile]] = {spec: [] for spec in SORTED}
    by_name = {spec.full_name: spec for spec in SORTED}
    for row in told:
        found[by_name[row["table_name"]]].append(StagedFile(*row[1:]))
    return found


def by_days(lines: Rows, judgement: Judgement, work: Work, columns: Mapping[str, str], n_cores: int) -> DataFrame:
    """Do some work where the judged lines of some days are; ``know_events`` is how it begins."""
    groups, n_groups = _groups(judgement.n_lines, n_cores)
    return in_blocks(cut(lines, _cut(lines, judgement, groups)), n_groups, work, columns)


def know_events(asked: "duckdb.DuckDBPyConnection") -> None:
    """Let ``events`` be the rows of silver.events that the lines make which have arrived."""
    asked.execute(f"CREATE TEMP VIEW events AS {accepted_events(ARRIVED)}")


def _groups(n_lines: Mapping[date, int], n_cores: int) -> tuple[str, int]:
    """Which groups the lines of a day belong to, as rows of ``event_date, first_no, n``; and how many groups."""
    least, most = _GROUP_LINES
    wanted = min(most, max(least, sum(n_lines.values()) // (2 * n_cores)))
    rows: list[str] = []
    group_no, n_in_group = 0, 0
    for day, n in sorted(n_lines.items()):
        if n_in_group and n_in_group + n > wanted:
            group_no, n_in_group = group_no + 1, 0
        n_parts = max(1, n // most)
        rows.append(f"(DATE '{day}', {group_no}, {n_parts})")
        group_no, n_in_group = group_no + n_parts - 1, n_in_group + n // n_parts
    return f"(VALUES {', '.join(rows)}) AS groups(event_date, first_no, n)", group_no + 1


def _cut(lines: Rows, judgement: Judgement, groups: str) -> str:
    is_rejected = f"disposition <> '{Disposition.ACCEPTED}'"
    of_rejected = (f"CASE WHEN {is_rejected} THEN {name} END AS {name}" for name in _OF_REJECTED)
    part = "(hash(coalesce(subject_key, event_id)) % n::UBIGINT)::INTEGER"  # % of an INTEGER is slow
    group = f"CASE WHEN n = 1 THEN first_no ELSE first_no + {part} END"
    subject_id, subjects = customer_id_sql("subject_key"), ""
    if isinstance(lines, Files):  # they can be read twice: a digest of each subject instead of one of each line
        keys = f"SELECT DISTINCT subject_key FROM {ARRIVED}"
        subjects = f"LEFT JOIN (SELECT subject_key, {subject_id} AS made FROM ({keys})) USING (subject_key)"
        subject_id = "made"
    return f"""
        SELECT {", ".join((*_NAMED, f"{subject_id} AS subject_id", *_SAID, *of_rejected))}, {group} AS {GROUP}
        FROM ({judged(judgement.repeated, file_ids=judgement.file_ids)}) JOIN {groups} USING (event_date) {subjects}"""


@dataclass(frozen=True)
class Destination:
    """Where tasks write the rows of a table, and as what; a folder of this try alone."""

    folder: Path
    schema: pa.Schema
    is_by_day: bool

    @staticmethod
    def of(spec: TableSpec, run_id: str, store: Store) -> "Destination":
        """The place of a table, in which no file is yet."""
        folder = store.folder_of(spec, run_id) / uuid.uuid4().hex
        names = [name for name in spec.column_names if name not in spec.partition_by]
        schema = store.part_schema(spec)
        return Destination(folder, pa.schema([schema.field(name) for name in names]), bool(spec.partition_by))

    def write(self, batches: Iterator[pa.RecordBatch]) -> Iterator[StagedFile]:
        """Write rows as one file, or, by day as they come, as one of each."""
        writer: _Writer | None = None
        for day, rows in _by_day(batches) if self.is_by_day else ((None, batch) for batch in batches):
            if writer is not None and writer.day != day:
                yield writer.closed()
                writer = None
            writer = writer or _Writer(self, day)
            writer.add(rows)
        if writer is not None:
            yield writer.closed()


def _by_day(batches: Iterator[pa.RecordBatch]) -> Iterator[tuple[date, pa.RecordBatch]]:
    for batch in batches:
        runs, start = pc.run_end_encode(batch["event_date"]), 0
        for day, end in zip(runs.values.to_pylist(), runs.run_ends.to_pylist(), strict=True):
            yield day, batch.slice(start, end - start)
            start = end


class _Writer:
    """One new file; a second try of a task writes another."""

    def __init__(self, place: Destination, day: date | None) -> None:
        self.day, self._schema, self._n_rows = day, place.schema, 0
        folder = place.folder / f"event_date={day}" if day else place.folder
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"part-{uuid.uuid4().hex}.parquet"
        named = repeated_columns(self._schema)
        self._writer = pq.ParquetWriter(self._path, self._schema, compression="snappy", use_dictionary=named)

    def add(self, rows: pa.RecordBatch) -> None:
        self._writer.write_table(pa.Table.from_batches([rows]).select(self._schema.names).cast(self._schema))
        self._n_rows += len(rows)

    def closed(self) -> StagedFile:
        self._writer.close()
        return StagedFile(self.day, str(self._path), self._path.stat().st_size, self._n_rows)


@dataclass(frozen=True)
class _Sorter:
    """What a task does with the lines of its days."""

    places: Mapping[str, Destination]
    run_id: str
    zone: str

    def __call__(self, asked: "duckdb.DuckDBPyConnection") -> Iterator[pa.RecordBatch]:
        know_events(asked)
        days = contributions("events", self.zone)
        statements = {
            silver.QUARANTINE: rejected_rows(ARRIVED),
            ops.DISPOSITIONS: disposition_counts(ARRIVED),
            silver.EVENTS: _ordered("events", silver.EVENTS),
            silver.SUBJECT_DAILY: _ordered(f"({days})", silver.SUBJECT_DAILY),
        }
        for spec, rows in statements.items():
            stamped = asked.sql(f"SELECT *, '{self.run_id}' AS run_id FROM ({rows})")
            written = [
                {"table_name": spec.full_name, **vars(file)}
                for file in self.places[spec.full_name].write(stamped.to_arrow_reader(_BATCH_ROWS))
            ]
            yield pa.RecordBatch.from_pylist(written, _REPORTED)


def _ordered(rows: str, spec: TableSpec) -> str:
    """Rows by day and, within it, as the table wants them."""
    return f"SELECT * FROM {rows} ORDER BY {', '.join((*spec.partition_by, *spec.sorted_by))}"
