"""Asking: the released tables in DuckDB, read by delta-rs, without a JVM."""

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Any

import duckdb
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from affinity.core.errors import BadInput, Infrastructure, nearest
from affinity.io.answers import Answer
from affinity.io.intact import check_log
from affinity.io.ops import OpsStore, Row
from affinity.io.releases import Releases
from affinity.io.root import Root
from affinity.tables import ops
from affinity.tables.catalog import LOG_TABLES, OF_SUBJECTS, TABLES
from affinity.tables.spec import Column, TableSpec
from affinity.tables.views import IDENTITIES, VIEWS, type_of

LAYERS = tuple(dict.fromkeys(spec.layer for spec in TABLES))
LOGS = (
    ops.RUNS,
    ops.QUALITY_RESULTS,
    ops.RELEASES,
    ops.SUPPRESSIONS,
)  # released by nobody: a row counts once it is there
# The last two come last: from then on no file, extension or Python variable can be reached, and no setting changed.
_SETTINGS = (
    "SET TimeZone = 'UTC'",
    "SET temp_directory = ''",
    "SET python_enable_replacements = false",
    "SET enable_external_access = false",
    "SET lock_configuration = true",
)
_READING = ("SELECT", "EXPLAIN", "PRAGMA")
_MISSING_TABLE = re.compile(r"Table with name (\S+) does not exist")


def connect(root: Root, sql: str = "") -> duckdb.DuckDBPyConnection:
    """A DuckDB connection with a view ``layer.table`` of every table, and ``gold.<table>_latest``.

    Each view reads the version of the table's newest release, so all of them show one consistent state: releases of a
    run are appended in one commit, and what a run that died left behind comes after the released version, because the
    next run takes it back before it commits. ``_latest`` is the newest released slice. The logs of ops are read as
    they are now. A table that was never released is empty, with its columns.

    Where ``sql`` names tables only those are opened; it is not run. The connection reaches nothing but these views.
    """
    releases = Releases.of(OpsStore(root))
    connection = duckdb.connect(":memory:")
    for layer in LAYERS:
        connection.execute(f"CREATE SCHEMA {layer}")
    named = sorted(_named_in(sql), key=lambda spec: spec in OF_SUBJECTS)  # those come after what they look up
    for number, spec in enumerate(named, start=1):
        _add_views(connection, spec, open_table(root, spec, releases), releases)
        for view in VIEWS:
            if spec in view.over and set(view.over) <= set(named[:number]):
                connection.execute(f"CREATE VIEW {view.full_name} AS {view.statement}")
    for statement in _SETTINGS:
        connection.execute(statement)
    return connection


def query(connection: duckdb.DuckDBPyConnection, sql: str, parameters: dict[str, Any] | None = None) -> Answer:
    """Run one reading statement.

    Raises:
        BadInput: the SQL has a fault (the nearest table is named), is no single statement, or would write.
        Infrastructure: files could not be read, or memory did not suffice.
    """
    try:
        _check_reading(connection, sql)
        connection.execute(sql, parameters) if parameters else connection.execute(sql)
    except duckdb.Error as error:
        raise _told(error) from None
    columns = tuple(str(column[0]) for column in connection.description or ())
    return Answer(columns, _rows(connection))


def ask(root: Root, sql: str, parameters: dict[str, Any] | None = None) -> list[Row]:
    """Rows of one query over the released tables of a root."""
    with closing(connect(root, sql)) as connection:
        return query(connection, sql, parameters).records()


def tables(root: Root) -> list[Row]:
    """What there is: per table name, grain, rows, slices, newest slice, released version and when it was released.

    Of a view, which has no rows of its own, the name and the grain.
    """
    log = OpsStore(root).read(ops.RELEASES)
    releases = Releases(log)
    released: dict[str, Any] = {}
    for row in log:
        released[row["table_name"]] = max(row["released_ts"], released.get(row["table_name"], row["released_ts"]))
    described = [
        _described(spec, open_table(root, spec, releases), releases, released.get(spec.full_name)) for spec in TABLES
    ]
    unknown = dict.fromkeys(described[0])
    return described + [{**unknown, "name": view.full_name, "grain": view.doc} for view in VIEWS]


def runs(root: Root, limit: int = 20) -> list[Row]:
    """The newest attempts, newest first, each with its final status; ``started`` where it runs or died."""
    sql = """
        SELECT min(at_ts) OVER attempt AS started_ts, job, source, as_of_date, status, duration_secs, exit_code, reason,
            run_id
        FROM ops.runs
        WINDOW attempt AS (PARTITION BY attempt_id)
        QUALIFY row_number() OVER (PARTITION BY attempt_id ORDER BY status = 'started', at_ts DESC) = 1
        ORDER BY started_ts DESC, job LIMIT $limit"""
    return ask(root, sql, {"limit": limit})


def open_table(root: Root, spec: TableSpec, releases: Releases) -> DeltaTable | None:
    """A table at its released version, a log as it is now; null where there is nothing to see.

    Raises:
        Infrastructure: what was released is not there.
    """
    path = str(root.table(spec))
    check_log(root, spec)
    if spec in LOGS:
        return DeltaTable(path) if DeltaTable.is_deltatable(path) else None
    version = releases.version(spec)
    if version is None:
        return None
    try:
        return DeltaTable(path, version=version)
    except DeltaError as error:
        raise Infrastructure(
            f"Table {spec.full_name} was released at version {version}, but {path} does not have it "
            f"({type(error).__name__}). Was the folder moved, or vacuumed by another program?"
        ) from None


