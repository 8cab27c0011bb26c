"""Small logs and their mappings, read in this process: no Spark."""

import json
import tomllib
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from affinity.core.source import SourceMapping
from affinity.core.vocabulary import Feed
from affinity.io.config import conf_dir
from affinity.reading.kernel import Reader
from affinity.reading.layouts import own_layout
from affinity.reading.splits import Split

ZONE = "Europe/London"
KEY = bytes.fromhex("ab" * 32)
COLUMNS = ("ts", "what", "who", "item", "n", "price", "cookie")
Row = dict[str, Any]


def log(**changes: Any) -> SourceMapping:
    """JSON lines of what accounts did; a key of a section as ``files__format`` or ``events__amount`` changes it."""
    tree: dict[str, Any] = {
        "name": "shop",
        "time_zone": "UTC",
        "currency": "GBP",
        "files": {"format": "jsonl", "pattern": "*", "columns": COLUMNS, "withheld": ["cookie"]},
        "subject": {"column": "who", "kind": "account", "canonical": "verbatim"},
        "events": {
            "event_ts": "ts",
            "event_ts_format": "iso8601",
            "item_id": "item",
            "quantity": "n",
            "unit_price": "price",
            "type_words": {"column": "what", "words": {"look": "view", "buy": "purchase", "back": "return"}},
        },
    }
    for path, value in changes.items():
        section, _, key = path.rpartition("__")
        (tree[section] if section else tree)[key] = value
    return SourceMapping.model_validate(tree)


def shipped(name: str) -> SourceMapping:
    """A mapping of conf/sources."""
    return SourceMapping.model_validate(tomllib.loads((conf_dir() / f"sources/{name}.toml").read_text("utf-8")))


def said(**values: Any) -> bytes:
    """A JSON line of a look on New Year's Day; values are added or replaced."""
    return json.dumps({"ts": "2025-01-01T12:00:00Z", "what": "look", **values}).encode()


def landed(folder: Path, data: bytes, name: str = "log") -> Path:
    """A file of a log."""
    folder.mkdir(exist_ok=True, parents=True)
    (folder / name).write_bytes(data)
    return folder / name


def whole(path: Path, source: SourceMapping, *, day: date | None = None) -> Split:
    """A file as one split, with the columns that it says it has."""
    own = own_layout(path, source)
    assert own.fault is None, own.fault
    return Split(str(path), path.name, day, path.stat().st_size, own.columns)


def read(source: SourceMapping, parts: Sequence[Split], folder: Path, feed: Feed = Feed.EVENTS) -> list[Row]:
    """The rows of the splits, by file and line."""
    key_file = folder / "key"
    key_file.write_text(KEY.hex(), encoding="ascii")
    tables = list(Reader(source, feed, ZONE, key_file).read(parts))
    rows = pa.concat_tables(tables).to_pylist() if tables else []
    return sorted(rows, key=lambda row: (row["file_id"], row["line_no"]))


def read_lines(source: SourceMapping, folder: Path, *lines: bytes, day: date | None = None) -> list[Row]:
    """The rows of one file of these lines; of csv the header is put before them."""
    layout = source.files
    header = [layout.delimiter.join(layout.columns).encode()] if layout.format == "csv" and layout.header else []
    path = landed(folder, b"".join(line + b"\n" for line in [*header, *lines]))
    return read(source, [Split(str(path), "log", day, path.stat().st_size, layout.columns)], folder)


def utc(text: str) -> datetime:
    """A time by ISO 8601, in UTC where it names no zone."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
