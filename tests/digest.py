"""One digest for one content, whichever engine reads it: equal rows in any order, files or process digest equally.

Each column becomes canonical text: ``=`` and the value, or ``-`` for null, so that a null is no empty string. Decimals
have four places, timestamps are UTC with microseconds, doubles are whole millionths, arrays are their elements, marked
likewise, joined by commas. The columns of a row, joined by the unit separator, give an MD5; a table digests to its
number of rows and the sums, modulo 2^64, of the first and of the next 60 bits of all rows' MD5. Sums know no order.

Doubles are rounded by ``floor(x * 1e6 + 0.5)``, the same IEEE operations everywhere; beyond ±9e12, infinities included,
they count as equal, for their millionths would not fit 64 bits.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from affinity.tables.spec import Column, TableSpec

if TYPE_CHECKING:
    import duckdb
    import polars
    from pyspark.sql import DataFrame

_SEPARATOR = "\x1f"
_HALF = 15  # hexadecimal digits: 60 bits
_LIMIT = 9e12
_MILLIONTHS = "FLOOR(LEAST(GREATEST({x}, -9e12), 9e12) * 1e6 + 5e-1)"


@dataclass(frozen=True)
class _Dialect:
    """What differs between SQL engines: the text of each kind of value, names, arrays, and 15 hexadecimal digits."""

    text: Mapping[str, str]
    quote: str
    array: str
    number: str


_SPARK = _Dialect(
    text={
        "string": "{x}",
        "whole": "CAST({x} AS STRING)",
        "decimal": "CAST(CAST({x} AS DECIMAL(38, 4)) AS STRING)",
        "timestamp": "DATE_FORMAT({x}, \"yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'\")",
        "double": f"CASE WHEN ISNAN({{x}}) THEN 'nan' WHEN {{x}} IS NOT NULL THEN CAST({_MILLIONTHS} AS STRING) END",
    },
    quote="`",
    array="ARRAY_JOIN(TRANSFORM({x}, element -> {element}), ',')",
    number="CAST(CONV({x}, 16, 10) AS DECIMAL(20, 0))",
)
_DUCKDB = _Dialect(
    text={
        "string": "{x}",
        "whole": "CAST({x} AS VARCHAR)",
        "decimal": "CAST(CAST({x} AS DECIMAL(38, 4)) AS VARCHAR)",
        "timestamp": "STRFTIME(MAKE_TIMESTAMP(EPOCH_US({x})), '%Y-%m-%dT%H:%M:%S.%fZ')",
        "double": (
            f"CASE WHEN ISNAN({{x}}) THEN 'nan' "
            f"WHEN {{x}} IS NOT NULL THEN CAST(CAST({_MILLIONTHS} AS BIGINT) AS VARCHAR) END"
        ),
    },
    quote='"',
    array="ARRAY_TO_STRING(LIST_TRANSFORM({x}, LAMBDA element: {element}), ',')",
    number="CAST('0x' || {x} AS UBIGINT)",
)


def digest(rows: Any, spec: TableSpec) -> str:
    """Digest of an Arrow table, batch reader or dataset that holds at least ``spec.digest_columns``.

    Raises:
        ValueError: a column of the specification has a type without canonical text.
    """
    n_rows = first = second = 0
    columns = _columns(spec)
    for batch in _batches(rows, [column.name for column in columns]):
        texts = [_marked(_text(batch.column(column.name), column.type)) for column in columns]
        for text in pc.binary_join_element_wise(*texts, _SEPARATOR).to_pylist():
            md5 = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
            n_rows += 1
            first += int(md5[:_HALF], 16)
            second += int(md5[_HALF : 2 * _HALF], 16)
    return _rendered(n_rows, first, second)


def polars_digest(frame: "polars.DataFrame", spec: TableSpec) -> str:
    """``digest`` of a Polars frame: its own columns, handed over as Arrow."""
    return digest(frame.select(list(spec.digest_columns)).to_arrow(), spec)


def spark_digest(frame: "DataFrame", spec: TableSpec) -> str:
    """``digest`` computed by Spark, one row of which reaches the driver; the session's time zone is UTC, as ours is."""
    hashed = frame.selectExpr(f"{_row_hash(spec, _SPARK)} AS md5")
    return _rendered(*hashed.selectExpr(*_sums(_SPARK)).collect()[0])


