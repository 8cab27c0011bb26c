"""Statements of DuckDB where the rows lie: in Spark's tasks, over whole groups that a shuffle brought together."""

import gc
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from affinity.tables.views import type_of

if TYPE_CHECKING:
    import duckdb

ARRIVED = "arrived"
"""The rows of a task, as a statement calls them. Those of Spark pass by once: who reads them twice keeps them."""
SPEAKS = "Cannot go on: "
"""How a statement begins what it says by error(); of any other error only the kind is told, as it may hold a row."""
UNREADABLE = "A file cannot be read: "
"""What is said before the path of a damaged file."""
GROUP = "group_no"
"""The column by which ``cut`` cuts: the number of a row's group, from 0."""
_MEMORY = "1GB"
_BATCH_ROWS = 50_000
_BLOCK_ROWS = 100_000
_TASK_BYTES = 256 << 20
_PACKED = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)  # other cores have tasks of their own
_UNPACKED = pa.ipc.IpcReadOptions(use_threads=False)
Batches = Iterator[pa.RecordBatch]
Work = Callable[["duckdb.DuckDBPyConnection"], Batches]
FileWork = Callable[["duckdb.DuckDBPyConnection", str], None]


@dataclass(frozen=True)
class Files:
    """Files of Parquet as rows that tasks read themselves, without a row of Spark's.

    ``columns`` are name → type of Spark; of a file that was written before a column was added it is null. Of partitions
    the folders tell.
    """

    spark: SparkSession
    paths: Sequence[str]
    columns: Mapping[str, str]

    def n_tasks(self, n_bytes: int) -> int:
        """How many tasks there should be, of at most about so many bytes, that no core is idle at the end."""
        n_cores = int(self.spark.sparkContext.defaultParallelism)
        total = sum(Path(path).stat().st_size for path in self.paths)
        return n_cores * max(1, -(-total // (n_bytes * n_cores)))

    def tasks(self) -> DataFrame:
        """One row per task: the names of its files as JSON, the largest dealt first."""
        n_bytes = {path: Path(path).stat().st_size for path in self.paths}
        n_tasks = self.n_tasks(_TASK_BYTES)
        dealt: list[tuple[int, list[str]]] = [(0, []) for _ in range(min(n_tasks, len(n_bytes)))]
        for path in sorted(n_bytes, key=lambda path: (-n_bytes[path], path)):
            least = min(range(len(dealt)), key=lambda number: dealt[number][0])
            dealt[least] = (dealt[least][0] + n_bytes[path], [*dealt[least][1], path])
        rows = self.spark.sparkContext.parallelize([(json.dumps(mine),) for _, mine in dealt], max(1, len(dealt)))
        return self.spark.createDataFrame(rows, "paths string")


Rows = DataFrame | Files


def parquet(folder: Path) -> str:
    """What Spark wrote into a folder, as a statement names it."""
    escaped = str(folder).replace("'", "''")
    return f"read_parquet('{escaped}/*.parquet')"


def mapped(rows: Rows, statement: str, columns: Mapping[str, str]) -> DataFrame:
    """Run a statement over the rows of each task as they lie; no shuffle. Columns and errors as of ``in_groups``."""
    return _sent(rows, partial(_answered, statement), columns)


def with_each(files: Files, work: FileWork) -> None:
    """Do some work with each file, whose rows a connection of DuckDB knows as ``ARRIVED``: here, or many by tasks."""
    each = partial(_with_file, work, files.columns)
    if sum(Path(path).stat().st_size for path in files.paths) > _TASK_BYTES:
        files.spark.sparkContext.parallelize(files.paths, len(files.paths)).foreach(each)
        return
    for path in files.paths:
        each(path)


def in_groups(rows: DataFrame, key: str, statement: str, columns: Mapping[str, str]) -> DataFrame:
    """Run a statement of DuckDB over rows, all those of one ``key`` in one piece; one shuffle.

    Columns in: any that Arrow knows. Columns out: ``columns``, name → type of Spark, which the statement gives in that
    order. A task has one connection with one thread; beyond a gigabyte it goes to the task's disk. Spark's own
    aggregates make an object for every set and list of a group, and cost three times as much.

    Raises (when evaluated): the statement says so, or cannot be run; nothing of a row is told.
    """
    return mapped(rows.repartition(key), statement, columns)


def cut(rows: Rows, statement: str) -> DataFrame:
    """Rows of a statement as blocks for a shuffle: a block has the rows of one group that a task came by together.

    Columns in: those of the statement, with ``GROUP`` as the last. Columns out: group_no (int), block (binary, a
    stream of Arrow without that column).
    """
    return _sent(rows, partial(_cut, statement), {GROUP: "int", "block": "binary"})


def in_blocks(blocks: DataFrame, n_groups: int, work: str | Work, columns: Mapping[str, str]) -> DataFrame:
    """Do some work, or run a statement, over the rows of ``cut``, a task for each group; one shuffle.

    The work has a connection of DuckDB that knows the rows as ``ARRIVED``; they are in memory.
    """
    met = blocks.repartitionById(n_groups, GROUP).select("block")
    work = partial(_answered, work) if isinstance(work, str) else work
    return met.mapInArrow(partial(_in_task, work, _of_blocks), _schema(columns))


def _sent(rows: Rows, work: Work, columns: Mapping[str, str]) -> DataFrame:
    if isinstance(rows, Files):
        return rows.tasks().mapInArrow(partial(_in_files, work, rows.columns), _schema(columns))
    return rows.mapInArrow(partial(_in_task, work, _passing_by), _schema(columns))


def _schema(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {kind}" for name, kind in columns.items())


def _answered(statement: str, asked: "duckdb.DuckDBPyConnection") -> Batches:
    yield from asked.sql(statement).to_arrow_reader(_BATCH_ROWS)


def _cut(statement: str, asked: "duckdb.DuckDBPyConnection") -> Batches:
    for batch in asked.sql(statement).to_arrow_reader(_BLOCK_ROWS):
        groups = batch[GROUP].to_numpy(zero_copy_only=False)
        order = np.argsort(groups, kind="stable")
        starts = np.flatnonzero(np.diff(groups[order], prepend=-1))
        rows = batch.drop_columns([GROUP]).take(pa.array(order))
        found = [pa.array(groups[order][starts], pa.int32()), _packed(rows, [*starts, len(rows)])]
        yield pa.RecordBatch.from_arrays(found, names=[GROUP, "block"])


def _packed(rows: pa.RecordBatch, edges: Sequence[int]) -> pa.Array:
    """The rows between each two edges as one stream."""
    sink, ends = pa.BufferOutputStream(), [0]
    for start, end in pairwise(edges):
        with pa.ipc.new_stream(sink, rows.schema, options=_PACKED) as writer:
            writer.write_batch(rows.slice(start, end - start))
        ends.append(sink.tell())
    offsets = pa.array(ends, pa.int32()).buffers()[1]
    return pa.Array.from_buffers(pa.binary(), len(ends) - 1, [None, offsets, sink.getvalue()])


def _passing_by(batches: Batches) -> pa.RecordBatchReader | None:
    first = next(batches, None)
    return None if first is None else pa.RecordBatchReader.from_batches(first.schema, chain([first], batches))


def _of_blocks(batches: Batches) -> pa.Table | None:
    blocks = (block.as_buffer() for batch in batches for block in batch.column(0))
    rows = [rows for block in blocks for rows in pa.ipc.open_stream(block, options=_UNPACKED)]
    return pa.Table.from_batches(rows) if rows else None


def _in_task(work: Work, unpacked: Callable[[Batches], Any], batches: Batches) -> Batches:
    rows = unpacked(batches)
    if rows is None:
        return
    _freeze()
    with _opened() as asked, _masked():
        asked.register(ARRIVED, rows)
        yield from work(asked)


def _in_files(work: Work, columns: Mapping[str, str], batches: Batches) -> Batches:
    paths = [path for batch in batches for text in batch.column(0).to_pylist() for path in json.loads(text)]
    if not paths:
        return
    _freeze()
    with _opened() as asked, _masked(), _knowing(asked, paths, columns):
        yield from work(asked)


def _with_file(work: FileWork, columns: Mapping[str, str], path: str) -> None:
    with _opened() as asked, _masked(), _knowing(asked, [path], columns):
        work(asked, path)


def _freeze() -> None:
    """Leave out what there is from collections of garbage: PySpark makes one after each task, of 60 ms."""
    gc.freeze()


@contextmanager
def _knowing(asked: "duckdb.DuckDBPyConnection", paths: Sequence[str], columns: Mapping[str, str]) -> Iterator[None]:
    """Let a connection know the rows of files as ``ARRIVED``; of a damaged file the path is told."""
    none = ", ".join(f"NULL::{type_of(kind)} AS {name}" for name, kind in columns.items())
    try:
        if paths:
            asked.read_parquet(list(paths), hive_partitioning=True, union_by_name=True).create_view("files")
        there = " UNION ALL BY NAME FROM files" if paths else ""
        asked.execute(f"CREATE VIEW {ARRIVED} AS SELECT {none} WHERE false{there}")
        yield
    except _faults() as error:
        for path in [] if is_of_system(error) else paths:
            _check(path)
        raise


def _faults() -> tuple[type[Exception], ...]:
    """What a statement may raise: while its rows are streamed, Arrow says it in words of its own."""
    import duckdb

    return duckdb.Error, pa.ArrowException, OSError, RuntimeError


def is_of_system(error: Exception) -> bool:
    """Whether it is the system's, such as a full disk, and holds no row."""
    return isinstance(error, OSError) and error.errno is not None


def _check(path: str) -> None:
    """Read a whole file.

    Raises:
        RuntimeError: it is damaged.
    """
    import duckdb

    try:
        with duckdb.connect(config={"threads": 1}) as asked:
            for _ in asked.read_parquet(path).to_arrow_reader(_BATCH_ROWS):
                pass
    except _faults():
        raise RuntimeError(f"{UNREADABLE}{path}") from None


@contextmanager
def _opened() -> "Iterator[duckdb.DuckDBPyConnection]":
    """DuckDB with one thread."""
    import duckdb

    with TemporaryDirectory() as spill, closing(duckdb.connect(config={"threads": 1})) as asked:
        asked.execute(f"SET memory_limit = '{_MEMORY}'")
        asked.execute(f"SET temp_directory = '{spill}'")
        asked.execute("SET TimeZone = 'UTC'")
        yield asked


@contextmanager
def _masked() -> Iterator[None]:
    """Of DuckDB's errors tell only the kind."""
    try:
        yield
    except _faults() as error:
        if str(error).startswith(UNREADABLE) or is_of_system(error):
            raise
        said = str(error).partition(SPEAKS)[2]
        told = f"{SPEAKS}{said}" if said else f"Groups could not be computed: {type(error).__name__}."
        raise RuntimeError(told) from None
