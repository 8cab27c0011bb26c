"""Small mappings, and lines read by them."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from affinity.core.source import SourceMapping
from affinity.features.lines import parsed

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
    spark: SparkSession, source: SourceMapping, folder: Path, *lines: str, day: date | None = date(2025, 10, 6)
) -> DataFrame:
    """``lines.parsed`` of one file that holds these lines."""
    key_file = folder / "key"
    key_file.write_text("ab" * 32, encoding="ascii")
    frame = spark.createDataFrame([("f", day, line) for line in lines], "file_id string, file_date date, line string")
    return parsed(frame, source, key_file=str(key_file))


def by(frame: DataFrame, key: str, *columns: str) -> Mapping[Any, Any]:
    """One column, or several, of each row by its key."""
    found = {row[key]: tuple(row[name] for name in columns) for row in frame.collect()}
    return {name: values[0] if len(columns) == 1 else values for name, values in found.items()}
