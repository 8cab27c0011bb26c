"""A driver with two executors, of which some are hurt while it cleans: ``executors.py FOLDER FAULT``.

A fault strikes in a task: where lines are read (``map``), where those with one id meet (``compare``), where files are
copied in which ids are looked up (``copy``), where it is found out of all ids whose they are (``resolve``), or where
days are written (``write``), of which some files are there by then.
What was done to whom is noted in files below FOLDER/injected, one each, so that a fault strikes as often as it should
and no more. At the end a line of JSON says how the run ended, and what Spark counted.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow as pa
from pyspark import SparkContext, TaskContext, cloudpickle
from pyspark.sql import DataFrame

from affinity.algorithms import identity_changes
from affinity.features import cleaning, grouped, key_index
from affinity.features.grouped import FileWork
from affinity.io import sorting
from affinity.io.config import load_config
from affinity.io.job import find
from affinity.io.plan import Request
from affinity.io.platform import Platform
from affinity.io.runner import run_job
from affinity.jobs.catalog import JOBS

STOP_SECS = 40
_MOST_STAGES = 1_000
_CLUSTER = {
    "spark.master": "local-cluster[2,1,1024]",
    "spark.executor.memory": "1g",
    "spark.executor.extraJavaOptions": "-XX:TieredStopAtLevel=1",  # two short-lived executors of a core each
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.adaptive.coalescePartitions.enabled": "false",
    "spark.network.timeout": "20s",
    "spark.network.timeoutInterval": "5s",
    "spark.executor.heartbeatInterval": "4s",
    "spark.ui.enabled": "false",
}
_SPECULATION = {
    "spark.speculation": "true",
    "spark.speculation.quantile": "0.5",
    "spark.speculation.multiplier": "1.1",
    "spark.speculation.minTaskRuntime": "200ms",
}


def _once(folder: Path, name: str) -> bool:
    """Whether this is the first to ask: of all tasks, on whichever executor."""
    with suppress(FileExistsError):
        os.close(os.open(folder / name, os.O_CREAT | os.O_EXCL))
        return True
    return False


def _executor() -> int:
    """The JVM above this Python worker; between the two is the daemon that forked it."""
    return int(Path(f"/proc/{os.getppid()}/stat").read_text().rpartition(")")[2].split()[1])


def _kill(folder: Path, n: int) -> None:
    """SIGKILL to ``n`` executors, each another one."""
    jvm = _executor()
    for number in range(n):
        if (folder / f"killed-{number}").exists():
            if (folder / f"killed-{number}").read_text() == str(jvm):
                return
        elif _once(folder, f"killed-{number}"):
            (folder / f"killed-{number}").write_text(str(jvm))
            os.kill(jvm, signal.SIGKILL)
            time.sleep(60)


def _raise(folder: Path, until: int) -> None:
    task = TaskContext.get()
    assert task is not None
    if task.attemptNumber() < until:
        (folder / f"raised-{task.stageId()}-{task.partitionId()}-{task.attemptNumber()}").touch()
        raise RuntimeError("planted")


def _wait(folder: Path) -> None:
    """The first attempt of one task is slow, and ends all the same; a second one tells that it is one."""
    task = TaskContext.get()
    assert task is not None
    if task.attemptNumber() > 0:
        (folder / "again").touch()
    elif _once(folder, "waited"):
        time.sleep(12)
        (folder / "ended").touch()


def _stop(folder: Path) -> None:
    """SIGSTOP to the executor for longer than the network waits for it; then it goes on as if nothing had been."""
    if _once(folder, "stopped"):
        jvm = _executor()
        again = f"sleep {STOP_SECS}; kill -CONT {jvm} && touch {folder}/continued"
        subprocess.Popen(["sh", "-c", again], start_new_session=True)
        os.kill(jvm, signal.SIGSTOP)


FAULTS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "none": ("map", lambda folder: None),
    "one_killed_reading": ("map", partial(_kill, n=1)),
    "one_killed_comparing": ("compare", partial(_kill, n=1)),
    "one_killed_copying": ("copy", partial(_kill, n=1)),
    "one_killed_resolving": ("resolve", partial(_kill, n=1)),
    "one_killed_writing": ("write", partial(_kill, n=1)),
    "both_killed": ("write", partial(_kill, n=2)),
    "raises_three_times": ("write", partial(_raise, until=3)),
    "raises_always": ("write", partial(_raise, until=9)),
    "slow": ("write", _wait),
    "stopped": ("write", _stop),
}


_STEPS: dict[str, tuple[ModuleType, str]] = {
    "map": (sorting, "cut"),
    "compare": (cleaning, "in_blocks"),
    "copy": (key_index, "with_each"),
    "resolve": (identity_changes, "resolved"),
    "write": (sorting, "by_days"),
}


def hurt(frame: DataFrame, strike: Callable[[Path], None], folder: Path) -> DataFrame:
    """The same rows; each task that has some is struck when it has the first of them."""

    def pass_on(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for number, batch in enumerate(batches):
            if number == 0:
                strike(folder)
            yield batch

    return frame.mapInArrow(pass_on, frame.schema)


def main() -> None:
    folder, fault = Path(sys.argv[1]), sys.argv[2]
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    (folder / "injected").mkdir(exist_ok=True)
    config = load_config(overrides=[f"store.root={folder / 'root'}", f"privacy.key_file={folder / 'key'}"])
    conf = {**_CLUSTER, **(_SPECULATION if fault == "slow" else {})}
    where, strike = FAULTS[fault]
    platform = Platform.open(config.model_copy(update={"spark": config.spark.model_copy(update={"conf": conf})}))
    _injected(*_STEPS[where], strike, folder / "injected")
    result = run_job(platform, find("clean_events", JOBS), Request())
    store = platform.spark.sparkContext._jsc.sc().statusStore()
    platform.spark.sparkContext._jsc.sc().listenerBus().waitUntilEmpty()
    executors = store.executorList(False)
    said = {
        "status": str(result.status),
        "exit_code": int(result.exit_code),
        "reason": result.reason,
        "n_executors": executors.size() - 1,
        "n_failed_tasks": sum(executors.apply(n).failedTasks() for n in range(executors.size())),
        "n_stages_again": _n_stages_again(platform.spark.sparkContext),
    }
    print("ended " + json.dumps(said), flush=True)
    while fault == "stopped" and not (folder / "injected" / "continued").exists():
        time.sleep(1)
    time.sleep(5 if fault == "stopped" else 0)  # what the executor that was given up does now
    platform.spark.stop()


def _n_stages_again(context: SparkContext) -> int:
    """Stages that were tried anew, as what they had written for others was lost."""
    tracker = context.statusTracker()
    infos = [tracker.getStageInfo(stage) for stage in range(_MOST_STAGES)]
    return sum(info is not None and info.currentAttemptId > 0 for info in infos)


def _injected(where: ModuleType, name: str, strike: Callable[[Path], None], folder: Path) -> None:
    """Tasks of a step are struck once they have something to show; of sorting and copying there are several."""
    step = getattr(where, name)
    if step is grouped.with_each:
        setattr(where, name, lambda files, work: step(files, _hurt_after(work, strike, folder)))
    else:
        setattr(where, name, lambda *given: hurt(step(*given), strike, folder))
    sorting._GROUP_LINES = (1_000, 10_000)
    grouped._TASK_BYTES = 1


def _hurt_after(work: FileWork, strike: Callable[[Path], None], folder: Path) -> FileWork:
    def struck(asked: Any, path: str) -> None:
        work(asked, path)
        strike(folder)

    return struck


if __name__ == "__main__":
    main()
