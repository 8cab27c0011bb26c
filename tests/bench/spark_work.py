"""How much Spark has done so far, from its status store, which is kept with the UI off, too."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import SparkSession

from tests.bench.memory import descendants

_DAEMONS = (b"pyspark.daemon", b"affinity.io.python_daemon")


@dataclass(frozen=True)
class SparkWork:
    """Totals since the session began; the difference of two is the work between them."""

    n_jobs: int = 0
    n_tasks: int = 0
    shuffle_written: int = 0
    shuffle_read: int = 0
    bytes_read: int = 0

    def __sub__(self, before: "SparkWork") -> "SparkWork":
        return SparkWork(
            self.n_jobs - before.n_jobs,
            self.n_tasks - before.n_tasks,
            self.shuffle_written - before.shuffle_written,
            self.shuffle_read - before.shuffle_read,
            self.bytes_read - before.bytes_read,
        )


def work_so_far(spark: SparkSession) -> SparkWork:
    """Add up over all executors, ended ones too, once every event that was sent has been counted."""
    context = spark.sparkContext._jsc.sc()
    context.listenerBus().waitUntilEmpty()
    store = context.statusStore()
    jobs, executors = store.jobsList(None), store.executorList(False)
    summaries = [executors.apply(i) for i in range(executors.size())]
    return SparkWork(
        # Old jobs are forgotten, so they can't be counted; but they are numbered, and the newest comes first.
        n_jobs=jobs.head().jobId() + 1 if jobs.size() else 0,
        n_tasks=sum(one.totalTasks() for one in summaries),
        shuffle_written=sum(one.totalShuffleWrite() for one in summaries),
        shuffle_read=sum(one.totalShuffleRead() for one in summaries),
        bytes_read=_bytes_read(spark) + _bytes_read_by_python(),
    )


def _bytes_read(spark: SparkSession) -> int:
    """From files, by the one JVM there is: Spark's own count takes what is read of memory for input, too."""
    of_files = spark.sparkContext._jvm.org.apache.hadoop.fs.FileSystem.getGlobalStorageStatistics().get("file")
    return int(of_files.getLong("bytesRead") or 0) if of_files is not None else 0


def _bytes_read_by_python() -> int:
    """By this process, and those in which tasks run Python, modules too; the daemon has what ended ones read."""
    of_tasks = (_read_by(path) for path in descendants() if _is_of_tasks(path))
    return sum(of_tasks) + _read_by(Path("/proc/self"))


def _is_of_tasks(process: Path) -> bool:
    with suppress(OSError):
        said = (process / "cmdline").read_bytes()
        return any(name in said for name in _DAEMONS)
    return False


def _read_by(process: Path) -> int:
    with suppress(OSError):
        counts = dict(line.split(": ") for line in (process / "io").read_text().splitlines())
        return int(counts["rchar"])
    return 0
