"""A reader who knows the formats and the truth, and nothing of the writers: what is wrong is in the ledger."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable

from affinity.simulate.faults import DISPOSITION, Fault
from affinity.simulate.place import Shop
from tests.simulate.reader import LONDON, Line, event_files, file_date, ledger, read, truth


def test_the_ledger_holds_what_is_wrong_with_the_files_and_nothing_else(shop: Shop) -> None:
    lines = [line for path in event_files(shop) for line in read(shop, path)]
    true = truth(shop)
    found: Counter[tuple[str, str, int | None, str]] = Counter()
    seen: dict[str, tuple[object, ...]] = {}
    for line in lines:
        for fault in line.wrong | _beside_truth(line, true, seen):
            found[fault, line.file, line.line, line.event_id or "?"] += 1
    expected = Counter(
        (row["fault"], row["file"], row["line"], "?" if row["fault"] == "broken" else row["event_id"])
        for row in ledger(shop)
        if row["line"] is not None
    )
    assert found == expected
    kinds = Counter(fault for fault, *_ in expected)
    planted = {fault.name.lower() for fault in Fault if 0 < fault < Fault.BOT}
    assert set(kinds) == planted
    broken = {row["event_id"] for row in ledger(shop) if row["fault"] == "broken"}
    assert {line.event_id for line in lines if line.event_id} | broken == set(true)


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
    days = (file_date(line.file) - ts.astimezone(LONDON).date()).days
    return set() if days <= 0 else {"late" if days <= 30 else "too_late"}


def test_faults_of_files_are_there(shop: Shop) -> None:
    of_files = [row for row in ledger(shop) if row["line"] is None]
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
        assert all(('"ab":' in line) == (file_date(path.name) >= drift_date) for line in whole)


def _whole_hours(shop: Shop) -> Iterator[Path]:
    """Hours without a broken line, which no JSON reader takes."""
    broken = {row["file"] for row in ledger(shop) if row["fault"] in ("broken", "wrong_type")}
    return (
        p for p in sorted((shop.landing / "web").rglob("*.jsonl")) if str(p.relative_to(shop.landing)) not in broken
    )


def test_every_fault_has_the_disposition_of_its_kind(shop: Shop) -> None:
    said = {(row["fault"], row["expected_disposition"]) for row in ledger(shop)}
    assert said == {(fault.name.lower(), str(disposition)) for fault, disposition in DISPOSITION.items()}


def test_a_shop_without_faults_has_none(tmp_path: Path) -> None:
    from tests.simulate.making import make, tiny

    clean = make(tiny(faults=dict.fromkeys(type(tiny().faults).model_fields, 0), bot_share=0, drift_day=99), tmp_path)
    ledger = pl.read_parquet(clean.truth / "ledger" / "*.parquet")
    assert len(ledger) == 0
    assert all(not line.wrong for path in event_files(clean) for line in read(clean, path))


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
