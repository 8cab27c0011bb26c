"""The small tables of ops, read and written without a JVM."""

import json
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Field, Schema, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.schema import PrimitiveType
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from affinity.core.errors import LeaseHeld
from affinity.io.intact import check_log, damaged, named
from affinity.io.leases import leases
from affinity.io.root import Root
from affinity.tables import ops
from affinity.tables.ddl import CONSTRAINT, HISTORY
from affinity.tables.spec import TableSpec

_PRIMITIVES = {
    "string": ("string", pa.string()),
    "bigint": ("long", pa.int64()),
    "int": ("integer", pa.int32()),
    "double": ("double", pa.float64()),
    "boolean": ("boolean", pa.bool_()),
    "date": ("date", pa.date32()),
    "timestamp": ("timestamp", pa.timestamp("us", tz="UTC")),
}
_SQL_TYPES = {"long": "bigint", "integer": "int"}
_LARGE_BYTES = 128 * 2**20
_FRAGMENTS = 4
_COMMITS_OF_A_FILE = 16
_COMPACTION_SECS = 60
_UPKEEP_CLEANS = {"delta.enableExpiredLogCleanup": "false"}
"""Two appends that removed the same old commits would each find some gone, and fail after the rows were there."""
_again = retry(
    retry=retry_if_exception_type(CommitFailedError),
    stop=stop_after_attempt(8),
    wait=wait_random_exponential(0.05, 2),
    reraise=True,
)
Row = dict[str, Any]
logger = logging.getLogger("affinity")


def now() -> datetime:
    """The present, UTC: only ``io`` reads the clock."""
    return datetime.now(UTC)


