"""The rows that measure ingest: the job into a fresh root, and its peers from the same files."""

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from affinity.io.platform import Platform
from tests.bench.events import OUT, bronze_of, by_duckdb, by_spark, config_of, content, ingested, make_log
from tests.bench.harness import Row, Sample, Variant, equal

DUCKDB, SPARK = "duckdb + delta-rs", "spark inferSchema"


@contextmanager
def ingest_row(form: str, n_events: int, n_files: int) -> Iterator[Row]:
    """One log in equal files; every variant makes the same typed rows of it, people as tokens, as a Delta table."""
    OUT.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=OUT, prefix=f"ingest-{form}-") as scratch:
        folder = Path(scratch)
        make_log(folder / "landing", form, n_events, n_files)
        config = config_of(folder, form)
        begun = time.perf_counter()
        spark = Platform.open(config).spark
        started = time.perf_counter() - begun

        def ours() -> Sample:
            shutil.rmtree(folder / "root", ignore_errors=True)
            platform = Platform.open(config, session=spark)
            ingested(platform, folder / "landing")
            return content(bronze_of(platform))

        def duckdb_s() -> Sample:
            return by_duckdb(folder / "landing", form, str(folder / "duckdb"))

        def spark_s() -> Sample:
            return by_spark(spark, folder / "landing", form, str(folder / "spark"))

        n_bytes = sum(path.stat().st_size for path in (folder / "landing").iterdir())
        try:
            yield Row(
                name=f"ingest_{form}",
                doc=f"{n_events:,} events in {n_files} files of {form}, {n_bytes:,} bytes, one line in 10,000 cut, to a "
                "Delta table of typed events: identity, type, time, business day, keyed token of the person, item, "
                "quantity, price, amount, currency, payload without the person, bad lines kept. affinity is the whole "
                "job ingest_events with audit, manifest and release. Equal: number of rows, of unreadable ones, and a "
                "digest over ten columns of the others; the look at them is in all times.",
                variants=[Variant("affinity", ours), Variant(DUCKDB, duckdb_s), Variant(SPARK, spark_s)],
                difference=equal,
                peer=SPARK,
                n_runs=3,
                notes={"spark": spark.version, "master": config.spark.master, "session_start_s": round(started, 1)},
            )
        finally:
            spark.stop()
