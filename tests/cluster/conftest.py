"""A standalone master and two workers for the tests below; our code reaches them as a wheel and in no other way."""

import os
import shutil
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]
DEPLOY = PROJECT / "deploy" / "cluster"
LONGEST_SECS = 1200
# Small machines: two executors of one core; few tasks, for a task costs more than these rows; sessions that are short.
SUBMIT_OPTIONS = (
    "--driver-memory 1g --executor-memory 1g --executor-cores 1 --total-executor-cores 2 "
    "--conf spark.ui.enabled=false --conf spark.sql.shuffle.partitions=4 --conf spark.driver.host=127.0.0.1 "
    "--conf spark.driver.bindAddress=127.0.0.1 --conf spark.sql.sources.parallelPartitionDiscovery.parallelism=4"
)


@dataclass(frozen=True)
class Cluster:
    """A running cluster and how to submit to it."""

    environment: Mapping[str, str]
    folder: Path

    def submit(self, job: str, *options: object, environment: Mapping[str, str] | None = None) -> str:
        """Run ``jobs/<job>.py`` and return what it printed; the end of its log is the message of a failure."""
        return run([DEPLOY / "submit.sh", job, *options], self.folder, {**self.environment, **(environment or {})})


def run(command: Sequence[object], folder: Path, environment: Mapping[str, str]) -> str:
    """Run a command in ``folder``, which holds none of our code, and return its standard output."""
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=LONGEST_SECS)
    assert done.returncode == 0, f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr[-6000:]}"
    return done.stdout


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the cluster lives."""
    return tmp_path_factory.mktemp("cluster")


@pytest.fixture(scope="session")
def wheel(folder: Path) -> Path:
    """The wheel under the name that spark-submit takes, built as a release is, without a network."""
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", "--no-index", "--no-deps"]
    run([*build, "--no-build-isolation", "--wheel-dir", folder, PROJECT], folder, os.environ)
    (built,) = folder.glob("affinity_spark-*.whl")
    return built.rename(folder / "affinity.zip")


@pytest.fixture(scope="session")
def bare_python(folder: Path) -> Path:
    """This environment's Python with all its packages but the editable install of ours, which is a ``.pth`` file."""
    packages = os.pathsep.join(dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib")))
    script = folder / "python"
    # Spark's own PYTHONPATH, which holds --py-files, comes first.
    path = f'PYTHONPATH="${{PYTHONPATH:+$PYTHONPATH:}}{packages}"'
    script.write_text(f'#!/bin/sh\n{path} exec "{sys.executable}" -S "$@"\n', encoding="utf-8")
    script.chmod(0o755)
    return script


@pytest.fixture(scope="session")
def cluster(folder: Path, wheel: Path, bare_python: Path) -> Iterator[Cluster]:
    """One master and two workers of one core and 1500 MB; ended with all they started, also when a test fails."""
    if shutil.which("setsid") is None or shutil.which("ps") is None:
        pytest.skip("deploy/cluster/cluster.sh needs setsid and ps (Debian's util-linux and procps)")
    port, web_port = free_ports(2)
    hidden = (
        "PYTHONPATH",
        "PYSPARK_PYTHON",
        "PYSPARK_DRIVER_PYTHON",
        "AFFINITY_CONFIG",
        "AFFINITY_ENV",
        "AFFINITY_ROOT",
    )
    environment = {name: value for name, value in os.environ.items() if name not in hidden} | {
        "PYTHON": sys.executable,
        "DRIVER_PYTHON": str(bare_python),
        "WORKER_PYTHON": str(bare_python),
        "WHEEL": str(wheel),
        "AFFINITY_CLUSTER_DIR": str(folder / "cluster"),
        "MASTER": f"spark://127.0.0.1:{port}",
        "MASTER_PORT": str(port),
        "WEB_PORT": str(web_port),
        "SUBMIT_OPTIONS": SUBMIT_OPTIONS,
        "JAVA_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:+UseParallelGC",
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    try:
        run([DEPLOY / "cluster.sh", "up"], folder, environment)
        yield Cluster(environment, folder)
    finally:
        run([DEPLOY / "cluster.sh", "down"], folder, environment)


def free_ports(number: int) -> list[int]:
    """Ports that nobody listens on, all different."""
    listening = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [int(one.getsockname()[1]) for one in listening]
    for one in listening:
        one.close()
    return ports