def to_json(value: object) -> str:
    """One spelling for one value: sorted keys, no blanks."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)


def arrow_schema(spec: TableSpec) -> pa.Schema:
    """The Arrow schema of an ops table."""
    return pa.schema([pa.field(c.name, _PRIMITIVES[c.type][1], nullable=c.nullable) for c in spec.columns])


class OpsStore:
    """Appends, upserts and reads of the ops tables below one root."""

    def __init__(self, root: Root) -> None:
        self._root = root

    def read(self, spec: TableSpec, version: int | None = None, *, where: Mapping[str, str] | None = None) -> list[Row]:
        """The rows that hold ``where``, of a version where one is given; none where the table was never written.

        Raises:
            Infrastructure: the table is damaged, or gone though a version of it was given.
        """
        path = self._root.table(spec)
        check_log(self._root, spec)
        try:
            with named(self._root, spec, version):
                wanted = [(name, "=", value) for name, value in where.items()] if where else None
                found = DeltaTable(str(path), version=version).to_pyarrow_table(filters=wanted)
        except TableNotFoundError:
            if version is not None:
                raise damaged(spec, f"version {version} was released, and {path} holds no table") from None
            return []
        nothing = [None] * found.num_rows  # written before a column was added: null
        columns = dict.fromkeys(spec.column_names, nothing) | {n: found[n].to_pylist() for n in found.column_names}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def append(self, spec: TableSpec, rows: Sequence[Row]) -> None:
        """Add rows in one commit; appends of several processes never exclude each other.

        Now and then what came in small files is put into one: else each night would read more files than the last.
        """
        if rows:
            with named(self._root, spec):
                version = self._appended(spec, rows)
            if version % _COMMITS_OF_A_FILE == 0:
                self._compacted_in_passing(spec)

    @_again
    def _appended(self, spec: TableSpec, rows: Sequence[Row]) -> int:
        table = self._create(spec)
        # A log gains columns as its specification does; rows of before hold null.
        write_deltalake(table, self._batch(spec, rows), mode="append", schema_mode="merge")
        return int(table.version())

    def _compacted_in_passing(self, spec: TableSpec) -> None:
        """Compact a log unless somebody else is at it; what was appended stands, whatever becomes of this."""
        if self._root.lease != "file":  # nobody vouches that the others do not
            return
        try:
            with leases(self._root, [spec]):
                DeltaTable(str(self._root.table(spec))).optimize.compact()
        except (LeaseHeld, DeltaError, OSError, pa.ArrowException) as error:
            logger.info("%s was not compacted: %s", spec.full_name, type(error).__name__)

    def upsert(self, spec: TableSpec, rows: Sequence[Row], run_id: str) -> int:
        """Insert rows or replace those with the same key in one commit that carries the run id; return its version."""
        table = self._create(spec)
        on = " AND ".join(f"t.{name} = s.{name}" for name in spec.key)
        properties = CommitProperties(custom_metadata={"userMetadata": to_json({"run_id": run_id})})
        merge = table.merge(
            self._batch(spec, rows),
            predicate=on,
            source_alias="s",
            target_alias="t",
            merge_schema=True,
            commit_properties=properties,
        )
        merge.when_matched_update_all().when_not_matched_insert_all().execute()
        return int(table.version())

    def roll_back_unreleased(self, spec: TableSpec, released: int | None) -> None:
        """Take back what a run that died wrote after the released version."""
        version = current_version(self._root, spec)
        target = released if released is not None else 0
        if version is not None and version > target:
            DeltaTable(str(self._root.table(spec))).restore(target)

    @_again
    def compact(self, spec: TableSpec) -> int:
        """Turn the many small files of a log into few, remove those that a week has not needed, and commits that are
        older than a month; return the version.

        Delta would let two do so at once, and each row would be there twice: whoever does holds the lease of the log.
        """
        appended = [] if spec is ops.FILES else [spec]  # the manifest is not appended to, and its run holds its lease
        with leases(self._root, appended, wait_secs=_COMPACTION_SECS):
            table = self._create(spec)
            if is_fragmented(self._root, spec):
                table.optimize.compact()
            table.vacuum(dry_run=False, full=True)  # else not what a checkpoint no longer tells of
            table.create_checkpoint()
            table.cleanup_metadata()
            return int(table.version())

    def _create(self, spec: TableSpec) -> DeltaTable:
        uri = str(self._root.table(spec))
        if not DeltaTable.is_deltatable(uri):
            fields = [
                Field(
                    c.name, PrimitiveType(_PRIMITIVES[c.type][0]), nullable=c.nullable, metadata={"comment": c.comment}
                )
                for c in spec.columns
            ]
            properties = {"affinity.spec_version": str(spec.version), **HISTORY, **_UPKEEP_CLEANS}
            DeltaTable.create(
                uri,
                Schema(fields),
                mode="ignore",
                name=spec.name,
                description=spec.doc,
                configuration=properties,
                raise_if_key_not_exists=False,
            )
        return DeltaTable(uri)

    @staticmethod
    def _batch(spec: TableSpec, rows: Sequence[Row]) -> pa.Table:
        return pa.Table.from_pylist([dict(row) for row in rows], schema=arrow_schema(spec))


def commits(root: Root, spec: TableSpec, after: int | None = None) -> list[Mapping[str, Any]]:
    """The commits of a table after a version, newest first, each with ``version`` and our ``run_id`` where it has one.

    Without a version these are all that the log still tells of: a month of them.
    """
    try:
        with named(root, spec):
            table = DeltaTable(str(root.table(spec)))
            n_newer = None if after is None else table.version() - after
            history = [] if n_newer == 0 else table.history(n_newer)
    except TableNotFoundError:
        return []
    return [{**commit, "run_id": _run_id(commit.get("userMetadata"))} for commit in history]


def current_version(root: Root, spec: TableSpec) -> int | None:
    """The newest Delta version of a table; null where it does not exist."""
    uri = str(root.table(spec))
    with named(root, spec):
        return DeltaTable(uri).version() if DeltaTable.is_deltatable(uri) else None


def table_properties(root: Root, spec: TableSpec) -> dict[str, str | None]:
    """The properties a table was made with."""
    return dict(DeltaTable(str(root.table(spec))).metadata().configuration)


@dataclass(frozen=True)
class Layout:
    """What a table was made as: SQL types by column, which columns may be null, partitions, constraints by name."""

    types: Mapping[str, str]
    nullable: frozenset[str]
    partition_by: tuple[str, ...]
    constraints: Mapping[str, str]


def layout(root: Root, spec: TableSpec) -> Layout:
    """How a table lies on disk."""
    table = DeltaTable(str(root.table(spec)))
    metadata, fields = table.metadata(), table.schema().fields
    checks = {
        key.removeprefix(CONSTRAINT): str(value)
        for key, value in metadata.configuration.items()
        if key.startswith(CONSTRAINT)
    }
    return Layout(
        {field.name: _sql_type(field.type) for field in fields},
        frozenset(field.name for field in fields if field.nullable),
        tuple(metadata.partition_columns),
        checks,
    )


def _sql_type(delta_type: Any) -> str:
    if delta_type.type == "array":
        return f"array<{_sql_type(delta_type.element_type)}>"
    return _SQL_TYPES.get(delta_type.type, str(delta_type.type))


def is_fragmented(root: Root, spec: TableSpec) -> bool:
    """Whether some partition of the current version lies in several files that could be one."""
    actions = DeltaTable(str(root.table(spec))).get_add_actions(flatten=True)
    columns = [actions[f"partition.{name}"].to_pylist() for name in spec.partition_by]
    partitions = list(zip(*columns, strict=True)) if columns else [()] * actions.num_rows
    sizes = zip(partitions, actions["size_bytes"].to_pylist(), strict=True)
    small = Counter(partition for partition, n_bytes in sizes if n_bytes < _LARGE_BYTES)
    return any(n > _FRAGMENTS for n in small.values())


def has_old_files(root: Root, spec: TableSpec) -> bool:
    """Whether there are files that no version of the last week needs."""
    return bool(DeltaTable(str(root.table(spec))).vacuum(dry_run=True, full=True))


def _run_id(metadata: str | None) -> str | None:
    if not metadata:
        return None
    value = json.loads(metadata).get("run_id")
    return str(value) if value else None


def parse_date(text: str) -> date:
    """An ISO date."""
    return date.fromisoformat(text)
