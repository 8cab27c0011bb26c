"""Landing areas of awkward shapes: one large file, ten thousand small ones, a year of hours that are known already."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from deltalake import DeltaTable
from pyspark.sql import SparkSession

from affinity.io.job import find
from affinity.io.plan import Request
from affinity.io.planning import make_plan
from affinity.io.platform import Platform
from affinity.jobs.catalog import JOBS
from tests.bench.events import OUT, bronze_of, config_of, ingested, make_log
from tests.bench.harness import Detail, Row, Sample, Variant, equal

_LARGE, _WELL_SIZED = 8_000_000, 32
_SMALL, _HOURS = 10_000, 8_760


@contextmanager
def row(n_events: int = _LARGE, n_small: int = _SMALL, n_hours: int = _HOURS) -> Iterator[Row]:
    """Each shape once, in a root that was used before."""
    OUT.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=OUT, prefix="ingest-shapes-") as scratch:
        folder = Path(scratch)
        make_log(folder / "before", "jsonl", 100, 1, day="2025-10-05")
        first = Platform.open(config_of(folder, "jsonl", "first"))
        spark = first.spark
        ingested(first, folder / "before")

        def shapes() -> Sample:
            lines = [
                _timed(spark, folder, "one file", n_events, 1),
                _timed(spark, folder, f"{_WELL_SIZED} files", n_events, _WELL_SIZED),
                _timed(spark, folder, f"{n_small:,} files", n_small * 4, n_small),
                _known(spark, folder, n_hours),
            ]
            return Sample([line["shape"] for line in lines], lines)

        try:
            yield Row(
                name="ingest_shapes",
                doc="The job ingest_events over JSON lines of about 250 bytes in files of several shapes, and what it "
                "takes to see that a year of hourly files brings nothing new (a plan without Spark, in a fresh look "
                "at the manifest).",
                variants=[Variant("affinity", shapes)],
                difference=equal,
                n_runs=1,
                n_warm_ups=0,
                notes={"spark": spark.version},
            )
        finally:
            spark.stop()


def _timed(spark: SparkSession, folder: Path, shape: str, n_events: int, n_files: int) -> Detail:
    platform, landing = _fresh(spark, folder, n_events, n_files)
    before = len(DeltaTable(bronze_of(platform)).file_uris())
    seconds = _seconds(lambda: ingested(platform, landing))
    n_left = len(DeltaTable(bronze_of(platform)).file_uris()) - before
    rate = round(n_events / seconds)
    return {"shape": shape, "events": n_events, "seconds": seconds, "events per second": rate, "files left": n_left}


def _known(spark: SparkSession, folder: Path, n_hours: int) -> Detail:
    platform, landing = _fresh(spark, folder, n_hours, n_hours)
    ingested(platform, landing)

    def look() -> None:
        plan = make_plan(platform, find("ingest_events", JOBS), Request(None, ("bench",), landing))
        if plan.reason != "no new file":
            raise RuntimeError(f"expected no new file, got {plan.reason}")

    seconds = _seconds(look)
    return {
        "shape": f"{n_hours:,} known files",
        "events": 0,
        "seconds": seconds,
        "events per second": 0,
        "files left": 0,
    }


def _fresh(spark: SparkSession, folder: Path, n_events: int, n_files: int) -> tuple[Platform, Path]:
    for old in ("root", "landing"):
        shutil.rmtree(folder / old, ignore_errors=True)
    name = f"root-{n_files}"  # a path of its own: MLflow remembers the database of one
    shutil.copytree(folder / "first", folder / name)
    make_log(folder / "landing", "jsonl", n_events, n_files)
    return Platform.open(config_of(folder, "jsonl", name), session=spark), folder / "landing"


def _seconds(work: Callable[[], None]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
