"""Small mappings, and lines read by them."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame

from affinity.core.source import SourceMapping
from affinity.core.vocabulary import Feed
from affinity.reading.kernel import Reader
from affinity.reading.splits import Split

ZONE = "Europe/London"


def mapping(**sections: Any) -> SourceMapping:
    """A mapping of JSON lines; sections are given whole, but for [files], which is filled in."""
    files = {"format": "jsonl", "pattern": "*.jsonl", "date_pattern": r"(?P<date>\d{4}-\d{2}-\d{2})"}
    given = {"name": "shop", "time_zone": "UTC", **sections}
    return SourceMapping.model_validate({**given, "files": {**files, **given["files"]}})


def clicks(**events: Any) -> SourceMapping:
    """Clicks with a native id, a time, a word for the type and an account; money where the words tell of it."""
    feed = {
        "event_id": "id",
        "event_ts": "ts",
        "event_ts_format": "iso8601",
        "item_id": "item",
        "quantity": "n",
        "unit_price": "price",
        "type_words": {"column": "what", "words": {"look": "view", "buy": "purchase", "back": "return"}},
    }
    return mapping(
        currency="GBP",
        files={"columns": ["id", "ts", "what", "who", "item", "n", "price", "cookie"], "withheld": ["cookie"]},
        subject={"column": "who", "kind": "account", "canonical": "verbatim"},
        events={**feed, **events},
    )


def read(
    source: SourceMapping,
    folder: Path,
    *lines: str,
    day: date | None = date(2025, 10, 6),
    feed: Feed = Feed.EVENTS,
    key: str = "ab" * 32,
) -> pa.Table:
    """What the reader makes of one file that holds these lines, with ``source``."""
    (folder / key).write_text(key, encoding="ascii")
    path = folder / "landed"
    header = [source.files.delimiter.join(source.files.columns)] if source.files.format == "csv" else []
    path.write_text("".join(f"{line}\n" for line in [*header, *lines]), encoding="utf-8")
    part = Split(str(path), "f", day, path.stat().st_size, source.files.columns)
    reader = Reader(source, feed, ZONE, folder / key)
    rows = pa.concat_tables(reader.read([part]))
    return rows.append_column("source", pa.repeat(pa.scalar(source.name), len(rows)))


def by(rows: DataFrame | Sequence[Mapping[str, Any]], key: str, *columns: str) -> Mapping[Any, Any]:
    """One column, or several, of each row by its key."""
    listed = [row.asDict() for row in rows.collect()] if isinstance(rows, DataFrame) else rows
    found = {row[key]: tuple(row[name] for name in columns) for row in listed}
    return {name: values[0] if len(columns) == 1 else values for name, values in found.items()}
