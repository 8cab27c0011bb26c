"""The content of landed files: whether it is laid out as its mapping says, and its lines."""

import io
from collections.abc import Sequence
from functools import reduce

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from affinity.core.errors import BadInput
from affinity.core.source import SourceMapping
from affinity.features.lines import header
from affinity.io.landing import LandedFile

_SHOWN = 5
_BYTES_PER_TASK = 32 * 1024 * 1024
_UTC = "yyyy-MM-dd'T'HH:mm:ss.SSSSSS"


def check_files(files: Sequence[LandedFile], mapping: SourceMapping) -> None:
    """Every file has the layout of the mapping, as far as can be told without reading its rows.

    Raises:
        BadInput: some do not; each is named with what was expected and what was got.
    """
    checks = {"csv": _header_fault, "jsonl": lambda _file, _mapping: None, "parquet": _schema_fault}
    check = checks[mapping.files.format]
    faults = [fault for file in files if (fault := _date_fault(file, mapping) or check(file, mapping))]
    if faults:
        more = f"; and {len(faults) - _SHOWN} more files" if len(faults) > _SHOWN else ""
        raise BadInput(
            f"Files of source {mapping.name!r} are not as its mapping says: {'; '.join(faults[:_SHOWN])}{more}. "
            f"Nothing was read. Mend the files, or `files` of conf/sources/{mapping.name}.toml if the source has "
            "changed."
        )


def _date_fault(file: LandedFile, mapping: SourceMapping) -> str | None:
    if file.file_date is not None or not mapping.is_dated_by_name:
        return None
    expected = f"(expected {mapping.files.date_pattern})"
    return f"{file.name}: its name has no date, which is the time of what it says {expected}"


def _header_fault(file: LandedFile, mapping: SourceMapping) -> str | None:
    expected = f"(expected {list(mapping.files.columns)})"
    try:
        first = _first_line(file)
    except (OSError, EOFError, pa.ArrowException):
        return f"{file.name}: it cannot be unpacked"
    if first == header(mapping):
        return None
    got = first.split(mapping.files.delimiter)
    if 2 * len(set(got) & set(mapping.files.columns)) < len(got):  # a line of data is not repeated in any log
        return f"{file.name}: its first line, of {len(got)} fields, is no header {expected}"
    missing = [name for name in mapping.files.columns if name not in got]
    extra = [name for name in got if name not in mapping.files.columns]
    order = "columns in another order" if not (missing or extra) else ""
    parts = [f"missing {missing}" if missing else "", f"not expected {extra}" if extra else "", order]
    return f"{file.name}: {', '.join(part for part in parts if part)} {expected}"


def _first_line(file: LandedFile) -> str:
    with pa.input_stream(str(file.path), compression="detect") as stream:
        lines = io.TextIOWrapper(io.BufferedReader(stream), encoding="utf-8-sig", errors="replace")
        return lines.readline().rstrip("\r\n")


def _schema_fault(file: LandedFile, mapping: SourceMapping) -> str | None:
    try:
        got = pq.read_schema(file.path)
    except (OSError, pa.ArrowException):
        return f"{file.name}: it is no whole Parquet file"
    layout = mapping.files
    missing = [name for name in layout.columns if name not in got.names and name not in layout.optional_columns]
    nanos = [n for n in layout.columns if n in got.names and got.field(n).type in (pa.timestamp("ns"), _NANOS_UTC)]
    parts = [f"missing {missing}" if missing else "", f"nanoseconds in {nanos}, which Spark reads not" if nanos else ""]
    told = ", ".join(part for part in parts if part)
    return f"{file.name}: {told} (expected {list(layout.columns)}, got {got.names})" if told else None


_NANOS_UTC = pa.timestamp("ns", tz="UTC")


def stated_rows(files: Sequence[LandedFile], mapping: SourceMapping) -> dict[LandedFile, int]:
    """The number of rows that a Parquet file itself states; empty for other formats."""
    if mapping.files.format != "parquet":
        return {}
    return {file: pq.read_metadata(file.path).num_rows for file in files}


def read_lines(spark: SparkSession, files: Sequence[LandedFile], mapping: SourceMapping) -> DataFrame:
    """The lines of the files, one pass over all of them: ``file_id, file_date, line``.

    A row of a Parquet file comes as the line of JSON that would say the same.
    """
    facts = spark.createDataFrame(
        [(f"file:{file.path.absolute()}", file.file_id, file.file_date) for file in files],
        "location string, file_id string, file_date date",
    )
    if not files:
        return facts.select("file_id", "file_date", F.col("location").alias("line"))
    lines = _parquet(spark, files, mapping) if mapping.files.format == "parquet" else _text(spark, files)
    # A left join: a line whose file is not recognised must fail the audit, not vanish.
    return (
        lines.coalesce(_n_tasks(spark, files))
        .join(F.broadcast(facts), on="location", how="left")
        .select("file_id", "file_date", "line")
    )


def _n_tasks(spark: SparkSession, files: Sequence[LandedFile]) -> int:
    """Tasks for that many bytes: Spark takes a small file for 4 MB, and thousands of them for hundreds of tasks."""
    by_size = sum(file.n_bytes for file in files) // _BYTES_PER_TASK + 1
    return max(by_size, spark.sparkContext.defaultParallelism)


def _location() -> Column:
    # Spark gives the path with percent escapes, in which a plus sign is itself.
    return F.url_decode(F.replace("_metadata.file_path", F.lit("+"), F.lit("%2B"))).alias("location")


def _text(spark: SparkSession, files: Sequence[LandedFile]) -> DataFrame:
    text = spark.read.text([str(file.path.absolute()) for file in files])
    return text.select(F.col("value").alias("line"), _location())


def _parquet(spark: SparkSession, files: Sequence[LandedFile], mapping: SourceMapping) -> DataFrame:
    """One read per layout among the files: types and columns may have changed over time."""
    layouts: dict[tuple[tuple[str, str], ...], list[LandedFile]] = {}
    for file in files:
        schema = pq.read_schema(file.path)
        layouts.setdefault(tuple((field.name, str(field.type)) for field in schema), []).append(file)
    read = [_rows_as_json(spark, alike, mapping) for alike in layouts.values()]
    return reduce(DataFrame.unionByName, read)


def _rows_as_json(spark: SparkSession, files: Sequence[LandedFile], mapping: SourceMapping) -> DataFrame:
    rows = spark.read.parquet(*[str(file.path.absolute()) for file in files])
    types = {field.name: field.dataType for field in rows.schema.fields}
    strings = [_as_text(name, types[name]).alias(name) for name in mapping.files.columns if name in types]
    return rows.select(F.to_json(F.struct(*strings)).alias("line"), _location())


def _as_text(name: str, kind: T.DataType) -> Column:
    """A value as a log would write it: times by ISO 8601, numbers plain, what is nested as JSON."""
    value = F.col(f"`{name}`")
    if isinstance(kind, T.TimestampType):
        return F.concat(F.date_format(value, _UTC), F.lit("Z"))
    if isinstance(kind, T.TimestampNTZType):
        return F.date_format(value, _UTC)
    if isinstance(kind, T.StructType | T.ArrayType | T.MapType):
        return F.to_json(value)
    return value.cast("string")
