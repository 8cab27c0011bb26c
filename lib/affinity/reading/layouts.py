"""What a file itself says of its layout, beside what its mapping says; told from its beginning alone."""

import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from affinity.core.source import SourceMapping
from affinity.reading.blocks import Unreadable, beginning
from affinity.reading.fields import split_line

_SAMPLE_LINES = 50
_ENOUGH = 5


@dataclass(frozen=True)
class OwnLayout:
    """The columns of a file, in its order; what it lacks and has beyond the mapping; why it cannot be read, if so."""

    columns: tuple[str, ...]
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    fault: str | None = None

    @property
    def drift(self) -> str | None:
        """The difference to the mapping that was borne, as JSON; null where there is none."""
        told = {"missing": list(self.missing), "new": list(self.extra)}
        return json.dumps({key: names for key, names in told.items() if names}) if any(told.values()) else None


def own_layout(path: Path, mapping: SourceMapping) -> OwnLayout:
    """Look at a file: its header, its schema, or the keys of its first lines."""
    if not path.stat().st_size:
        return OwnLayout(mapping.files.columns)
    looks = {"csv": _of_csv, "jsonl": _of_jsonl, "parquet": _of_parquet}
    return looks[mapping.files.format](path, mapping)


def _of_csv(path: Path, mapping: SourceMapping) -> OwnLayout:
    layout = mapping.files
    if not layout.header:
        text, fault = _text(path, mapping.files.encoding)
        return OwnLayout(layout.columns, fault=fault)
    text, fault = _text(path, mapping.files.encoding)
    first = next((line for line in text.split("\n") if line.strip()), None)
    if fault or first is None:  # an empty file has no header, and says nothing
        return OwnLayout(layout.columns, fault=fault)
    got = tuple(name.strip() for name in split_line(first, layout))
    if not set(got) & set(layout.columns):
        fault = f"its first line, of {len(got)} fields, is no header (expected {list(layout.columns)})"
        return OwnLayout(got, fault=fault)
    return _compared(got, mapping)


def _of_parquet(path: Path, mapping: SourceMapping) -> OwnLayout:
    try:
        schema = pq.read_schema(path)
    except (OSError, pa.ArrowException):
        return OwnLayout((), fault="it is no whole Parquet file")
    found = _compared(schema.names, mapping)
    wanted = tuple(name for name in schema.names if name in mapping.files.columns)
    raw = [name for name in wanted if pa.types.is_fixed_size_binary(schema.field(name).type)]
    fault = f"{raw} are raw bytes (expected texts, numbers, times, or Parquet's own UUID)" if raw else None
    return OwnLayout(wanted, found.missing, found.extra, found.fault or fault)


def _compared(got: Sequence[str], mapping: SourceMapping) -> OwnLayout:
    layout = mapping.files
    missing = tuple(name for name in layout.columns if name not in got)
    extra = tuple(name for name in got if name not in layout.columns)
    needed = [name for name in missing if name not in layout.optional_columns]
    lower, wanted = [name.lower() for name in got], {name.lower() for name in layout.columns}
    twice = sorted({name for name in got if name.lower() in wanted and lower.count(name.lower()) > 1})
    faults = [
        f"missing {needed}" if needed else "",
        f"{twice} are one name but for upper and lower case" if twice else "",
    ]
    told = ", ".join(fault for fault in faults if fault)
    fault = f"{told} (expected {list(layout.columns)}, got {list(got)})" if told else None
    return OwnLayout(tuple(got), missing, extra, fault)


def _of_jsonl(path: Path, mapping: SourceMapping) -> OwnLayout:
    """A key may be missing in a line; the time in all of the first lines, or a key twice in one, is no such log."""
    text, fault = _text(path, mapping.files.encoding)
    if fault:
        return OwnLayout((), fault=fault)
    objects = [found for line in text.split("\n")[:_SAMPLE_LINES] if (found := _object(line)) is not None]
    wanted = mapping.files.columns
    roots = {name.split(".")[0] for name in wanted}
    seen = {path for found in objects for path in _paths(found)}
    missing = tuple(name for name in wanted if name not in seen) if objects else ()
    extra = tuple(sorted(path for path in seen if "." not in path and path not in roots))
    clash = next((twice for found in objects if (twice := _twice(found, roots))), None)
    if clash:
        fault = f"a line has {clash} twice, upper and lower case being one"
    times = mapping.events.ts_columns if mapping.events else ()
    if len(objects) >= _ENOUGH and any(name in missing for name in times):
        fault = f"none of its first {len(objects)} lines has {[n for n in times if n in missing]} (got {sorted(seen)})"
    return OwnLayout(wanted, missing, extra, fault)


class _Object(list[tuple[str, object]]):
    """An object of JSON as its pairs, also those that come twice."""


def _object(line: str) -> _Object | None:
    """The object that a line is; None where it is none."""
    try:
        whole = json.loads(line, object_pairs_hook=_Object)
    except (ValueError, RecursionError):
        return None
    return whole if isinstance(whole, _Object) else None


def _paths(found: _Object, above: str = "") -> Iterator[str]:
    """The names of all values, a.b for b within a."""
    for key, value in found:
        yield above + key
        if isinstance(value, _Object):
            yield from _paths(value, f"{above}{key}.")


def _twice(found: _Object, wanted: Collection[str]) -> list[str]:
    keys = Counter(key.lower() for key, _value in found)
    return sorted(name for name in wanted if keys[name.lower()] > 1)


def _text(path: Path, encoding: str) -> tuple[str, str | None]:
    """The beginning of a file as text, of which the last line may be cut; and why it is none."""
    try:
        data = beginning(path)
    except Unreadable as unreadable:
        return "", str(unreadable)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\x00" in data[:200]:
        return "", "it is no UTF-8 (UTF-16, or no text at all); expected UTF-8"
    return data.decode("utf-8-sig" if encoding == "utf-8" else encoding, "replace"), None
