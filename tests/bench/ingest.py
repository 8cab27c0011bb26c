"""The rows that measure ingest: the job into a fresh root, and its peers from the same files."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from pyspark.sql import SparkSession

from affinity.io.platform import Platform
from tests.bench.events import OUT, bronze_of, by_duckdb, by_spark, config_of, content, ingested, make_log
from tests.bench.harness import Row, Sample, Variant, equal

_N_RUNS = 3
DUCKDB, SPARK = "duckdb + delta-rs", "spark inferSchema"


@contextmanager
def ingest_row(form: str, n_events: int, n_files: int) -> Iterator[Row]:
    """One log in equal files; every variant makes the same typed rows of it, people as tokens, as a Delta table."""
    OUT.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=OUT, prefix=f"ingest-{form}-") as scratch:
        folder = Path(scratch)
        make_log(folder / "landing", form, n_events, n_files)
        begun = time.perf_counter()
        spark = Platform.open(config_of(folder, form, "first")).spark
        started = time.perf_counter() - begun
        roots = iter(_used_roots(spark, folder, form))

        def ours() -> Sample:
            platform = next(roots)
            ingested(platform, folder / "landing")
            return content(bronze_of(platform), "file_date = DATE '2025-10-06'")

        def duckdb_s() -> Sample:
            return by_duckdb(folder / "landing", form, str(folder / "duckdb"))

        def spark_s() -> Sample:
            return by_spark(spark, folder / "landing", form, str(folder / "spark"))

        n_bytes = sum(path.stat().st_size for path in (folder / "landing").iterdir())
        try:
            yield Row(
                name=f"ingest_{form}",
                doc=f"{n_events:,} events in {n_files} files of {form}, {n_bytes:,} bytes, "
                "one line in 10,000 cut, to a "
                "Delta table of typed events: identity, type, time, business day, keyed token of the person, item, "
                "quantity, price, amount, currency, payload without the person, bad lines kept. affinity is the whole "
                "job ingest_events with audit, manifest and release, in a root that was used before. Equal: number of "
                "rows, of unreadable ones, and a digest over ten columns of the others; the look at them is in all "
                "times.",
                variants=[Variant("affinity", ours), Variant(DUCKDB, duckdb_s), Variant(SPARK, spark_s)],
                difference=equal,
                peer=SPARK,
                n_runs=_N_RUNS,
                notes={"spark": spark.version, "session_start_s": round(started, 1)},
            )
        finally:
            spark.stop()


def _used_roots(spark: SparkSession, folder: Path, form: str) -> list[Platform]:
    """A root for each run, in which something was ingested before, as on every night but the first."""
    make_log(folder / "before", form, 100, 1, day="2025-10-05")
    ingested(Platform.open(config_of(folder, form, "first"), session=spark), folder / "before")
    names = [f"root-{number}" for number in range(_N_RUNS + 1)]
    for name in names:
        shutil.copytree(folder / "first", folder / name)
    return [Platform.open(config_of(folder, form, name), session=spark) for name in names]
