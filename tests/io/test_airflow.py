"""The committed DAG is the one of the jobs, and a real Airflow takes it."""

import ast
import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from affinity.core.errors import RETRYABLE, ExitCode
from affinity.io.airflow import direct, render
from affinity.io.job import upstream
from affinity.jobs.catalog import JOBS

DAG_FILE = Path(__file__).resolve().parents[2] / "deploy" / "airflow" / "affinity_dag.py"
ASK_AIRFLOW = """
import json, sys
from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from airflow.serialization.serialized_objects import DagSerialization

bag = DagBag(dag_folder=sys.argv[1])
assert not bag.import_errors, bag.import_errors
dag = bag.dags["affinity"]
DagSerialization.to_dict(dag)  # what the scheduler stores
one = dag.get_task("build_features")
ended = {}
for code in range(7):
    one.python_callable.__globals__["COMMAND"] = [sys.argv[2], str(code)]
    try:
        one.python_callable("build_features", "2011-09-01")
        ended[code] = "done"
    except AirflowFailException:
        ended[code] = "failed"
    except AirflowException:
        ended[code] = "again"
print("FOUND " + json.dumps({
    "after": {task.task_id: sorted(task.upstream_task_ids) for task in dag.tasks},
    "arguments": list(one.op_args),
    "max_active_runs": dag.max_active_runs,
    "catchup": dag.catchup,
    "retries": one.retries,
    "backoff": bool(one.retry_exponential_backoff),
    "ended": ended,
}))
"""


def test_committed_dag_is_current() -> None:
    assert DAG_FILE.read_text(encoding="utf-8") == render(JOBS), "run make docs"


def test_dag_waits_for_all_that_a_job_reads() -> None:
    known: set[str] = set()
    for job in JOBS:
        reached, edge = set(), set(direct(job, JOBS))
        while edge:
            reached |= edge
            edge = {name for other in JOBS if other.name in edge for name in direct(other, JOBS)}
        assert set(upstream(job, JOBS)) <= reached <= known
        known.add(job.name)


def test_dag_is_python_without_ours() -> None:
    tree = ast.parse(render(JOBS))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not any(name and name.startswith("affinity") for name in imported)


def test_a_real_airflow_takes_the_dag(tmp_path: Path) -> None:
    python = os.environ.get("AFFINITY_AIRFLOW_PYTHON")
    if not python:
        pytest.skip("set AFFINITY_AIRFLOW_PYTHON to a Python that has apache-airflow 3 installed")
    recorder = tmp_path / "job"
    recorder.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\nexit "$1"\n', encoding="utf-8")
    recorder.chmod(recorder.stat().st_mode | stat.S_IXUSR)
    environment = os.environ | {"AIRFLOW_HOME": str(tmp_path), "AIRFLOW__CORE__LOAD_EXAMPLES": "False"}
    command = [python, "-W", "error::DeprecationWarning:affinity_dag", "-c", ASK_AIRFLOW, str(DAG_FILE), str(recorder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("FOUND "))
    found = json.loads(line.removeprefix("FOUND "))
    failed = {str(int(code)): "again" if code in RETRYABLE else "failed" for code in ExitCode}
    assert found == {
        "after": {job.name: direct(job, JOBS) for job in JOBS},
        "arguments": ["build_features", "{{ data_interval_end | ds }}"],
        "max_active_runs": 1,
        "catchup": False,
        "retries": 3,
        "backoff": True,
        "ended": failed | {"0": "done", "6": "failed"},
    }
    asked = (tmp_path / "asked").read_text(encoding="utf-8").splitlines()
    assert asked[0] == "0 build_features --as-of 2011-09-01 --source online_retail --landing landing --wait 900"
