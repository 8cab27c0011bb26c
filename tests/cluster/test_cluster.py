"""The whole chain by spark-submit on a master with two workers equals the local run over the same files and key."""

import json
import secrets
import shutil
import sys
import tarfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable

from affinity.core.vocabulary import Status
from affinity.jobs.catalog import JOBS
from affinity.tables import bronze, gold, ops, silver
from affinity.tables.spec import TableSpec
from tests.cluster.conftest import PROJECT, Cluster, run
from tests.digest import digest

AS_OF = date(2011, 2, 1)
SOURCE = "online_retail"
# What no order of partial sums can change.
DETERMINISTIC = (
    bronze.EVENTS,
    silver.EVENTS,
    silver.QUARANTINE,
    silver.IDENTITY_CHANGES,
    silver.ITEMS,
    silver.CUSTOMERS,
    gold.CUSTOMER_FEATURES,
    gold.ASSOCIATION_RULES,
)
# What models add up in another order on another number of machines: how far the results may lie apart.
LEAST_SAME_SEGMENT = 0.999
MOST_SILHOUETTE = 1e-4
MOST_PROBABILITY = 1e-6
LEAST_OVERLAP_AT_10 = 0.99

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1800)]
Rows = Callable[[TableSpec], pa.Table]


@pytest.fixture(scope="module")
def options(folder: Path) -> list[object]:
    """What both runs are asked for: the first two months of the packed orders, one key, one configuration."""
    conf, landing, key = folder / "conf", folder / "landing", folder / "subject.key"
    shutil.copytree(PROJECT / "conf", conf)
    shutil.copy(Path(__file__).with_name("overlay.toml"), conf / "env" / "cluster.toml")
    with tarfile.open(PROJECT / "deploy" / "demo" / "online_retail.tar.xz") as packed:
        days = [member for member in packed if member.name < f"{AS_OF}.csv"]
        packed.extractall(landing, days, filter="data")
    key.write_text(secrets.token_hex(32), encoding="ascii")
    asked = {"--as-of": AS_OF, "--config": conf / "affinity.toml", "--env": "cluster", "--source": SOURCE}
    asked |= {"--landing": landing, "--set": f"privacy.key_file={key}"}
    return [word for pair in asked.items() for word in pair]


@pytest.fixture(scope="module")
def submitted(cluster: Cluster, options: list[object]) -> Rows:
    """The chain on the cluster, one spark-submit after the other."""
    root = cluster.folder / "submitted"
    for job in JOBS:
        print(cluster.submit(job.name, *options, "--root", root).strip())
    return rows_below(root)


@pytest.fixture(scope="module")
def local(cluster: Cluster, options: list[object]) -> Rows:
    """The chain in one session of one process, from the checkout."""
    root = cluster.folder / "local"
    affinity = [sys.executable, "-m", "affinity.jobs.cli", "run"]
    checkout = {**cluster.environment, "PYTHONPATH": str(PROJECT / "lib")}
    print(run([*affinity, *options, "--root", root], cluster.folder, checkout))
    return rows_below(root)


def test_workers_get_our_code_with_the_wheel_alone(cluster: Cluster, wheel: Path) -> None:
    program = Path(__file__).with_name("where.py")
    every_core = "--conf spark.scheduler.minRegisteredResourcesRatio=1.0"
    printed = cluster.submit(
        f"../{program.relative_to(PROJECT).with_suffix('')}",
        environment={"SUBMIT_OPTIONS": f"{cluster.environment['SUBMIT_OPTIONS']} {every_core}"},
    )
    seen = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    work_folders = {Path(one["folder"]).parents[1].name for one in seen if one["role"] == "worker"}
    assert work_folders == {"work-1", "work-2"}
    for one in seen:
        # The only place that holds our package is the zip, as Spark handed it out: without --py-files there is none.
        assert {Path(place).name for place in one["places"]} == {wheel.name}
        assert f"{wheel.name}/affinity/" in one["file"]


