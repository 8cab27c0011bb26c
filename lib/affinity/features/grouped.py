"""Whole groups in DuckDB: rows of one key are brought together, and a statement is run where they lie."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from functools import partial
from itertools import chain
from tempfile import TemporaryDirectory

import pyarrow as pa
from pyspark.sql import DataFrame

ARRIVED = "arrived"
"""The rows of some whole groups, as a statement calls them. They pass by once: who reads them twice keeps them."""
SPEAKS = "Cannot go on: "
"""How a statement begins what it says by error(); of any other error only the kind is told, as it may hold a row."""
_MEMORY = "1GB"
_BATCH_ROWS = 50_000


def in_groups(rows: DataFrame, key: str, statement: str, columns: Mapping[str, str]) -> DataFrame:
    """Run a statement of DuckDB over rows, all those of one ``key`` in one piece; one shuffle.

    Columns in: any that Arrow knows. Columns out: ``columns``, name → type of Spark, which the statement gives in that
    order. A task has one connection with one thread; beyond a gigabyte it goes to the task's disk. Spark's own
    aggregates make an object for every set and list of a group, and cost three times as much.

    Raises (when evaluated): the statement says so, or cannot be run; nothing of a row is told.
    """
    schema = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    return rows.repartition(key).mapInArrow(partial(_answers, statement), schema)


def _answers(statement: str, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    import duckdb

    first = next(batches, None)
    if first is None:
        return
    arrived = pa.RecordBatchReader.from_batches(first.schema, chain([first], batches))
    with TemporaryDirectory() as spill, closing(duckdb.connect(config={"threads": 1})) as asked:
        asked.execute(f"SET memory_limit = '{_MEMORY}'")
        asked.execute(f"SET temp_directory = '{spill}'")
        asked.execute("SET TimeZone = 'UTC'")
        asked.register(ARRIVED, arrived)
        try:
            yield from asked.sql(statement).to_arrow_reader(_BATCH_ROWS)
        except duckdb.Error as error:
            said = str(error).partition(SPEAKS)[2]
            raise RuntimeError(said or f"Groups could not be computed: {type(error).__name__}.") from None
