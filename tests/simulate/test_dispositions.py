"""The platform beside the ledger: every line of every channel becomes what a right platform makes of it."""

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from affinity.core.vocabulary import FileState, Status
from affinity.io.config import load_config
from affinity.io.job import find
from affinity.io.plan import Request
from affinity.io.platform import Platform
from affinity.io.releases import Releases
from affinity.io.runner import run_job
from affinity.jobs.catalog import JOBS
from affinity.simulate.place import Shop
from affinity.tables import bronze, ops, silver
from tests.simulate.reader import ledger, truth

SOURCES = ("shop_web", "shop_app", "shop_tills", "shop_orders", "shop_email")
# The reason that each kind of fault is found by; a kind with several shows in different columns.
REASONS = {
    "too_late": {"event_ts_late"},
    "delivered_twice": {"same_event_id"},
    "duplicate_line": {"same_event_id"},
    "same_id": {"same_event_id"},
    "broken": {"unparsable"},
    "unknown_type": {"event_type_unknown"},
    "far_future": {"event_ts_future"},
    "milliseconds": {"event_ts_future"},
    "negative_price": {"price_not_positive"},
    "huge_price": {"price_invalid", "amount_invalid"},
    "wrong_type": {"event_ts_invalid", "quantity_invalid", "price_invalid", "event_type_unknown"},
}


@pytest.fixture(scope="session")
def platform(spark: SparkSession, shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Platform:
    """A root that has ingested and cleaned all channels of events."""
    root = tmp_path_factory.mktemp("dispositions") / "root"
    made = Platform.open(load_config(overrides=[f"store.root={root}"]), session=spark)
    for source in SOURCES:
        assert _run(made, "ingest_events", source, shop.landing) is Status.DONE
    assert _run(made, "clean_events", None, None) is Status.DONE
    return made


def _run(platform: Platform, job: str, source: str | None, landing: Path | None) -> Status:
    return run_job(platform, find(job, JOBS), Request(None, (source,) if source else (), landing)).status


def _rows(platform: Platform, spec: Any, *columns: str) -> list[tuple[Any, ...]]:
    frame = platform.store.read(spec, Releases.of(platform.ops).version(spec))
    return [tuple(row) for row in frame.selectExpr(*columns).collect()]


def _manifest(platform: Platform) -> list[dict[str, Any]]:
    return platform.ops.read(ops.FILES, Releases.of(platform.ops).version(ops.FILES))


def _other_names(platform: Platform) -> set[str]:
    return {name for row in _manifest(platform) for name in json.loads(row["also_seen_as"] or "{}")}


def test_every_line_has_the_disposition_of_the_ledger_by_file_line_and_kind(platform: Platform, shop: Shop) -> None:
    files = {row["file_id"]: row["path"].replace("-again", "") for row in _manifest(platform)}
    columns = ("file_id", "line_no", "disposition", "reason")
    found = {(files[f], line): (what, why) for f, line, what, why in _rows(platform, silver.QUARANTINE, *columns)}
    planted = {
        (row["file"], row["line"]): (row["expected_disposition"], row["fault"])
        for row in ledger(shop)
        if row["line"] is not None and row["expected_disposition"] in ("quarantined", "duplicate")
    }
    # A file of nothing but what was delivered before may be, byte for byte, a file that came before: it is not read.
    told_twice = {p for p, (_what, fault) in planted.items() if fault == "delivered_twice" and p[0] in files.values()}
    unread = {p for p, (_what, fault) in planted.items() if fault == "delivered_twice"} - told_twice
    assert {file for file, _line in unread} <= _other_names(platform)
    assert {fault for _what, fault in planted.values()} == set(REASONS)
    expected = {place: what for place, (what, _fault) in planted.items() if place not in unread}
    others = {place: what for place, (what, _why) in found.items() if place not in expected}
    lacking = {place: planted[place] for place in expected if found.get(place, ("accepted",))[0] != expected[place]}
    assert (lacking, others) == ({}, {})
    wrong = [
        (p, found[p][1], fault)
        for p, (_w, fault) in planted.items()
        if p in found and found[p][1] not in REASONS[fault]
    ]
    assert not wrong


def test_what_is_accepted_is_the_truth(platform: Platform, shop: Shop) -> None:
    """Numbers of events by type, and all that was ever paid and paid back, but for what the ledger takes out."""
    true = truth(shop)
    lost = {row["event_id"] for row in ledger(shop) if row["expected_disposition"] == "quarantined"}
    expected = Counter(said[1] for event_id, said in true.items() if event_id not in lost)
    accepted = _rows(platform, silver.EVENTS, "event_type", "amount", "item_id")
    assert Counter(kind for kind, _amount, _item in accepted) == expected
    for kind in ("purchase", "return"):
        paid = [said[3] * said[4] for event_id, said in true.items() if said[1] == kind and event_id not in lost]  # type: ignore[operator]
        assert sum(amount for k, amount, _item in accepted if k == kind) == sum(map(Decimal, map(str, paid)))


def test_files_balance_and_those_that_came_again_were_not_read(platform: Platform, shop: Shop) -> None:
    manifest = _manifest(platform)
    assert all(
        row["n_rows"] == row["n_accepted"] + row["n_duplicate"] + row["n_filtered"] + row["n_quarantined"]
        for row in manifest
    )
    assert {row["state"] for row in manifest} == {FileState.CLEANED}
    again = {row["file"] for row in ledger(shop) if row["fault"] == "file_again"}
    events_again = {name for name in again if not name.startswith(("catalogue", "crm"))}
    assert events_again
    assert events_again <= _other_names(platform) | {row["path"] for row in manifest}
    assert len({row["file_id"] for row in manifest}) == len(manifest)


def test_drift_is_recorded_and_nothing_lost(platform: Platform, shop: Shop) -> None:
    drifted = {row["path"] for row in _manifest(platform) if row["drift"] and '"new"' in row["drift"]}
    expected = {row["file"] for row in ledger(shop) if row["fault"] == "schema_drift"}
    events = {name for name in expected if name.split("/")[0] in ("web", "app", "tills", "orders", "email")}
    assert events
    assert events & drifted or not any(name.startswith("web") for name in events)


def test_no_raw_id_is_kept(platform: Platform, shop: Shop) -> None:
    kept = " ".join(str(row[0]) for row in _rows(platform, bronze.EVENTS, "payload"))
    cookies = {
        line.split('"cookie":')[1].split('"')[1]
        for path in list((shop.landing / "web").rglob("*.jsonl"))[:3]
        for line in path.read_text().splitlines()
        if '"cookie":"' in line.replace(" ", "")
    }
    assert cookies
    assert not [cookie for cookie in cookies if len(cookie) > 4 and cookie in kept]