def test_every_job_published(submitted: Rows, local: Rows) -> None:
    for rows in (submitted, local):
        ended = {row["job"]: row["status"] for row in rows(ops.RUNS).to_pylist() if row["status"] != Status.STARTED}
        assert ended == {job.name: Status.DONE for job in JOBS}


def test_both_ran_the_same_code_on_the_same_settings(submitted: Rows, local: Rows) -> None:
    # The run id holds code version, settings and inputs: what was read from the zip is what was read from the checkout.
    first_job = JOBS[0].name
    ids = [
        {row["run_id"] for row in rows(ops.RUNS).to_pylist() if row["job"] == first_job} for rows in (submitted, local)
    ]
    assert ids[0] == ids[1]


@pytest.mark.parametrize("spec", DETERMINISTIC, ids=lambda spec: spec.full_name)
def test_deterministic_tables_are_equal(submitted: Rows, local: Rows, spec: TableSpec) -> None:
    expected = digest(local(spec), spec)
    assert not expected.startswith("0-") or spec.may_be_empty
    assert digest(submitted(spec), spec) == expected


def test_segments_are_alike(submitted: Rows, local: Rows) -> None:
    pairs = paired(submitted, local, gold.CUSTOMER_SEGMENTS)
    share = pc.mean(pc.equal(pairs["segment_id"], pairs["segment_id_local"]).cast(pa.float64())).as_py()
    silhouettes = [metric(rows, "train_segments", "silhouette") for rows in (submitted, local)]
    print(f"segments: {share:.4%} of {pairs.num_rows} customers alike, silhouettes {silhouettes}")
    assert share >= LEAST_SAME_SEGMENT
    assert abs(silhouettes[0] - silhouettes[1]) <= MOST_SILHOUETTE


def test_propensities_are_alike(submitted: Rows, local: Rows) -> None:
    pairs = paired(submitted, local, gold.PROPENSITY_SCORES)
    apart = pc.max(pc.abs(pc.subtract(pairs["probability"], pairs["probability_local"]))).as_py()
    print(f"propensity: largest difference of {pairs.num_rows} probabilities {apart:.2e}")
    assert apart < MOST_PROBABILITY


def test_recommendations_are_alike(submitted: Rows, local: Rows) -> None:
    shown = [items_by_customer(rows(gold.RECOMMENDATIONS)) for rows in (submitted, local)]
    assert shown[0].keys() == shown[1].keys()
    overlaps = [len(items & shown[1][customer]) / len(items) for customer, items in shown[0].items()]
    mean = sum(overlaps) / len(overlaps)
    print(f"recommendations: mean overlap@10 {mean:.4f} of {len(overlaps)} customers, least {min(overlaps):.2f}")
    assert mean >= LEAST_OVERLAP_AT_10


def rows_below(root: Path) -> Rows:
    """A reader of the tables below a root that needs no Spark."""

    def read(spec: TableSpec) -> pa.Table:
        return DeltaTable(str(root / "tables" / spec.layer / spec.name)).to_pyarrow_table()

    return read


def paired(submitted: Rows, local: Rows, spec: TableSpec) -> pa.Table:
    """Both runs' rows side by side, one per customer."""
    left, right = submitted(spec), local(spec)
    pairs = left.join(right, keys="customer_id", join_type="inner", right_suffix="_local")
    assert pairs.num_rows == left.num_rows == right.num_rows > 0
    return pairs


def metric(rows: Rows, job: str, name: str) -> float:
    """A metric that a run recorded."""
    (recorded,) = (row["metrics"] for row in rows(ops.RUNS).to_pylist() if row["job"] == job and row["metrics"])
    return float(json.loads(recorded)[name])


def items_by_customer(recommendations: pa.Table) -> dict[str, set[str]]:
    """The items shown to each customer."""
    shown: dict[str, set[str]] = {}
    for customer, item in zip(
        recommendations["customer_id"].to_pylist(), recommendations["item_id"].to_pylist(), strict=True
    ):
        shown.setdefault(customer, set()).add(item)
    return shown
