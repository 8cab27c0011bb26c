"""Executors and tasks that are killed, slowed or stopped while events are cleaned change no row."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from deltalake import DeltaTable

from affinity.core.vocabulary import Status
from affinity.io.config import load_config
from affinity.io.job import find
from affinity.io.ops import OpsStore
from affinity.io.plan import Request
from affinity.io.platform import Platform
from affinity.io.releases import Releases
from affinity.io.root import open_root
from affinity.io.runner import run_job
from affinity.jobs.catalog import JOBS
from affinity.tables import ops, silver
from tests.digest import digest
from tests.faults.conftest import REPOSITORY, environment
from tests.simulate.making import FAULTY, make, tiny

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
WRITTEN = (
    silver.EVENTS,
    silver.QUARANTINE,
    silver.SUBJECT_DAILY,
    silver.LINKS,
    silver.IDENTITY_CHANGES,
    ops.DISPOSITIONS,
)


def overrides(folder: Path) -> list[str]:
    """The settings of a root in a folder."""
    return [f"store.root={folder / 'root'}", f"privacy.key_file={folder / 'key'}"]


class Ended(NamedTuple):
    """How a run with a fault ended, what it published, and the marks that the fault left."""

    said: dict[str, Any]
    digests: dict[str, str | None]
    marks: set[str]


@pytest.fixture(scope="module")
def landed(spark, tmp_path_factory) -> Path:
    """Two roots with ten days of a small shop in bronze: ``first``, and ``night``, where nine of them are clean."""
    folder = tmp_path_factory.mktemp("landed")
    config = tiny(days=10, faults={**FAULTY, "file_corrected": 0})  # else all links are resolved anew at night
    first, night = (_root(spark, folder / name) for name in ("first", "night"))
    landing = make(config, folder / "shop", 0, 9).landing
    _take_in(night, landing)
    assert run_job(night, find("clean_events", JOBS), Request()).status is Status.DONE
    make(config, folder / "shop", 9, 10)
    _take_in(night, landing, may_be_quiet=True)
    _take_in(first, landing)
    return folder


def _root(spark, folder: Path) -> Platform:
    folder.mkdir()
    (folder / "key").write_text("5e" * 32)
    return Platform.open(load_config(overrides=overrides(folder)), session=spark)


def _take_in(platform: Platform, landing: Path, *, may_be_quiet: bool = False) -> None:
    """Every channel; the CRM writes weekly."""
    jobs = [("ingest_events", source) for source in ("shop_web", "shop_app", "shop_tills", "shop_orders")]
    for name, source in [*jobs, ("ingest_customers", "shop_crm")]:
        taken = run_job(platform, find(name, JOBS), Request(None, (source,), landing)).status
        assert taken is Status.DONE or (may_be_quiet and (source, taken) == ("shop_crm", Status.NOTHING_TO_DO))


@pytest.fixture(scope="module")
def run(landed, tmp_path_factory):
    """Clean a copy of a root with a fault."""

    def with_fault(fault: str, root: str = "first") -> Ended:
        folder = tmp_path_factory.mktemp(fault)
        shutil.copytree(landed / root, folder, dirs_exist_ok=True)
        command = [sys.executable, "-m", "tests.faults.executors", str(folder), fault]
        done = subprocess.run(
            command, cwd=REPOSITORY, env=environment(), capture_output=True, text=True, timeout=300, check=False
        )
        (folder / "stderr").write_text(done.stderr)
        told = next((line for line in done.stdout.splitlines() if line.startswith("ended ")), "")
        assert told, f"{done.stderr[-1000:]}\nAll of it: {folder / 'stderr'}"
        marks = {path.name for path in (folder / "injected").iterdir()}
        return Ended(json.loads(told.removeprefix("ended ")), _digests(folder), marks)

    return with_fault


@pytest.fixture(scope="module")
def expected(run) -> Ended:
    """All days at once, without a fault."""
    return _without_fault(run, "first")


@pytest.fixture(scope="module")
def expected_of_night(run) -> Ended:
    """The tenth day after the others, without a fault."""
    return _without_fault(run, "night")


def _without_fault(run, root: str) -> Ended:
    ended = run("none", root)
    assert ended.said["status"] == Status.DONE
    assert (ended.said["n_failed_tasks"], ended.said["n_executors"], ended.marks) == (0, 2, set())
    assert not any(text is None or text.startswith("0-") for text in ended.digests.values()), (
        "empty tables prove nothing"
    )
    return ended


def _digests(folder: Path) -> dict[str, str | None]:
    """What another reader sees of the published tables; null where nothing was released."""
    root = open_root(load_config(overrides=overrides(folder)), create=False)
    releases = Releases.of(OpsStore(root))
    versions = {spec: releases.version(spec) for spec in WRITTEN}
    return {
        spec.full_name: None
        if version is None
        else digest(DeltaTable(str(root.table(spec)), version=version).to_pyarrow_dataset(), spec)
        for spec, version in versions.items()
    }


@pytest.mark.parametrize(
    ("fault", "marks", "n_executors"),
    [
        ("one_killed_reading", {"killed-0"}, 3),
        ("one_killed_comparing", {"killed-0"}, 3),
        ("one_killed_resolving", {"killed-0"}, 3),
        ("one_killed_writing", {"killed-0"}, 3),
        ("both_killed", {"killed-0", "killed-1"}, 4),
    ],
)
def test_executors_that_are_killed_cost_tasks_and_no_row(run, expected, fault, marks, n_executors) -> None:
    ended = run(fault)
    assert (ended.said["status"], ended.marks) == (Status.DONE, marks)
    assert ended.said["n_failed_tasks"] > 0
    assert ended.said["n_executors"] == n_executors
    assert ended.digests == expected.digests


@pytest.mark.parametrize("step", ["reading", "copying", "comparing", "writing"])
def test_an_executor_that_is_killed_at_night_costs_tasks_and_no_row(run, expected_of_night, step) -> None:
    ended = run(f"one_killed_{step}", "night")
    assert (ended.said["status"], ended.marks, ended.said["n_executors"]) == (Status.DONE, {"killed-0"}, 3)
    assert ended.said["n_failed_tasks"] > 0
    assert ended.digests == expected_of_night.digests


def test_a_task_that_raises_three_times_is_done_the_fourth_time(run, expected) -> None:
    ended = run("raises_three_times")
    assert ended.said["status"] == Status.DONE
    assert {mark[-1] for mark in ended.marks} == {"0", "1", "2"}
    assert ended.said["n_failed_tasks"] == len(ended.marks)
    assert ended.digests == expected.digests


def test_a_task_that_always_raises_ends_the_run_and_leaves_everything_as_it_was(run, landed) -> None:
    before = _digests(landed / "night")
    ended = run("raises_always", "night")
    assert ended.said["status"] == Status.FAILED
    assert ended.said["exit_code"] != 0
    assert "silver." in ended.said["reason"]
    assert ended.digests == before
    assert None not in before.values()


def test_a_task_that_is_done_twice_counts_once(run, expected) -> None:
    ended = run("slow")
    assert ended.said["status"] == Status.DONE
    assert {"waited", "again"} <= ended.marks
    assert ended.digests == expected.digests


def test_what_an_executor_does_that_was_given_up_is_never_seen(run, expected) -> None:
    ended = run("stopped")
    assert ended.said["status"] == Status.DONE
    assert ended.marks == {"stopped", "continued"}
    assert ended.said["n_failed_tasks"] > 0
    assert ended.digests == expected.digests