def latest(releases: Releases, spec: TableSpec) -> Any:
    """The newest released slice; null where there is none."""
    return max((day for day in releases.slices(spec) if day is not None), default=None)


def _add_views(
    connection: duckdb.DuckDBPyConnection, spec: TableSpec, table: DeltaTable | None, releases: Releases
) -> None:
    if table is None:
        columns = ", ".join(f"{_null(column)} AS {column.name}" for column in spec.columns)
        rows = f"SELECT {columns} WHERE false"
    else:
        dataset = table.to_pyarrow_dataset()
        names = dataset.schema.names
        # What delta-rs merges it writes as string views, by which PyArrow cannot filter: DuckDB does it then.
        connection.register(f"_{spec.layer}_{spec.name}", dataset.scanner() if spec in LOG_TABLES else dataset)
        # A column that a newer release of ours added is null until the table is next written.
        there = {column.name: column.name for column in spec.columns if column.name in names}
        columns = ", ".join(f"{there.get(column.name, _null(column))} AS {column.name}" for column in spec.columns)
        rows = f"SELECT {columns} FROM _{spec.layer}_{spec.name}"
    connection.execute(f"CREATE VIEW {spec.full_name} AS {_of_customers(rows) if spec in OF_SUBJECTS else rows}")
    if spec.layer == "gold":
        day = latest(releases, spec)
        newest = f"{spec.slice_column} = DATE '{day}'" if day else "false"
        connection.execute(f"CREATE VIEW {spec.full_name}_latest AS SELECT * FROM {spec.full_name} WHERE {newest}")


def _of_customers(rows: str) -> str:
    """Rows with ``subject_id`` and, beside it, whose that is now."""
    return f"""
SELECT rows.*, coalesce(who.customer_id, rows.subject_id) AS customer_id
FROM ({rows}) AS rows
LEFT JOIN {IDENTITIES.full_name} AS who ON who.subject_id = rows.subject_id AND who.valid_to_date IS NULL"""


def _null(column: Column) -> str:
    return f"CAST(NULL AS {type_of(column.type)})"


def _named_in(sql: str) -> Sequence[TableSpec]:
    """The tables whose names stand anywhere in the SQL; all where none does, as in ``SHOW ALL TABLES``."""
    words = {word.removesuffix("_latest") for word in re.findall(r"\w+", sql.lower())}
    named = [spec for spec in TABLES if spec.name in words]
    named += [spec for view in VIEWS if view.name in words for spec in view.over]
    if any(spec in OF_SUBJECTS for spec in named):
        named += IDENTITIES.over
    return [spec for spec in TABLES if spec in named] or TABLES


def _check_reading(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    kinds = [statement.type.name for statement in connection.extract_statements(sql)]
    if len(kinds) != 1:
        raise BadInput(f"Expected one SQL statement, got {len(kinds)}.")
    if kinds[0] not in _READING:
        raise BadInput(
            f"A {kinds[0]} statement was refused: SQL over the published tables only reads. Expected SELECT, DESCRIBE, "
            "SUMMARIZE, SHOW or EXPLAIN; take results out with --format csv or json."
        )


def _rows(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    try:
        while batch := connection.fetchmany(10_000):
            yield from batch
    except duckdb.Error as error:
        raise _told(error) from None


def _told(error: duckdb.Error) -> BadInput | Infrastructure:
    """DuckDB's error as ours: its first line, and what was probably meant."""
    first, *more = str(error).splitlines() or ["unknown error"]
    if isinstance(error, duckdb.IOException | duckdb.OutOfMemoryException):
        return Infrastructure(f"SQL could not be run to its end: {first}")
    if isinstance(error, duckdb.PermissionException):
        return BadInput(f"SQL was refused: {first}. It may read the published tables, and nothing else.")
    missing = _MISSING_TABLE.search(first)
    if missing:
        return BadInput(
            f"Table {missing[1]!r} is unknown{_nearest_table(missing[1])}; `affinity tables` lists them all."
        )
    hints = [line for line in more if line.startswith(("Did you mean", "Candidate"))]
    return BadInput(f"SQL cannot be run: {' '.join((first, *hints))}")


def _nearest_table(name: str) -> str:
    names = [
        f"{spec.full_name}{suffix}"
        for spec in TABLES
        for suffix in (("", "_latest") if spec.layer == "gold" else ("",))
    ]
    bare = {full.split(".")[1]: full for full in names}
    hint = nearest(name, [*names, *bare])
    return re.sub(r'"(\w+)"', lambda found: f'"{bare[found[1]]}"', hint)


def _described(spec: TableSpec, table: DeltaTable | None, releases: Releases, released_ts: Any) -> Row:
    days = [day for day in releases.slices(spec) if day is not None]
    return {
        "name": spec.full_name,
        "grain": spec.doc,
        "rows": None if table is None else _n_rows(table),
        "slices": len(days) or None,
        "newest_slice": max(days, default=None),
        "version": None if table is None else table.version(),
        "released_ts": released_ts,
    }


def _n_rows(table: DeltaTable) -> int:
    """Rows by the log alone, where every file has its count there."""
    counts = table.get_add_actions(flatten=True)["num_records"].to_pylist()
    return table.to_pyarrow_dataset().count_rows() if None in counts else sum(counts)
