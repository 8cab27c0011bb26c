"""Reads what landed as a stranger would: by the formats of the channels alone, without the code that wrote it."""

import csv
import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow.parquet as pq

from affinity.simulate.place import Shop

LONDON = ZoneInfo("Europe/London")
WORDS = {
    "web": {"view": "view", "search": "search", "cart": "cart", "review": "review"},
    "app": {"screen_view": "view", "find": "search", "add_to_basket": "cart", "rate": "review"},
    "tills": {"S": "purchase", "R": "return"},
    "orders": {"order": "purchase", "return": "return"},
    "email": dict.fromkeys(("sent", "opened", "clicked"), "contact"),
}


@dataclass(frozen=True)
class Line:
    """What one landed line says; ``wrong`` are the faults that show in the line itself."""

    file: str
    line: int
    event_id: str | None
    said: tuple[object, ...]
    wrong: frozenset[str]


def ledger(shop: Shop) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = pq.read_table(shop.truth / "ledger").to_pylist()
    return rows


def truth(shop: Shop) -> dict[str, tuple[object, ...]]:
    rows = pq.read_table(shop.truth / "events").to_pylist()
    told = {row["event_id"]: _said(row) for row in rows}
    assert len(told) == len(rows)
    return told


def _said(row: dict[str, object]) -> tuple[object, ...]:
    money = row["type"] in ("purchase", "return")
    item = None if row["type"] in ("search", "contact") else row["item"]
    return (row["true_ts"], row["type"], item, row["units"] if money else None, row["unit_price"] if money else None)


def event_files(shop: Shop) -> list[Path]:
    """Files that count, in the order of their days: not those that came again."""
    folders = ("web", "app", "tills", "orders", "email")
    files = [path for folder in folders for path in (shop.landing / folder).rglob("*") if path.is_file()]
    return sorted(
        (path for path in files if "-again" not in path.name), key=lambda path: (file_date(path.name), str(path))
    )


def file_date(name: str) -> date:
    found = re.findall(r"\d{4}-\d{2}-\d{2}", name)
    return date.fromisoformat(found[-1])


def read(shop: Shop, path: Path) -> Iterator[Line]:
    name, feed = str(path.relative_to(shop.landing)), path.relative_to(shop.landing).parts[0]
    if feed == "orders":
        for number, row in enumerate(pq.read_table(path).to_pylist(), 1):
            yield _line(
                name,
                number,
                row["line_id"],
                (row["placed_at"], row["kind"], row["item"], row["quantity"], row["unit_price"]),
                feed,
            )
    elif feed == "tills":
        for number, fields in enumerate(csv.reader(path.read_text().splitlines()), 1):
            if number > 1:
                yield _till_line(name, number, fields)
    else:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        for number, text in enumerate(content.decode().splitlines(), 1):
            yield _json_line(name, number, text, feed)


def _till_line(name: str, number: int, fields: list[str]) -> Line:
    if len(fields) != 9:
        return Line(name, number, None, (), frozenset({"broken"}))
    ref, _, _, when, _, item, quantity, price, kind = fields
    local = datetime.strptime(when, "%d/%m/%Y %H:%M:%S").replace(tzinfo=LONDON)
    is_number = quantity.lstrip("-").isdecimal()
    wrong = frozenset() if is_number else frozenset({"wrong_type"})
    units = abs(int(quantity)) if is_number else None
    if is_number and kind in WORDS["tills"]:
        assert (int(quantity) < 0) == (kind == "R")
    return _line(name, number, ref, (local.astimezone(UTC), kind, item, units, Decimal(price)), "tills", wrong)


def _json_line(name: str, number: int, text: str, feed: str) -> Line:
    try:
        row = json.loads(text)
    except json.JSONDecodeError:
        return Line(name, number, None, (), frozenset({"broken"}))
    wrong: set[str] = set()
    if feed == "app":
        ts, kind, item, event_id = row["epoch"], row["action"], row.get("sku"), row["event"]
        user = row["user"]
        wrong |= {"null_id"} if user is None else {"blank_id"} if not user.strip() else set()
        wrong |= {"odd_id"} if user and user.strip() and not (user.isdecimal() and len(user) == 8) else set()
        wrong |= {"milliseconds"} if isinstance(ts, int) and ts > 10**11 else set()
        when = datetime.fromtimestamp(ts, UTC) if isinstance(ts, int) and ts < 10**11 else None
        wrong |= set() if isinstance(ts, int) else {"wrong_type"}
    else:
        stamp = row["ts"] if feed == "web" else row["at"]
        kind, item = (row["type"], row.get("item")) if feed == "web" else (row["what"], None)
        event_id = row["id"] if feed == "web" else row["message"]
        try:
            when = datetime.fromisoformat(stamp).replace(tzinfo=UTC)
        except ValueError:
            when = None
            wrong.add("wrong_type")
    return _line(name, number, event_id, (when, kind, item, None, None), feed, frozenset(wrong))


def _line(
    name: str, number: int, event_id: str, said: tuple[object, ...], feed: str, wrong: frozenset[str] = frozenset()
) -> Line:
    when, kind, item, units, price = said
    known = WORDS[feed].get(str(kind))
    found = set(wrong)
    found |= {"unknown_type"} if known is None else set()
    found |= {"unknown_item"} if isinstance(item, str) and item.startswith("X") else set()
    found |= {"negative_price"} if isinstance(price, Decimal) and price < 0 else set()
    found |= {"huge_price"} if isinstance(price, Decimal) and price > 10**9 else set()
    if isinstance(when, datetime):
        found |= {"far_future"} if (when.date() - file_date(name)).days > 100 else set()
        found |= {"clock_skew"} if feed == "app" and (when.hour - _hour(name)) % 24 == 2 else set()
    return Line(name, number, event_id, (when, known, item, units, price), frozenset(found))


def _hour(name: str) -> int:
    return int(name.rpartition("T")[2][:2])
