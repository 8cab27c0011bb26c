"""What a mapping makes of the first lines of a file: told before anything is ingested, and without a key or a root."""

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from fnmatch import fnmatch
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from affinity.core.errors import BadInput, nearest
from affinity.core.source import SourceMapping
from affinity.core.vocabulary import Feed
from affinity.io.landing import said_date
from affinity.io.source_fields import Outcome, Row, Said, fields, got, outcome
from affinity.reading.blocks import Unreadable, chunks, line_starts
from affinity.reading.kernel import Reader
from affinity.reading.layouts import OwnLayout, own_layout
from affinity.reading.splits import Split
from affinity.reading.verdicts import whole_line


@dataclass(frozen=True)
class Example:
    """The first line that came out in its way, field by field."""

    line_no: int
    becomes: str
    fields: tuple[dict[str, str], ...]


@dataclass(frozen=True)
class FeedCheck:
    """What became of the lines for one feed: a row per way in which they came out, and an example of each."""

    feed: Feed
    outcomes: tuple[dict[str, Any], ...]
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Checked:
    """How many lines were looked at, what there is to know of the file, and what each feed makes of them."""

    n_lines: int
    notes: tuple[str, ...]
    feeds: tuple[FeedCheck, ...]


def checked(file: Path, mapping: SourceMapping, *, business_zone: str, n_lines: int) -> Checked:
    """Read the first lines of a file as the jobs would; nothing is kept, and people are tokens of a key of the moment.

    Raises:
        BadInput: the file is missing, cannot be read, or is not laid out as the mapping says.
    """
    own = _layout(file, mapping)
    whole = Split(str(file), "", _nominal_date(file, mapping), file.stat().st_size, own.columns)
    with TemporaryDirectory() as folder:
        key_file = Path(folder) / "key"
        key_file.write_text(secrets.token_hex(32), encoding="ascii")
        readers = [Reader(mapping, feed, business_zone, key_file) for feed in Feed if mapping.has(feed)]
        try:
            last_line = n_lines + int(mapping.files.format == "csv" and mapping.files.header)
            part = _beginning(whole, mapping, last_line)
            said = [Said.of(row, mapping) for row in _until(last_line, readers[0].texts(part))]
            feeds = tuple(_feed_check(reader, said, _until(last_line, reader.read([part]))) for reader in readers)
        except Unreadable as unreadable:
            raise BadInput(f"File {file} cannot be read: {unreadable}. Land it again, whole.") from None
    _refuse_unreadable(file, mapping, said)
    return Checked(len(said), tuple(_notes(file, mapping, own)), feeds)


def _layout(file: Path, mapping: SourceMapping) -> OwnLayout:
    if not file.is_file():
        if file.is_dir():
            raise BadInput(f"{file} is a folder; expected one landed file of the source.")
        near = nearest(file.name, [other.name for other in file.parent.glob("*")])
        raise BadInput(f"File {file} does not exist{near or '; expected one landed file of the source.'}")
    own = own_layout(file, mapping)
    if own.fault:
        raise BadInput(
            f"File {file} is not as source {mapping.name!r} says: {own.fault}. Mend [files] of the mapping (format, "
            "delimiter, header, columns; what some files lack may be one of optional_columns), or the file."
        )
    return own


def _refuse_unreadable(file: Path, mapping: SourceMapping, said: Sequence[Said]) -> None:
    if not said:
        raise BadInput(f"File {file} has no line but a header or blank ones: there is nothing to look at.")
    if not any(line.fault is None for line in said):
        raise BadInput(
            f"File {file} is not as source {mapping.name!r} says: none of its first {len(said)} lines can be read. "
            f"Line {said[0].line_no} has {said[0].fault}; expected {whole_line(mapping)}. "
            "Mend [files] of the mapping: format, delimiter, quote, header, columns."
        )


def _nominal_date(file: Path, mapping: SourceMapping) -> date | None:
    """The date in the name of a file; of a snapshot without one today, so that there is something to show."""
    found = re.search(mapping.files.date_pattern, file.name) if mapping.files.date_pattern else None
    try:
        day = date.fromisoformat(found["date"]) if found else None
    except ValueError:
        day = None
    return datetime.now(UTC).date() if day is None and mapping.is_dated_by_name else day


