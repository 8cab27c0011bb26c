"""The whole chain, job by job, from nine months of landed files to published tables."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from affinity.core.vocabulary import Status
from affinity.io.chain import walk
from affinity.io.config import load_config
from affinity.io.demo import AS_OF, SOURCE, unpack
from affinity.io.plan import Request
from affinity.io.platform import Platform
from affinity.jobs.catalog import JOBS
from tests.bench.harness import Detail, Row, Sample, Variant, equal
from tests.bench.spark_work import SparkWork, work_so_far

PROJECT = Path(__file__).resolve().parents[3]
OUT = PROJECT / "build" / "bench"
ARCHIVE = PROJECT / "deploy" / "demo" / "online_retail.tar.xz"


@contextmanager
def row() -> Iterator[Row]:
    """One run in a fresh root and a fresh session, as `make demo` does it; there is no peer yet."""
    OUT.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=OUT, prefix="whole_chain-") as scratch:
        landing = unpack(Path(scratch) / "landing", archive=ARCHIVE)
        config = load_config(PROJECT / "conf" / "affinity.toml", overrides=[f"store.root={scratch}/root"])
        platform = Platform.open(config)
        begun = time.perf_counter()
        spark = platform.spark
        started = time.perf_counter() - begun
        try:
            yield Row(
                name="whole_chain",
                doc=f"All jobs once in one session, `--source {SOURCE} --as-of {AS_OF}`, 219 files; the start of the "
                "session is not in the times. Sizes of shuffles in bytes.",
                variants=[Variant("affinity", lambda: chain(platform, Request(AS_OF, (SOURCE,), landing)))],
                difference=equal,
                n_runs=1,
                n_warm_ups=0,
                notes={"spark": spark.version, "master": config.spark.master, "session_start_s": round(started, 1)},
            )
        finally:
            spark.stop()


def chain(platform: Platform, request: Request) -> Sample:
    """Walk the jobs; the output is how each ended and what it published."""
    lines: list[Detail] = []
    ended: dict[str, tuple[Status, dict[str, int]]] = {}
    before = first = work_so_far(platform.spark)
    for result in walk(platform, JOBS, request):
        if result.status is not Status.DONE:
            raise RuntimeError(f"{result.job} ended as {result.status}: {result.reason}")
        after = work_so_far(platform.spark)
        lines.append(line(result.job, result.duration_secs, after - before))
        ended[result.job] = (result.status, result.rows or {})
        before = after
    total = sum(one["seconds"] for one in lines)
    return Sample(ended, [*lines, line("all", total, before - first)])


def line(job: str, seconds: float, work: SparkWork) -> Detail:
    """One job in the printed table."""
    return {
        "job": job,
        "seconds": seconds,
        "Spark jobs": work.n_jobs,
        "tasks": work.n_tasks,
        "shuffle written": work.shuffle_written,
        "shuffle read": work.shuffle_read,
    }
