"""Delta tables: made from specifications, read at pinned versions, changed in single commits."""

import json
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import takewhile
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
from deltalake import CommitProperties
from deltalake import DeltaTable as DeltaTableFile
from deltalake.transaction import AddAction, RemoveAction
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from affinity.core.errors import AuditFailed, BadInput
from affinity.features.cleaning import UNREADABLE_DATE
from affinity.features.grouped import Files
from affinity.io.intact import check_intact
from affinity.io.ops import commits, current_version, layout, table_properties, to_json
from affinity.io.root import Root
from affinity.io.session import setting
from affinity.reading.parts import Part
from affinity.reading.spelling import quoted
from affinity.tables import ddl
from affinity.tables.spec import Column, TableSpec, WriteMode

_RESTORE = "RESTORE"
_CHECKS_ROWS = "spark.databricks.delta.replaceWhere.constraintCheck.enabled"


@dataclass(frozen=True)
class StagedFile:
    """A file that a task wrote; ``event_date`` where its rows are those of one day."""

    event_date: date | None
    path: str
    n_bytes: int
    n_rows: int


class Store:
    """The tables below one root, through one session."""

    def __init__(self, spark: SparkSession, root: Root) -> None:
        self._spark = spark
        self._root = root
        self._staged: dict[TableSpec, Sequence[StagedFile]] = {}

    @property
    def n_cores(self) -> int:
        """How many tasks run at once."""
        return int(self._spark.sparkContext.defaultParallelism)

    def read(self, spec: TableSpec, version: int | None) -> DataFrame:
        """The rows of a version; an empty frame of the table where nothing was released yet.

        Raises:
            Infrastructure: the version is not all there; Spark would read what is left of some damaged logs.
        """
        if version is None:
            return self._spark.createDataFrame([], ddl.frame_schema(spec))
        check_intact(self._root, spec, version)
        path = str(self._root.table(spec))
        rows = self._spark.read.format("delta").option("versionAsOf", version).load(path)
        # A version of before a column was added: the column was null then.
        added = {c.name: F.lit(None).cast(c.type) for c in spec.columns if c.nullable and c.name not in rows.columns}
        return rows.withColumns(added).select(*spec.column_names) if added else rows

    def ensure(self, spec: TableSpec) -> None:
        """Make the table if it is missing; bring an older one up to date where columns were only added.

        Raises:
            BadInput: the table was written by another specification whose difference is not an addition.
        """
        if current_version(self._root, spec) is None:
            self._spark.sql(ddl.create_table(spec, str(self._root.table(spec))))
            return
        found = table_properties(self._root, spec).get(ddl.SPEC_VERSION)
        if found != str(spec.version):
            self._migrate(spec, found)

    def _migrate(self, spec: TableSpec, found: str | None) -> None:
        written = layout(self._root, spec)
        wanted = {column.name: column for column in spec.columns}
        added = [column for column in spec.columns if column.name not in written.types]
        both = [name for name in wanted if name in written.types]
        retyped = sorted(name for name in both if written.types[name] != wanted[name].type)
        required = [column.name for column in added if not column.nullable]
        required += [name for name in both if name in written.nullable and not wanted[name].nullable]
        faults = {
            "removed columns": sorted(set(written.types) - set(wanted)),
            "changed types": retyped,
            "newly required columns": required,
            "changed partitions": [] if written.partition_by == spec.partition_by else list(written.partition_by),
        }
        if any(faults.values()) or int(found or 0) > spec.version:
            told = ", ".join(f"{what} {names}" for what, names in faults.items() if names)
            raise BadInput(
                f"Table {spec.full_name} was written by specification version {found}, this release has version "
                f"{spec.version}: {told or 'an older one'}. By themselves only new nullable columns are added, columns "
                f"made nullable and checks changed: run migration "
                f"{spec.layer}_{spec.name}_v{found}_to_v{spec.version} first, or the release that wrote it."
            )
        loosened = [name for name in both if name not in written.nullable and wanted[name].nullable]
        self._alter(spec, _changes(spec, added, loosened, written.constraints))

    def _alter(self, spec: TableSpec, changes: Sequence[str]) -> None:
        for change in [*changes, f"SET TBLPROPERTIES ('{ddl.SPEC_VERSION}' = '{spec.version}')"]:
            self._spark.sql(f"ALTER TABLE delta.`{self._root.table(spec)}` {change}")

    def stage(self, frame: DataFrame, spec: TableSpec, run_id: str) -> DataFrame:
        """Write a run's rows of a table, once; what is audited and published is exactly this."""
        path = self._root.staging(run_id, spec)
        conform(frame, spec).write.mode("overwrite").parquet(str(path))
        return self._spark.read.schema(ddl.frame_schema(spec)).parquet(str(path))

    def staged_files(self, files: Sequence[StagedFile], spec: TableSpec) -> DataFrame:
        """Rows that tasks wrote as files below ``folder_of``; those of days that are partitions stay where they are."""
        self._staged[spec] = files
        reader = self._spark.read.schema(ddl.frame_schema(spec))
        if not files:
            return self._spark.createDataFrame([], ddl.frame_schema(spec))
        paths = [file.path for file in files]
        base = Path(paths[0]).parents[1 if spec.partition_by else 0]
        return reader.option("basePath", str(base)).parquet(*paths).select(*spec.column_names)

    def folder_of(self, spec: TableSpec, run_id: str) -> Path:
        """Where tasks write rows of a table; no reader sees them before they are committed."""
        if spec.partition_by:
            return Path(self.parts_folder(spec, run_id))
        return self._root.staging(run_id, spec).absolute()

    def files(self, spec: TableSpec, version: int, days: Collection[date | None] | None = None) -> Files:
        """The files of a version, for tasks to read; only those that may have rows of these days, by their slices.

        None among the days is a row without one.

        Raises:
            Infrastructure: the version is not all there.
        """
        check_intact(self._root, spec, version)
        home = self._root.table(spec).absolute()
        found = pa.table(DeltaTableFile(str(home), version=version).get_add_actions(flatten=True)).to_pylist()
        meant = [file for file in found if days is None or _may_have(file, spec, days)]
        paths = [str(home / unquote(file["path"])) for file in meant]
        return Files(self._spark, paths, {column.name: column.type for column in spec.columns})

    def part_schema(self, spec: TableSpec) -> pa.Schema:
        """The Arrow schema of a table's files."""
        return pa.schema(DeltaTableFile(str(self._root.table(spec))).schema().to_arrow())

    def parts_folder(self, spec: TableSpec, run_id: str) -> str:
        """Where tasks write files of a table; no reader sees them before they are committed."""
        return str(self._root.table(spec).absolute() / run_id)

    def staged_at(self, spec: TableSpec, run_id: str) -> Path:
        """Where rows lie that a run has written and not committed."""
        parts = Path(self.parts_folder(spec, run_id))
        return parts if parts.is_dir() else self._root.staging(run_id, spec)

    def read_parts(self, spec: TableSpec, parts: Sequence[Part]) -> DataFrame:
        """The rows of files that are not committed yet."""
        reader = self._spark.read.schema(ddl.frame_schema(spec))
        return reader.parquet(*[part.path for part in parts]) if parts else self.read(spec, None)

    def commit_parts(self, spec: TableSpec, parts: Sequence[Part], run_id: str) -> int:
        """Make files that tasks wrote part of the table, in one commit that carries the run id; return its version."""
        table = DeltaTableFile(str(self._root.table(spec)))
        if parts:
            at, home = int(time.time() * 1000), self._root.table(spec).absolute()
            added: list[AddAction | RemoveAction] = [
                AddAction(
                    str(Path(part.path).relative_to(home)), part.n_bytes, {}, at, data_change=True, stats=part.stats
                )
                for part in parts
            ]
            properties = CommitProperties(custom_metadata={"userMetadata": to_json({"run_id": run_id})})
            table.create_write_transaction(added, "append", table.schema(), commit_properties=properties)
        return self.proven_version(spec, run_id) if parts else self.version(spec)

    def roll_back_unreleased(self, spec: TableSpec, released: int | None, run_id: str) -> bool:
        """Undo commits that no release points to, left by a run that died; say whether ``run_id`` made the newest.

        The released version is the truth: what came after it is either completed by the same run, or taken back. What
        was taken back once is history: a restoration names itself in its commit, and nothing before it is looked at.
        One that somebody made to another version is taken back too: what it took away would be missing from all that
        is written on top of it.

        Raises:
            Infrastructure: the released version is not all there.
        """
        if released is not None:
            check_intact(self._root, spec, released)
        newer = commits(self._root, spec, after=released)
        standing = list(takewhile(lambda commit: commit["operation"] != _RESTORE, newer))
        is_elsewhere = released is not None and _is_elsewhere(newer[len(standing) :], released)
        theirs = [commit for commit in standing if commit["run_id"]]
        if theirs and theirs[0]["run_id"] == run_id and not is_elsewhere:
            return True
        if theirs or is_elsewhere:
            target = theirs[-1]["version"] - 1 if released is None else released
            self._spark.sql(f"RESTORE TABLE delta.`{self._root.table(spec)}` TO VERSION AS OF {target}")
        return False

    def publish(
        self,
        staged: DataFrame,
        spec: TableSpec,
        run_id: str,
        slices: Sequence[date],
        *,
        replaced: Sequence[str] = (),
    ) -> int:
        """Make staged rows part of the table in one commit that carries the run id, and return its version.

        ``slices`` are the days or the ``as_of_date`` whose rows they replace; rows of others are added. Of a table by
        file the rows of ``slices`` go that are of files ``replaced``, of one by day beside all rows of ``slices`` those
        of ``replaced`` that have no readable day.
        """
        metadata, before = to_json({"run_id": run_id}), self.version(spec)
        if _is_by_day(spec):
            self._commit_days(spec, metadata, slices)
        elif (going := _going(spec, slices, replaced)) or not staged.isEmpty():
            writer = staged.write.format("delta").option("userMetadata", metadata)
            writer = writer.mode("overwrite").option("replaceWhere", going) if going else writer.mode("append")
            with setting(self._spark, _CHECKS_ROWS, str(spec.mode is WriteMode.REPLACE_SLICE).lower()):
                writer.save(str(self._root.table(spec)))
        if self.version(spec) == before and staged.isEmpty():
            return before  # no row to write and none to replace: no commit is made of it
        return self.proven_version(spec, run_id)

    def _commit_days(self, spec: TableSpec, metadata: str, days: Sequence[date]) -> None:
        """Make staged files part of the table, in place of the files of ``days``."""
        home, at = self._root.table(spec).absolute(), int(time.time() * 1000)
        (by,) = spec.partition_by
        added: list[AddAction | RemoveAction] = [
            AddAction(
                str(Path(file.path).relative_to(home)),
                file.n_bytes,
                {by: str(file.event_date)},
                at,
                data_change=True,
                stats=json.dumps({"numRecords": file.n_rows}),
            )
            for file in self._staged[spec]
        ]
        if not added and not days:
            return
        table = DeltaTableFile(str(home))
        table.create_write_transaction(
            added,
            "overwrite" if days else "append",
            table.schema(),
            partition_by=list(spec.partition_by),
            partition_filters=[(by, "in", [str(day) for day in days])] if days else None,
            commit_properties=CommitProperties(custom_metadata={"userMetadata": metadata}),
        )

    def version(self, spec: TableSpec) -> int:
        """The newest version, released or not."""
        version = current_version(self._root, spec)
        if version is None:
            raise BadInput(f"Table {spec.full_name} does not exist below {self._root.path}.")
        return version

    def proven_version(self, spec: TableSpec, run_id: str) -> int:
        """The version that the run committed, read back from the log: a zero exit alone proves nothing."""
        for commit in commits(self._root, spec):
            if commit["run_id"] == run_id:
                return int(commit["version"])
        raise AuditFailed(
            f"Table {spec.full_name} has no commit of run {run_id} after publication; nothing was released."
        )