def _beginning(whole: Split, mapping: SourceMapping, last_line: int) -> Split:
    """The part of a file that has the line and little more; of Parquet its first group of rows."""
    if mapping.files.format == "parquet":
        return replace(whole, end=1)
    starts = line_starts(next(chunks(whole), b""))
    return replace(whole, end=int(starts[min(last_line, len(starts) - 1)]))


def _until(last_line: int, tables: Iterator[pa.Table]) -> list[Row]:
    """The rows up to a line, in order."""
    rows: list[Row] = []
    for table in tables:
        beginning = table.filter(pc.less_equal(table["line_no"], last_line))
        rows += beginning.to_pylist()
        if len(beginning) < len(table):
            break
    return sorted(rows, key=lambda row: int(row["line_no"]))


def _feed_check(reader: Reader, said: Sequence[Said], read: Sequence[Row]) -> FeedCheck:
    """The ways in which lines came out, in the order in which they came up; a line has at most one row of a feed."""
    mapping, feed = reader.mapping, reader.feed
    rows = {row["line_no"]: row for row in read}
    alike: dict[Outcome, list[Said]] = {}
    for line in said:
        alike.setdefault(outcome(mapping, feed, line, rows.get(line.line_no)), []).append(line)
    counted = [_counted(mapping, found, lines) for found, lines in alike.items()]
    examples = [
        Example(line.line_no, found.becomes, fields(mapping, feed, line, row))
        for found, (line, *_others) in alike.items()
        if line.fault is None and (row := rows.get(line.line_no))
    ]
    return FeedCheck(feed, (*counted, *_flagged(rows)), tuple(examples))


def _counted(mapping: SourceMapping, found: Outcome, lines: Sequence[Said]) -> dict[str, Any]:
    return {
        "what becomes of it": found.becomes,
        "lines": len(lines),
        "first": f"line {lines[0].line_no}",
        "column": " + ".join(found.columns),
        "expected": found.expected,
        "got": got(mapping, found, lines[0]),
    }


def _flagged(rows: Mapping[int, Row]) -> Iterator[dict[str, Any]]:
    """Defects of events that are accepted with them."""
    first: dict[str, list[int]] = {}
    for line_no, row in rows.items():
        for defect in row.get("defects", ()) if row.get("rejection") is None else ():
            first.setdefault(defect, []).append(line_no)
    for defect, lines in first.items():
        empty = dict.fromkeys(("column", "expected", "got"), "")
        yield {
            "what becomes of it": f"  of these flagged {defect}",
            "lines": len(lines),
            "first": f"line {lines[0]}",
        } | empty


def _notes(file: Path, mapping: SourceMapping, own: OwnLayout) -> Iterator[str]:
    """What may surprise, and what an ingest would stumble over."""
    layout = mapping.files
    if own.extra:
        yield f"not looked at: {', '.join(map(_plain, own.extra))}"
    if own.missing:
        yield f"not in the file, and null: {', '.join(own.missing)}"
    if layout.withheld:
        yield f"withheld, and stored nowhere: {', '.join(layout.withheld)}"
    if not fnmatch(file.name, PurePath(layout.pattern).name):
        yield f"its name does not fit files.pattern = {layout.pattern!r}: an ingest would not find it"
    if layout.date_pattern and not re.search(layout.date_pattern, file.name):
        told = "an ingest would refuse it; read here as of today" if mapping.is_dated_by_name else "it has no date"
        yield f"its name does not fit files.date_pattern = {layout.date_pattern!r}: {told}"
    elif said := said_date(file.name, mapping):
        yield f"its name says the date {said}" + (
            "" if _is_date(said) else ", which is none: an ingest would refuse it"
        )


def _is_date(said: str) -> bool:
    try:
        date.fromisoformat(said)
    except ValueError:
        return False
    return True


def _plain(name: str) -> str:
    return name if name.isprintable() else repr(name)
