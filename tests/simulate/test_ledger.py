"""A reader who knows the formats and the truth, and nothing of the writers: what is wrong is in the ledger."""

import csv
import gzip
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from affinity.simulate.faults import DISPOSITION, Fault
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


def test_the_ledger_holds_what_is_wrong_with_the_files_and_nothing_else(shop: Shop) -> None:
    lines = [line for path in _event_files(shop) for line in _read(shop, path)]
    truth = _truth(shop)
    found: Counter[tuple[str, str, int | None, str]] = Counter()
    seen: dict[str, tuple[object, ...]] = {}
    for line in lines:
        for fault in line.wrong | _beside_truth(line, truth, seen):
            found[fault, line.file, line.line, line.event_id or "?"] += 1
    expected = Counter(
        (row["fault"], row["file"], row["line"], "?" if row["fault"] == "broken" else row["event_id"])
        for row in _ledger(shop)
        if row["line"] is not None
    )
    assert found == expected
    kinds = Counter(fault for fault, *_ in expected)
    planted = {fault.name.lower() for fault in Fault if 0 < fault < Fault.BOT}
    assert set(kinds) == planted
    broken = {row["event_id"] for row in _ledger(shop) if row["fault"] == "broken"}
    assert {line.event_id for line in lines if line.event_id} | broken == set(truth)


def _beside_truth(line: Line, truth: dict[str, tuple[object, ...]], seen: dict[str, tuple[object, ...]]) -> set[str]:
    """What shows only beside the truth and the lines before: copies, other content, lateness."""
    if line.event_id is None or line.wrong:
        if line.event_id is not None:
            seen[line.event_id] = line.said
        return set()
    known = truth[line.event_id]
    if line.event_id in seen:
        if line.said != seen[line.event_id]:
            return {"same_id"}
        is_same_file = seen[line.event_id + "/file"] == (line.file,)
        return {"duplicate_line" if is_same_file else "delivered_twice"}
    seen[line.event_id], seen[line.event_id + "/file"] = line.said, (line.file,)
    assert line.said == known
    ts = known[0]
    assert isinstance(ts, datetime)
    days = (_file_date(line.file) - ts.astimezone(LONDON).date()).days
    return set() if days <= 0 else {"late" if days <= 30 else "too_late"}


def test_faults_of_files_are_there(shop: Shop) -> None:
    of_files = [row for row in _ledger(shop) if row["line"] is None]
    kinds = Counter(row["fault"] for row in of_files)
    assert {"file_again", "file_corrected", "bot", "schema_drift"} == set(kinds)
    for row in of_files:
        if row["fault"] == "file_again":
            again = shop.landing / row["file"]
            assert again.read_bytes() == again.with_name(again.name.replace("-again", "")).read_bytes()
    bots = {row["event_id"] for row in of_files if row["fault"] == "bot"}  # their cookies
    web = pl.concat(
        [pl.read_ndjson(path.read_bytes(), infer_schema_length=None) for path in _whole_hours(shop)], how="diagonal"
    )
    by_cookie = web.group_by("cookie").len().sort("len", descending=True)
    assert by_cookie["cookie"][0] in bots
    assert bots <= set(by_cookie["cookie"])
    drift_date = shop.config.start_date + timedelta(days=shop.config.drift_day)
    for path in (shop.landing / "web").rglob("*.jsonl"):
        whole = [line for line in path.read_text().splitlines() if line.endswith("}")]
        assert all(('"ab":' in line) == (_file_date(path.name) >= drift_date) for line in whole)


def _whole_hours(shop: Shop) -> Iterator[Path]:
    """Hours without a broken line, which no JSON reader takes."""
    broken = {row["file"] for row in _ledger(shop) if row["fault"] in ("broken", "wrong_type")}
    return (
        p for p in sorted((shop.landing / "web").rglob("*.jsonl")) if str(p.relative_to(shop.landing)) not in broken
    )


def test_every_fault_has_the_disposition_of_its_kind(shop: Shop) -> None:
    said = {(row["fault"], row["expected_disposition"]) for row in _ledger(shop)}
    assert said == {(fault.name.lower(), str(disposition)) for fault, disposition in DISPOSITION.items()}


def test_a_shop_without_faults_has_none(tmp_path: Path) -> None:
    from tests.simulate.making import make, tiny

    clean = make(tiny(faults=dict.fromkeys(type(tiny().faults).model_fields, 0), bot_share=0, drift_day=99), tmp_path)
    ledger = pl.read_parquet(clean.truth / "ledger" / "*.parquet")
    assert len(ledger) == 0
    assert all(not line.wrong for path in _event_files(clean) for line in _read(clean, path))


@pytest.mark.parametrize("table", ["events", "ledger", "customers", "identities", "items", "ceilings", "parameters"])
def test_other_readers_read_the_truth(shop: Shop, table: str) -> None:
    path = str(shop.truth / table)
    assert DeltaTable(path).to_pyarrow_table().num_rows == pl.read_delta(path).height > 0


def test_deliveries_tell_lines_and_bytes(shop: Shop) -> None:
    rows = DeltaTable(str(shop.truth / "deliveries")).to_pyarrow_table().to_pylist()
    for row in rows[:200]:
        path = shop.landing / row["file"]
        assert path.stat().st_size == row["n_bytes"]
        if path.suffix == ".jsonl":
            assert len(path.read_bytes().splitlines()) == row["n_lines"]
    assert len(rows) == sum(1 for path in shop.landing.rglob("*") if path.is_file())


# --- Reading. ---


def _ledger(shop: Shop) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = pq.read_table(shop.truth / "ledger").to_pylist()
    return rows


def _truth(shop: Shop) -> dict[str, tuple[object, ...]]:
    rows = pq.read_table(shop.truth / "events").to_pylist()
    told = {row["event_id"]: _said(row) for row in rows}
    assert len(told) == len(rows)
    return told


def _said(row: dict[str, object]) -> tuple[object, ...]:
    money = row["type"] in ("purchase", "return")
    item = None if row["type"] in ("search", "contact") else row["item"]
    return (row["true_ts"], row["type"], item, row["units"] if money else None, row["unit_price"] if money else None)


def _event_files(shop: Shop) -> list[Path]:
    """Files that count, in the order of their days: not those that came again."""
    folders = ("web", "app", "tills", "orders", "email")
    files = [path for folder in folders for path in (shop.landing / folder).rglob("*") if path.is_file()]
    return sorted(
        (path for path in files if "-again" not in path.name), key=lambda path: (_file_date(path.name), str(path))
    )


def _file_date(name: str) -> date:
    found = re.findall(r"\d{4}-\d{2}-\d{2}", name)
    return date.fromisoformat(found[-1])


def _read(shop: Shop, path: Path) -> Iterator[Line]:
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
        found |= {"far_future"} if (when.date() - _file_date(name)).days > 100 else set()
        found |= {"clock_skew"} if feed == "app" and (when.hour - _hour(name)) % 24 == 2 else set()
    return Line(name, number, event_id, (when, known, item, units, price), frozenset(found))


def _hour(name: str) -> int:
    return int(name.rpartition("T")[2][:2])