def duckdb_digest(connection: "duckdb.DuckDBPyConnection", relation: str, spec: TableSpec) -> str:
    """``digest`` computed by DuckDB over a table, a view or a registered Arrow object of the connection."""
    query = f"SELECT {', '.join(_sums(_DUCKDB))} FROM (SELECT {_row_hash(spec, _DUCKDB)} AS md5 FROM {relation})"
    return _rendered(*connection.execute(query).fetchall()[0])


def _rendered(n_rows: int, first: int, second: int) -> str:
    return f"{n_rows}-{int(first) % 2**64:016x}-{int(second) % 2**64:016x}"


def _columns(spec: TableSpec) -> list[Column]:
    by_name = {column.name: column for column in spec.columns}
    return [by_name[name] for name in spec.digest_columns]


def _kind(type_: str) -> str:
    if type_ in ("string", "timestamp", "double"):
        return type_
    if type_ in ("int", "bigint", "boolean", "date"):
        return "whole"
    if type_.startswith("decimal(") and int(type_.rstrip(")").split(",")[1]) <= 4:
        return "decimal"
    raise ValueError(f"type {type_} has no canonical text: give it one in {__name__} for every engine")


def _element_type(type_: str) -> str | None:
    return type_[len("array<") : -1] if type_.startswith("array<") else None


# SQL


def _row_hash(spec: TableSpec, dialect: _Dialect) -> str:
    names = [f"{dialect.quote}{column.name}{dialect.quote}" for column in _columns(spec)]
    texts = [
        _marked_sql(_text_sql(name, column.type, dialect)) for name, column in zip(names, _columns(spec), strict=True)
    ]
    return f"MD5(CONCAT_WS(CHR(31), {', '.join(texts)}))"


def _text_sql(name: str, type_: str, dialect: _Dialect) -> str:
    element = _element_type(type_)
    if element is None:
        return dialect.text[_kind(type_)].format(x=name)
    return dialect.array.format(x=name, element=_marked_sql(dialect.text[_kind(element)].format(x="element")))


def _marked_sql(text: str) -> str:
    return f"CASE WHEN ({text}) IS NULL THEN '-' ELSE CONCAT('=', {text}) END"


def _sums(dialect: _Dialect) -> list[str]:
    halves = (f"SUBSTRING(md5, {start}, {_HALF})" for start in (1, 1 + _HALF))
    return ["COUNT(*)", *(f"COALESCE(SUM({dialect.number.format(x=half)}), 0)" for half in halves)]


# Arrow


def _batches(rows: Any, names: list[str]) -> Iterable[Any]:
    if isinstance(rows, pa.Table):
        return rows.select(names).to_batches()  # type: ignore[no-any-return]
    return rows if isinstance(rows, pa.RecordBatchReader) else rows.to_batches(columns=names)  # type: ignore[no-any-return]


def _text(values: Any, type_: str) -> Any:
    """Canonical text of an Arrow array; null for null."""
    element = _element_type(type_)
    if element is not None:
        return _joined(values, element)
    return {"decimal": _decimal, "timestamp": _timestamp, "double": _double}.get(_kind(type_), _plain)(values)


def _plain(values: Any) -> Any:
    return values.cast(pa.string())


def _decimal(values: Any) -> Any:
    return values.cast(pa.decimal128(38, 4)).cast(pa.string())


def _timestamp(values: Any) -> Any:
    # Without its zone an Arrow timestamp shows UTC; %S holds the microseconds.
    return pc.strftime(values.cast(pa.timestamp("us")), format="%Y-%m-%dT%H:%M:%SZ")


def _double(values: Any) -> Any:
    bounded = pc.min_element_wise(pc.max_element_wise(pc.if_else(pc.is_nan(values), 0.0, values), -_LIMIT), _LIMIT)
    millionths = pc.floor(pc.add(pc.multiply(bounded, 1e6), 0.5)).cast(pa.int64()).cast(pa.string())
    return pc.if_else(pc.is_null(values), None, pc.if_else(pc.is_nan(values), "nan", millionths))


def _joined(lists: Any, element: str) -> Any:
    """Marked elements joined by commas; null for a null list."""
    flat = _marked(_text(pc.list_flatten(lists), element)).cast(pa.string())
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
    offsets = pa.array([0, *lengths.cumsum().tolist()], pa.int32())
    texts = pc.binary_join(pa.ListArray.from_arrays(offsets, flat), ",")
    return pc.if_else(pc.is_null(lists), None, texts)


def _marked(texts: Any) -> Any:
    return pc.fill_null(pc.binary_join_element_wise("=", texts, ""), "-")
