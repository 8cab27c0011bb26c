"""Answers as text: a table to look at, CSV or JSON to go on with.

CSV is RFC 4180 with a header; null is an empty cell, lists are JSON, and a text that a spreadsheet would run as a
formula gets a leading apostrophe. JSON is one array with a row per line. In both, dates and times are ISO 8601 (UTC)
and decimals keep their digits: in JSON they are strings, for a JSON number would be rounded by most readers.
"""

import csv
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from itertools import islice
from typing import IO, Any

from affinity.core.errors import BadInput

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_CONTROL = dict.fromkeys([*range(32), *range(127, 160)], "\N{REPLACEMENT CHARACTER}")
_SHOWN = 200


class Format(StrEnum):
    """How an answer is written."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


@dataclass(frozen=True)
class Answer:
    """The result of a query; ``rows`` are read as they are asked for."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]

    def records(self) -> list[dict[str, Any]]:
        """All rows by column name."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]


def write(answer: Answer, form: Format, out: IO[str]) -> None:
    """Write all rows; a table holds the first of them only."""
    writers: Mapping[Format, Callable[[Answer, IO[str]], None]] = {
        Format.TABLE: write_table,
        Format.CSV: write_csv,
        Format.JSON: write_json,
    }
    writers[form](answer, out)


def answer_of(rows: Sequence[Mapping[str, Any]]) -> Answer:
    """Rows by name as an answer; the first row has all columns."""
    columns = tuple(rows[0]) if rows else ()
    return Answer(columns, (tuple(row[name] for name in columns) for row in rows))


def write_csv(answer: Answer, out: IO[str]) -> None:
    """Comma-separated values."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(_inert(name) for name in answer.columns)
    writer.writerows([_csv_cell(value) for value in row] for row in answer.rows)


def write_json(answer: Answer, out: IO[str]) -> None:
    """One array, one row per line.

    Raises:
        BadInput: two columns have one name.
    """
    twice = sorted({name for name in answer.columns if answer.columns.count(name) > 1})
    if twice:
        raise BadInput(f"JSON needs one name per column, but {', '.join(twice)} came twice; name the columns with AS.")
    out.write("[")
    separator = "\n"
    for row in answer.rows:
        out.write(separator + to_json_line(dict(zip(answer.columns, row, strict=True))))
        separator = ",\n"
    out.write("\n]\n")


def to_json_line(value: object) -> str:
    """A value as JSON on one line."""
    return json.dumps(plain(value), ensure_ascii=False, allow_nan=False)


def plain(value: Any) -> Any:
    """A value in JSON's terms; not-a-number and the infinities are null.

    >>> plain({"amount": Decimal("1.5000"), "day": date(2011, 9, 1), "share": float("nan")})
    {'amount': '1.5000', 'day': '2011-09-01', 'share': None}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part) for part in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else text_of(value)


def text_of(value: Any) -> str:
    """A value as text; null is empty.

    >>> text_of(datetime(2011, 9, 1, 8, 5, tzinfo=UTC)), text_of(None)
    ('2011-09-01T08:05:00Z', '')
    """
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple | dict):
        return to_json_line(value)
    if isinstance(value, bytes):
        return value.hex()
    return "" if value is None else f"{value:f}" if isinstance(value, Decimal) else str(value)


def write_table(answer: Answer, out: IO[str]) -> None:
    """A table to look at; as wide as it needs where ``out`` is no terminal."""
    from rich.console import Console
    from rich.measure import Measurement
    from rich.table import Table

    rows = list(islice(answer.rows, _SHOWN + 1))
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name, cells in zip(answer.columns, _columns(rows[:_SHOWN], len(answer.columns)), strict=True):
        is_text = any(isinstance(cell, str | list | tuple | dict) for cell in cells)
        table.add_column(_seen(name), justify="left" if is_text else "right", overflow="fold")
    for row in rows[:_SHOWN]:
        table.add_row(*(_seen(_shown(value)) for value in row))
    console = Console(file=out, highlight=False)
    if not console.is_terminal:
        console.width = max(80, Measurement.get(console, console.options.update(max_width=100_000), table).maximum)
    console.print(table)
    if len(rows) > _SHOWN:
        console.print(f"The first {_SHOWN} rows; all of them with --format csv or json.")
    elif not rows:
        console.print("No rows.")


def _columns(rows: Sequence[tuple[Any, ...]], n: int) -> Iterator[list[Any]]:
    return ([row[index] for row in rows] for index in range(n))


def _shown(value: Any) -> str:
    """A value for the eye: thousands are grouped, and times end at the second."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.4f}"
    if isinstance(value, int | Decimal):
        return f"{value:,}"
    return text_of(value.replace(microsecond=0) if isinstance(value, datetime) else value)


def _seen(text: str) -> Any:
    """Text of the data as it is: no markup, and no control character reaches the terminal."""
    from rich.text import Text

    return Text(text.translate(_CONTROL))


def _csv_cell(value: Any) -> str:
    return _inert(value) if isinstance(value, str) else text_of(value)


def _inert(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
