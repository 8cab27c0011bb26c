"""One content has one digest in Arrow, Spark, DuckDB and Polars; another content has another."""

import hashlib
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from pyspark.sql import SparkSession

from affinity.tables.spec import RUN_ID, Column, TableSpec, WriteMode
from tests.digest import digest, duckdb_digest, polars_digest, spark_digest

SPEC = TableSpec(
    layer="silver",
    name="edges",
    doc="Values that engines like to spell differently.",
    columns=(
        Column("name", "string", "Text", nullable=True),
        Column("is_good", "boolean", "Truth", nullable=True),
        Column("n_small", "int", "Number", nullable=True),
        Column("n_large", "bigint", "Number", nullable=True),
        Column("amount", "decimal(18,4)", "Money", nullable=True),
        Column("score", "double", "Number", nullable=True),
        Column("event_date", "date", "Day", nullable=True),
        Column("event_ts", "timestamp", "Instant, UTC", nullable=True),
        Column("tags", "array<string>", "Words", nullable=True),
        Column("shares", "array<double>", "Numbers", nullable=True),
        RUN_ID,
    ),
    key=("name",),
    mode=WriteMode.APPEND_FILES,
)
ARROW = pa.schema(
    [
        ("name", pa.string()),
        ("is_good", pa.bool_()),
        ("n_small", pa.int32()),
        ("n_large", pa.int64()),
        ("amount", pa.decimal128(18, 4)),
        ("score", pa.float64()),
        ("event_date", pa.date32()),
        ("event_ts", pa.timestamp("us", tz="UTC")),
        ("tags", pa.list_(pa.string())),
        ("shares", pa.list_(pa.float64())),
        ("run_id", pa.string()),
    ]
)
MIDNIGHT = datetime(2011, 3, 27, tzinfo=UTC)
INFINITE, NAN = float("inf"), float("nan")
ROWS: list[tuple[Any, ...]] = [
    (
        "plain",
        True,
        1,
        2**40,
        Decimal("1.5"),
        0.5,
        date(2011, 9, 1),
        datetime(2011, 9, 1, 8, 7, 6, 5, UTC),
        ["a", "b"],
        [0.1],
    ),
    ("", False, 0, 0, Decimal(0), 0.0, date(1970, 1, 1), datetime(1970, 1, 1, tzinfo=UTC), [], []),
    (None,) * 10,
    (
        "Größe 茶 🫖 'quoted', \"twice\"",
        None,
        -7,
        -(2**62),
        Decimal("-0.0001"),
        -0.0,
        date(1899, 12, 31),
        MIDNIGHT,
        [None],
        [None],
    ),
    (
        "nul\tand\nline\x1f",
        True,
        -(2**31),
        2**63 - 1,
        Decimal("-12345678901234.5678"),
        -1.2345675,
        date(2011, 1, 1),
        MIDNIGHT,
        [""],
        [NAN],
    ),
    (
        "ties",
        True,
        5,
        5,
        Decimal("0.0001"),
        0.0000005,
        date(2012, 2, 29),
        datetime(1969, 12, 31, 23, 59, 59, 999999, UTC),
        ["", ""],
        [-0.0000005],
    ),
    ("wide", None, None, None, None, NAN, None, None, ["a,b", None, "é"], [INFINITE, -INFINITE]),
    ("third", None, None, None, Decimal(100), 1 / 3, None, None, None, [1 / 3, 2 / 3, 1e-9, 123456.7890125]),
    ("far", None, None, None, None, INFINITE, None, None, None, [1e300, 9e12, -1e13]),
]


@pytest.fixture(scope="module")
def table() -> pa.Table:
    columns = zip(*[(*row, "run") for row in ROWS], strict=True)
    return pa.table([pa.array(values, field.type) for values, field in zip(columns, ARROW, strict=True)], schema=ARROW)


def changed(table: pa.Table, name: str, row: int, value: object) -> pa.Table:
    values = table[name].to_pylist()
    values[row] = value
    return table.set_column(table.column_names.index(name), ARROW.field(name), pa.array(values, ARROW.field(name).type))


