"""Two drivers at once: one writer per table, and one copy of everything."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from pyspark.sql import SparkSession

from affinity.core.errors import ExitCode
from affinity.core.vocabulary import Status
from affinity.io.leases import leases
from affinity.io.ops import commits
from affinity.io.runner import _code_of
from affinity.tables import bronze, gold, ops, silver
from affinity.tables.spec import TableSpec
from tests.faults.appender import SPEC
from tests.faults.conftest import REPOSITORY, environment
from tests.shop import Shop

N_COMMITS = 50
N_RACES = 1000


def test_a_held_lease_is_an_exit_code_to_retry_on(shop: Shop) -> None:
    before = shop.versions()
    with leases(shop.platform.root, [bronze.EVENTS]):
        refused = shop.run("ingest_events")
    assert refused.exit_code is ExitCode.LEASE_HELD
    assert refused.reason is not None
    assert "bronze.events" in refused.reason
    assert shop.versions() == before
    assert shop.run("ingest_events").status is Status.DONE


def test_two_drivers_ingest_the_same_files_once(shop: Shop) -> None:
    command = [sys.executable, "-m", "affinity.jobs.cli", "job", "ingest_events", "--source", "online_retail"]
    command += ["--landing", str(shop.landing), "--root", str(shop.root), "--set", "spark.master=local[1]"]
    both = [subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL) for _ in range(2)]
    codes = [driver.wait(timeout=300) for driver in both]

    assert ExitCode.DONE in codes
    assert set(codes) <= {ExitCode.DONE, ExitCode.LEASE_HELD}
    assert shop.read(bronze.EVENTS).count() == 5
    assert len([commit for commit in commits(shop.platform.root, bronze.EVENTS) if commit["run_id"]]) == 1
    finished = [row for row in shop.platform.ops.read(ops.RUNS) if row["status"] == Status.DONE]
    assert len(finished) == 1


def test_two_drivers_of_different_dates_wait_for_each_other_and_both_are_there(ingested: Shop) -> None:
    drivers = []
    for day, as_of in (("2011-01-04", "2011-01-05"), ("2011-01-05", "2011-01-06")):
        landing = ingested.folder / day
        landing.mkdir()
        shutil.copy(ingested.landing / f"{day}.csv", landing)
        command = [sys.executable, "-m", "tests.faults.slices", str(ingested.folder), str(landing), as_of]
        drivers.append(subprocess.Popen(command, cwd=REPOSITORY, env=environment(), stderr=subprocess.DEVNULL))

    assert [driver.wait(timeout=400) for driver in drivers] == [0, 0]

    assert _by_day(ingested, silver.ITEMS, "observed_date") == {"2011-01-04": 1, "2011-01-05": 1}, (
        "what one adds and another"
    )
    assert _by_day(ingested, gold.CUSTOMER_SEGMENTS, "as_of_date") == {"2011-01-05": 2, "2011-01-06": 2}
    assert _by_day(ingested, gold.SEGMENT_PROFILES, "as_of_date") == {"2011-01-05": 1, "2011-01-06": 1}


def _by_day(shop: Shop, spec: TableSpec, column: str) -> dict[str, int]:
    return {str(row[0]): row[1] for row in shop.read(spec).groupBy(column).count().collect()}


def test_commits_that_meet_are_worth_a_retry(ingested: Shop) -> None:
    path = str(ingested.platform.root.table(silver.EVENTS))
    one, other = DeltaTable(path), DeltaTable(path)
    one.delete("quantity > 0")
    with pytest.raises(CommitFailedError) as met:
        other.delete("quantity > 0")
    assert _code_of(met.value) is ExitCode.INFRASTRUCTURE


@pytest.mark.slow
def test_a_hundred_commits_of_two_drivers_are_all_there_under_the_lease(spark: SparkSession, tmp_path: Path) -> None:
    found, reported = _commit_from_two_drivers(Shop(tmp_path, spark), "lease", N_COMMITS)
    assert found == reported == {f"{name}-{number}" for name in "ab" for number in range(N_COMMITS)}


@pytest.mark.slow
def test_without_the_lease_commits_that_reported_success_are_lost(spark: SparkSession, tmp_path: Path) -> None:
    found, reported = _commit_from_two_drivers(Shop(tmp_path, spark), "bare", N_RACES)
    lost = reported - found
    print(f"{len(lost)} of {len(reported)} commits that reported success are lost")
    assert lost, "the control shows no harm, so the guard proves nothing"


def _commit_from_two_drivers(shop: Shop, how: str, n: int) -> tuple[set[str], set[str]]:
    """The ids of all commits in the table after two processes made theirs, and of those they believe they made."""
    shop.platform.store.ensure(SPEC)
    drivers = []
    for name in "ab":
        command = [sys.executable, "-m", "tests.faults.appender", str(shop.folder), name, str(n), how]
        drivers.append(subprocess.Popen(command, cwd=REPOSITORY, env=environment(), stderr=subprocess.DEVNULL))
    deadline = time.monotonic() + 120
    while len(list(shop.folder.glob("*.ready"))) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    (shop.folder / "go").touch()
    assert [driver.wait(timeout=400) for driver in drivers] == [0, 0]
    reported = {run_id for name in "ab" for run_id in (shop.folder / f"{name}.reported").read_text().split()}
    return {str(commit["run_id"]) for commit in commits(shop.platform.root, SPEC) if commit["run_id"]}, reported
