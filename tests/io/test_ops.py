"""The logs of bookkeeping: appended by many, compacted in passing by one."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from deltalake import DeltaTable

from affinity.io import ops as ops_module
from affinity.io.config import load_config
from affinity.io.leases import leases
from affinity.io.ops import OpsStore, Row, has_old_files, now
from affinity.io.root import Root, open_root
from affinity.tables import ddl, ops

N_ROWS = 40


@pytest.fixture
def root(tmp_path: Path) -> Root:
    (tmp_path / "key").write_text("5e" * 32)
    overrides = [f"store.root={tmp_path / 'root'}", f"privacy.key_file={tmp_path / 'key'}"]
    return open_root(load_config(overrides=overrides), create=True)


def row(number: int) -> Row:
    blank = dict.fromkeys(ops.QUALITY_RESULTS.column_names)
    stamp = {"run_id": "r", "attempt_id": f"a{number}", "table_name": "t", "check_name": "c", "severity": "critical"}
    return {**blank, **stamp, "is_success": True, "n_rows": number, "at_ts": now()}


def appended(root: Root) -> int:
    """Append rows one by one; how many files the log has in the end."""
    for number in range(N_ROWS):
        OpsStore(root).append(ops.QUALITY_RESULTS, [row(number)])
    assert sorted(each["n_rows"] for each in OpsStore(root).read(ops.QUALITY_RESULTS)) == list(range(N_ROWS))
    return len(DeltaTable(str(root.table(ops.QUALITY_RESULTS))).file_uris())


def test_a_log_has_few_files_however_often_it_was_appended_to(root: Root) -> None:
    assert appended(root) < 20
    log = root.table(ops.QUALITY_RESULTS) / "_delta_log"
    assert len(list(log.glob("*.checkpoint.parquet"))) >= 3


def test_rows_of_many_at_once_stand_though_commits_are_kept_for_no_time(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ddl.HISTORY, "delta.logRetentionDuration", "interval 0 seconds")
    numbers = range(4 * N_ROWS)
    OpsStore(root).append(ops.QUALITY_RESULTS, [row(-1)])
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda number: OpsStore(root).append(ops.QUALITY_RESULTS, [row(number)]), numbers))
    assert sorted(each["n_rows"] for each in OpsStore(root).read(ops.QUALITY_RESULTS)) == [-1, *numbers]
    log = root.table(ops.QUALITY_RESULTS) / "_delta_log"
    assert len(list(log.glob("*.json"))) > len(numbers), "upkeep removes commits, and nobody else"
    OpsStore(root).compact(ops.QUALITY_RESULTS)
    assert len(list(log.glob("*.json"))) <= 2


def test_a_log_that_somebody_compacts_is_left_alone(root: Root) -> None:
    with leases(root, [ops.QUALITY_RESULTS]):
        assert appended(root) == N_ROWS


def test_rows_stand_whatever_becomes_of_the_compaction(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ops_module, "leases", full)
    assert appended(root) == N_ROWS


def test_upkeep_and_an_append_do_not_compact_at_once(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    store, is_fragmented = OpsStore(root), ops_module.is_fragmented
    for number in range(15):
        store.append(ops.QUALITY_RESULTS, [row(number)])

    def meanwhile(*given: object) -> bool:
        found = is_fragmented(*given)  # type: ignore[arg-type]
        store.append(ops.QUALITY_RESULTS, [row(15)])  # the sixteenth
        return found

    monkeypatch.setattr(ops_module, "is_fragmented", meanwhile)
    store.compact(ops.QUALITY_RESULTS)
    assert sorted(each["n_rows"] for each in store.read(ops.QUALITY_RESULTS)) == list(range(16))


def test_upkeep_compacts_the_manifest_under_the_lease_of_its_run(root: Root) -> None:
    blank = dict.fromkeys(ops.FILES.column_names)
    stamp = {"source": "s", "feed": "events", "path": "p", "n_bytes": 1, "state": "cleaned", "n_rows": 1}
    rows = [{**blank, **stamp, "file_id": str(number), "run_id": "r", "ingested_ts": now()} for number in range(6)]
    store = OpsStore(root)
    for each in rows:
        store.upsert(ops.FILES, [each], "r")
    with leases(root, [ops.FILES]):
        store.compact(ops.FILES)
    assert len(store.read(ops.FILES)) == len(rows)


def test_upkeep_removes_files_of_which_the_log_no_longer_tells(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ddl.HISTORY, "delta.deletedFileRetentionDuration", "interval 0 seconds")
    n_files = appended(root)
    table = DeltaTable(str(root.table(ops.QUALITY_RESULTS)))
    table.create_checkpoint()  # leaves out what was removed longer ago than it is kept
    assert has_old_files(root, ops.QUALITY_RESULTS)
    OpsStore(root).compact(ops.QUALITY_RESULTS)
    lying = list(root.table(ops.QUALITY_RESULTS).glob("*.parquet"))
    assert (len(lying), n_files > 1) == (1, True)
    assert len(OpsStore(root).read(ops.QUALITY_RESULTS)) == N_ROWS
