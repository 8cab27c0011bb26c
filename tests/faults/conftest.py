"""Shops to hurt, and drivers that die."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from affinity.core.vocabulary import Status
from tests.shop import Shop, line

REPOSITORY = Path(__file__).resolve().parents[2]


def environment() -> dict[str, str]:
    """The environment of a driver process that sees the tests and the code beside them."""
    return {**os.environ, "PYTHONPATH": f"{REPOSITORY}{os.pathsep}{REPOSITORY / 'lib'}"}


@pytest.fixture
def shop(spark: SparkSession, tmp_path: Path) -> Shop:
    """Two landed days of three customers; nothing ingested yet."""
    return _two_days(Shop(tmp_path, spark))


@pytest.fixture(scope="session")
def _ingested_once(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = _two_days(Shop(tmp_path_factory.mktemp("ingested"), spark))
    assert [result.status for result in made.ingest()] == [Status.DONE, Status.DONE]
    return made.folder


@pytest.fixture
def ingested(spark: SparkSession, tmp_path: Path, _ingested_once: Path) -> Shop:
    """The same shop, its two days in silver: a copy of one that was ingested once, for that takes many seconds."""
    shutil.copytree(_ingested_once, tmp_path, dirs_exist_ok=True)
    return Shop(tmp_path, spark)


def _two_days(made: Shop) -> Shop:
    made.land("2011-01-04.csv", [line("2011-01-04"), line("2011-01-04"), line("2011-01-04", CustomerID="13047.0")])
    made.land("2011-01-05.csv", [line("2011-01-05", InvoiceNo="500002"), line("2011-01-05", CustomerID="")])
    return made


@pytest.fixture
def die_at() -> Callable[..., None]:
    """Run a job in a process of its own that kills itself at a point; fail if it did not get there."""

    def run(shop: Shop, point: str, job: str, as_of: str = "") -> None:
        command = [
            sys.executable,
            "-m",
            "tests.faults.driver",
            str(shop.folder),
            point,
            job,
            *([as_of] if as_of else []),
        ]
        died = subprocess.run(
            command, cwd=REPOSITORY, env=environment(), capture_output=True, text=True, timeout=300, check=False
        )
        assert f"injected {point}" in died.stdout, died.stdout + died.stderr
        assert died.returncode == -9

    return run