def test_format_can_be_computed_by_hand() -> None:
    spec = TableSpec(
        "ops",
        "pair",
        "Two columns.",
        (Column("a", "int", ""), Column("b", "double", "", True)),
        ("a",),
        WriteMode.UPSERT,
    )
    rows = pa.table({"a": pa.array([1, -2], pa.int32()), "b": pa.array([0.25, None], pa.float64())})
    md5s = [hashlib.md5(text).hexdigest() for text in (b"=1\x1f=250000", b"=-2\x1f-")]
    sums = [sum(int(md5[start : start + 15], 16) for md5 in md5s) % 2**64 for start in (0, 15)]
    assert digest(rows, spec) == f"2-{sums[0]:016x}-{sums[1]:016x}"


def test_all_engines_agree_row_by_row(spark: SparkSession, table: pa.Table) -> None:
    # Row by row, so that a difference names the row that has it.
    connection = duckdb.connect()
    for number, row in enumerate(ROWS):
        one = table.slice(number, 1)
        connection.register("edges", one)
        found = {
            "spark": spark_digest(spark.createDataFrame([(*row, "run")], schema_of(SPEC)), SPEC),
            "duckdb": duckdb_digest(connection, "edges", SPEC),
            "polars": polars_digest(pl.DataFrame(one), SPEC),
        }
        assert found == dict.fromkeys(found, digest(one, SPEC)), row


def test_all_engines_agree_on_the_whole(spark: SparkSession, table: pa.Table) -> None:
    connection = duckdb.connect()
    connection.register("edges", table)
    expected = digest(table, SPEC)
    assert expected.startswith(f"{len(ROWS)}-")
    assert spark_digest(spark.createDataFrame([(*row, "run") for row in ROWS], schema_of(SPEC)), SPEC) == expected
    assert duckdb_digest(connection, "edges", SPEC) == expected
    assert polars_digest(pl.DataFrame(table), SPEC) == expected


def test_no_rows_digest_alike(spark: SparkSession, table: pa.Table) -> None:
    connection = duckdb.connect()
    connection.register("edges", table.slice(0, 0))
    expected = f"0-{0:016x}-{0:016x}"
    assert digest(table.slice(0, 0), SPEC) == expected
    assert spark_digest(spark.createDataFrame([], schema_of(SPEC)), SPEC) == expected
    assert duckdb_digest(connection, "edges", SPEC) == expected


def test_order_chunks_columns_and_provenance_do_not_count(table: pa.Table) -> None:
    shuffled = table.take([4, 2, 0, 8, 6, 7, 5, 3, 1]).select(list(reversed(table.column_names)))
    pieces = pa.concat_tables([shuffled.slice(0, 4), shuffled.slice(4)])
    assert digest(pieces, SPEC) == digest(table, SPEC)
    assert digest(ds.dataset(table), SPEC) == digest(table, SPEC)
    assert digest(changed(table, "run_id", 0, "another"), SPEC) == digest(table, SPEC)


@pytest.mark.parametrize(
    ("name", "row", "value"),
    [
        ("name", 1, None),
        ("name", 2, ""),
        ("tags", 1, None),
        ("tags", 1, [""]),
        ("tags", 3, [""]),
        ("tags", 5, [""]),
        ("amount", 3, Decimal("0.0001")),
        ("score", 5, 0.0000004),
        ("event_ts", 5, datetime(1970, 1, 1, tzinfo=UTC)),
        ("is_good", 0, None),
    ],
)
def test_any_other_content_digests_otherwise(table: pa.Table, name: str, row: int, value: object) -> None:
    assert digest(changed(table, name, row, value), SPEC) != digest(table, SPEC)


def test_a_row_twice_is_not_the_row_once(table: pa.Table) -> None:
    assert digest(pa.concat_tables([table, table.slice(0, 1)]), SPEC) != digest(table, SPEC)


def test_type_without_text_is_refused() -> None:
    spec = TableSpec("ops", "map", "A map.", (Column("m", "map<string,int>", ""),), ("m",), WriteMode.UPSERT)
    with pytest.raises(ValueError, match="no canonical text"):
        digest(pa.table({"m": pa.array([1])}), spec)


def schema_of(spec: TableSpec) -> str:
    return ", ".join(f"{column.name} {column.type}" for column in spec.columns)
