"""Bad input: no bad line takes a good one with it, no bad file another file, and nothing is lost without a word."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from affinity.core.vocabulary import Feed, FileState, Status
from affinity.io.job import find
from affinity.io.ops import Row
from affinity.io.plan import Request
from affinity.io.runner import Result, run_job
from affinity.jobs.catalog import JOBS
from affinity.tables import bronze, ops, silver
from tests.faults import bad_files
from tests.faults.bad_files import BadFile
from tests.shop import Shop

FILES = [
    *bad_files.broken_lines(),
    *bad_files.odd_values(),
    *bad_files.clocks(),
    *bad_files.other_layouts(),
    *bad_files.damaged_files(),
    *bad_files.odd_names(),
]
SOURCES = ("web", "app", "tills", "orders")


def land(shop: Shop, path: str, data: bytes) -> Path:
    """Put a file into landing."""
    target = shop.landing / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return target


def run(shop: Shop, job: str, channel: str) -> Result:
    """Run a job on one channel of the shop."""
    return run_job(shop.platform, find(job, JOBS), Request(None, f"shop_{channel}", shop.landing))


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All bad files at once."""
    made = Shop(tmp_path_factory.mktemp("bad"))
    for file in FILES:
        land(made, file.path, file.data)
    for path in bad_files.WAITING:
        land(made, path, bad_files.web() + b"\n")
    return made.folder


@pytest.fixture(scope="module")
def results(landing: Path, spark: SparkSession) -> dict[str, Result]:
    """One ingest of each channel, and one clean."""
    shop = Shop(landing, spark)
    ended = {channel: run(shop, "ingest_events", channel) for channel in SOURCES}
    return ended | {"clean": shop.run("clean_events")}


@pytest.fixture(scope="module")
def shop(landing: Path, spark: SparkSession, results: dict[str, Result]) -> Shop:
    """What came of them."""
    assert {result.status for result in results.values()} == {Status.DONE}, results
    return Shop(landing, spark)


@pytest.fixture(scope="module")
def manifest(shop: Shop) -> dict[str, Row]:
    """The manifest by path."""
    return {row["path"]: row for row in shop.manifest()}


@pytest.fixture(scope="module")
def fates(shop: Shop) -> Mapping[str, Counter[str]]:
    """Lines of each file by the reason of their fate."""
    found: dict[str, Counter[str]] = {}
    for row in shop.read(ops.DISPOSITIONS).collect():
        found.setdefault(row["file_id"], Counter())[row["reason"]] += row["n_rows"]
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.path)
def test_what_becomes_of_a_file(file: BadFile, manifest: dict[str, Row], fates: Mapping[str, Counter[str]]) -> None:
    row = manifest[file.path]
    assert file.n_bad > 0, "nothing is wrong with this file"
    if file.refused:
        assert (row["state"], row["n_rows"], fates.get(row["file_id"])) == (FileState.REFUSED, 0, None)
        assert file.refused in row["reason"]
    else:
        assert (row["state"], row["reason"], row["n_rows"]) == (FileState.CLEANED, None, file.fates.total())
        assert fates.get(row["file_id"], Counter()) == file.fates
        assert file.drift is None or json.loads(row["drift"]) == file.drift