def _may_have(file: Mapping[str, Any], spec: TableSpec, days: Collection[date | None]) -> bool:
    """Whether a file may have rows of these days, as far as its log tells."""
    kinds = ("partition", "partition") if spec.partition_by else ("min", "max")
    lowest, highest = (file.get(f"{kind}.{spec.slice_column}") for kind in kinds)
    n_undated = file.get(f"null_count.{spec.slice_column}")
    if n_undated is None and lowest is None:
        return True
    if n_undated and None in days:
        return True
    return any(day is not None and lowest <= day <= highest for day in days if lowest and highest)


def _is_by_day(spec: TableSpec) -> bool:
    return spec.mode is WriteMode.REPLACE_DAYS and bool(spec.partition_by)


def _going(spec: TableSpec, slices: Sequence[date], replaced: Sequence[str]) -> str | None:
    """Which rows of a table make room for those of a run, as SQL; None where all stay."""
    days = ", ".join(f"DATE '{day}'" for day in slices)
    of_days = f"{spec.slice_column} IN ({days})" if slices else None
    of_files = f"file_id IN ({', '.join(map(quoted, replaced))})" if replaced else None
    match spec.mode:
        case WriteMode.REPLACE_SLICE:
            return of_days
        case WriteMode.REPLACE_FILES:
            return f"{of_days} AND {of_files}" if of_days and of_files else None
        case WriteMode.REPLACE_DAYS:
            undated = f"{spec.slice_column} = DATE '{UNREADABLE_DATE}' AND {of_files}" if of_files else None
            return " OR ".join(f"({rows})" for rows in (of_days, undated) if rows) or None
        case WriteMode.APPEND_FILES:
            return None
        case WriteMode.UPSERT | WriteMode.APPEND_LOG:
            raise NotImplementedError(f"{spec.full_name} is written by io.ops")


