"""From the lines of a block to one text per column of the mapping, as SQL over the table ``block``."""

import csv
import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from affinity.core.source import FileLayout
from affinity.reading.blocks import MAX_LINE_BYTES
from affinity.reading.spelling import quoted

csv.field_size_limit(MAX_LINE_BYTES)  # else a long text in quotes would be no field


def fields(layout: FileLayout, present: Sequence[str]) -> str:
    """The query from ``block`` to ``file_no, file_date, line_no, is_whole, shape, whole_line, fault, v0, v1, …``.

    The three before the values tell of a line that is not whole: what it looks like, all of it, and why it is not.
    ``present`` are the columns that the files of the block have, in their order; a wanted one that is not is null.
    """
    query = {"csv": _csv, "jsonl": _json, "parquet": _parquet}[layout.format]
    return query(layout, present)


def _values(layout: FileLayout, found: dict[str, str]) -> str:
    return ", ".join(
        f"{found.get(name, 'CAST(NULL AS VARCHAR)')} AS v{number}" for number, name in enumerate(layout.columns)
    )


# A line has one line feed, its end; trimming looks at every letter, and few logs have the returns of Windows.
_BARE = (
    "CASE WHEN ends_with(line, chr(13) || chr(10)) OR ends_with(line, chr(13)) THEN rtrim(line, chr(13) || chr(10)) "
    "ELSE replace(line, chr(10), '') END"
)
_OF_LINE = f"""SELECT file_no, file_date, line_no, f IS NOT NULL AS is_whole,
    CASE WHEN f IS NULL THEN masked({_BARE}) END AS shape, CASE WHEN f IS NULL THEN {_BARE} END AS whole_line"""
_NO_TEXT = "WHEN NOT is_text THEN 'bytes that are no UTF-8'"


def _csv(layout: FileLayout, present: Sequence[str]) -> str:
    # A list of no parts stands for a line with another number of fields.
    places = {name: f"f[{number + 1}]" for number, name in enumerate(present)}
    split = f"string_split({_BARE}, {quoted(layout.delimiter)})"
    fault = f"{_NO_TEXT} WHEN len(parts) = 0 THEN 'broken quotes' ELSE len(parts) || ' fields'"
    return f"""
{_OF_LINE}, CASE WHEN f IS NULL THEN CASE {fault} END END AS fault, {_values(layout, places)}
FROM (
    SELECT *, CASE WHEN is_text AND len(parts) = {len(present)} THEN parts END AS f
    FROM (SELECT *, CASE WHEN has_quotes THEN quoted_parts ELSE {split} END AS parts FROM block)
)
"""


def _json(layout: FileLayout, _present: Sequence[str]) -> str:
    # TRY reads a chunk of good lines once; only where one is broken its lines are read one by one.
    is_object = "is_text AND starts_with(ltrim(line, ' ' || chr(9)), '{')"
    paths = ", ".join(quoted(json_path(name)) for name in layout.columns)
    places = {name: f"f[{number + 1}]" for number, name in enumerate(layout.columns)}
    return f"""
{_OF_LINE}, CASE WHEN f IS NULL THEN CASE {_NO_TEXT} ELSE 'no JSON object' END END AS fault, {_values(layout, places)}
FROM (
    SELECT *, CASE WHEN {is_object} THEN said END AS f
    FROM (SELECT *, TRY(json_extract_string(line, [{paths}])) AS said FROM block)
)
"""


def json_path(name: str) -> str:
    """The path of a column in an object: a.b is b within a."""
    return "$" + "".join(f'."{part}"' for part in name.split("."))


def _parquet(layout: FileLayout, present: Sequence[str]) -> str:
    places = {name: f"c{number}" for number, name in enumerate(present)}
    nothing = "CAST(NULL AS VARCHAR)"
    return f"""
SELECT file_no, file_date, line_no, true AS is_whole, {nothing} AS shape, {nothing} AS whole_line, {nothing} AS fault,
    {_values(layout, places)}
FROM block
"""


def as_texts(rows: pa.Table) -> dict[str, str]:
    """SQL that spells each column of a Parquet block as a log would: times by ISO 8601, what is nested as JSON."""
    return {field.name: _as_text(field.name, field.type) for field in rows.schema if field.name.startswith("c")}


def _as_text(name: str, kind: pa.DataType) -> str:
    if pa.types.is_timestamp(kind):
        return f"strftime({name}, '%Y-%m-%dT%H:%M:%S.%f{'Z' if kind.tz else ''}')"
    if pa.types.is_nested(kind):
        return f"CAST(to_json({name}) AS VARCHAR)"
    if pa.types.is_floating(kind):  # 16.0 and 16 are one, in whichever type a writer kept them
        return f"regexp_replace(CAST({name} AS VARCHAR), '\\.0$', '')"
    return f"CAST({name} AS VARCHAR)"


def split_quoted(lines: pa.Array, layout: FileLayout) -> dict[str, pa.Array]:
    """``has_quotes`` of csv lines, and ``quoted_parts``: their fields; no fields where the quotes do not close."""
    marks = {layout.quote, layout.escape}
    if not any(_occurs(mark, lines) for mark in marks):
        return {"has_quotes": pa.repeat(False, len(lines)), "quoted_parts": pa.nulls(len(lines), pa.list_(pa.string()))}
    has_quotes = pc.match_substring(lines, layout.quote)
    for mark in marks - {layout.quote}:
        has_quotes = pc.or_(has_quotes, pc.match_substring(lines, mark))
    parts = [split_line(line, layout) for line in lines.filter(has_quotes).to_pylist()]
    places = pc.if_else(has_quotes, pc.subtract(pc.cumulative_sum(has_quotes.cast(pa.int32())), 1), None)
    return {"has_quotes": has_quotes, "quoted_parts": pa.array(parts, pa.list_(pa.string())).take(places)}


def _occurs(mark: str, lines: pa.Array) -> bool:
    """Whether the text that the lines lie in has a mark anywhere."""
    data = lines.buffers()[2]
    return data is not None and re.search(re.escape(mark.encode()), data) is not None


def split_line(line: str, layout: FileLayout) -> list[str]:
    """The fields of one line of csv; none where its quotes do not close."""
    doubled = layout.escape == layout.quote
    try:
        (parts,) = csv.reader(
            [line.rstrip("\r\n")],
            delimiter=layout.delimiter,
            quotechar=layout.quote,
            doublequote=doubled,
            escapechar=None if doubled else layout.escape,
            strict=True,
        )
    except (csv.Error, ValueError):
        return []
    return parts