def _is_elsewhere(restored: Sequence[Mapping[str, Any]], released: int) -> bool:
    """Whether the newest restoration led to another version than the released one."""
    return bool(restored) and str(restored[0]["operationParameters"].get("version")) != str(released)


def _changes(spec: TableSpec, added: Sequence[Column], loosened: Sequence[str], checks: Mapping[str, str]) -> list[str]:
    """What an ALTER TABLE has to say to bring a table to its specification; existing rows must satisfy new checks."""
    wanted = ddl.constraints(spec)
    columns = ", ".join(ddl.column_definition(column) for column in added)
    return [
        *([f"ADD COLUMNS ({columns})"] if added else []),
        *(f"ALTER COLUMN {name} DROP NOT NULL" for name in loosened),
        *(f"DROP CONSTRAINT {name}" for name, check in checks.items() if wanted.get(name) != check),
        *(f"ADD CONSTRAINT {name} CHECK ({check})" for name, check in wanted.items() if checks.get(name) != check),
    ]


def conform(frame: DataFrame, spec: TableSpec) -> DataFrame:
    """``frame`` with the columns of the table in order; nothing is cast.

    Raises:
        BadInput: columns are missing, unknown or of another type; all of them named.
    """
    types = {field.name: field.dataType.simpleString() for field in frame.schema.fields}
    wanted = {column.name: column.type for column in spec.columns}
    faults = [f"missing {name} {kind}" for name, kind in wanted.items() if name not in types]
    faults += [f"unknown {name} {kind}" for name, kind in types.items() if name not in wanted]
    faults += [
        f"{name}: expected {kind}, got {types[name]}" for name, kind in wanted.items() if types.get(name, kind) != kind
    ]
    if faults:
        raise BadInput(f"Rows do not fit table {spec.full_name}: {'; '.join(faults)}.")
    return frame.select(*spec.column_names)
