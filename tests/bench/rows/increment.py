"""A night of a growing shop: what it costs beside the first build, and whether it ends where a rebuild would."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from deltalake import DeltaTable
from pyspark.sql import SparkSession

from affinity.io.plan import Request
from affinity.io.platform import Platform
from affinity.simulate.params import SIZES, ShopConfig
from affinity.simulate.place import Shop
from affinity.simulate.shop import simulate
from affinity.tables import silver
from tests.bench.events import OUT
from tests.bench.harness import Detail, Row, Sample, Variant, equal, told
from tests.bench.shop_runs import root_in, run, take_in
from tests.bench.spark_work import work_so_far
from tests.content import digests

MEASURED = (silver.EVENTS, silver.SUBJECT_DAILY)
ON_TIME = {"late": 0, "too_late": 0, "delivered_twice": 0, "file_again": 0, "file_corrected": 0}


@contextmanager
def row(size: str = "bench", last_days: int = 1) -> Iterator[Row]:
    """The shop but for its last days, then these alone, then all of it at once; with late events and without."""
    OUT.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=OUT, prefix="increment-") as scratch:
        folder = Path(scratch)
        spark = root_in(folder, "first").spark

        def nights() -> Sample:
            lines: list[Detail] = []
            for tail, faults in (("late tail", {}), ("nothing late", ON_TIME)):
                lines += told(_nights(spark, folder / tail.replace(" ", "-"), size, faults, last_days, tail))
            return Sample(None, lines)

        try:
            yield Row(
                name="increment",
                doc=f"The simulated shop `{size}`: all its days but {last_days}, then these, and in another root all "
                "at once; both end in the same rows, digest for digest. Bytes are what Spark and its Python tasks read "
                "while clean_events runs, of whatever table, and what new files of silver.events and "
                "silver.subject_daily hold; their share is that of all bytes of these two. Beside the seconds of "
                "clean_events stand those of ingestion, and of build_features, which reads all days.",
                variants=[Variant("affinity", nights)],
                difference=equal,
                n_runs=1,
                n_warm_ups=0,
                notes={"spark": spark.version},
            )
        finally:
            spark.stop()


def _nights(
    spark: SparkSession, folder: Path, size: str, faults: Mapping[str, float], last_days: int, tail: str
) -> Iterator[Detail]:
    config = ShopConfig.model_validate({**SIZES[size], "faults": faults})
    nightly, at_once = (root_in(folder, root, spark) for root in ("nightly", "at-once"))
    for step, first, end in (
        ("first build", 0, config.days - last_days),
        ("night", config.days - last_days, config.days),
    ):
        shop = Shop(config, folder / "shop", first, end)
        simulate(spark, shop)
        yield {"tail": tail, "step": step} | _taken(spark, nightly, shop)
    yield {"tail": tail, "step": "all at once"} | _taken(spark, at_once, shop)
    by_night, whole = digests(nightly.root), digests(at_once.root)
    if by_night != whole:
        raise RuntimeError(f"{tail}: night by night gives {by_night}, all at once {whole}")


def _taken(spark: SparkSession, platform: Platform, shop: Shop) -> Detail:
    """Ingest, clean with a look at what it costs, and build features of the day after."""
    at = time.perf_counter()
    take_in(platform, shop.landing)
    ingested, before, files = time.perf_counter(), work_so_far(spark), _files(platform)
    run(platform, "clean_events", Request())
    seconds, work, there = time.perf_counter() - ingested, work_so_far(spark) - before, _files(platform)
    written = sum(n_bytes for name, n_bytes in there.items() if name not in files)
    cleaned = time.perf_counter()
    run(platform, "build_features", Request(shop.config.start_date + timedelta(days=shop.end)))
    return {
        "ingest, s": ingested - at,
        "clean, s": seconds,
        "jobs": work.n_jobs,
        "read, bytes": work.bytes_read,
        "written, bytes": written,
        "share": round((work.bytes_read + written) / sum(there.values()), 4),
        "features, s": time.perf_counter() - cleaned,
    }


def _files(platform: Platform) -> dict[str, int]:
    """Every live file of the measured tables with its size."""
    found: dict[str, int] = {}
    for spec in MEASURED:
        path = str(platform.root.table(spec))
        if DeltaTable.is_deltatable(path):
            actions = DeltaTable(path).get_add_actions(flatten=True)
            sizes = zip(actions["path"].to_pylist(), actions["size_bytes"].to_pylist(), strict=True)
            found |= {f"{path}/{name}": n_bytes for name, n_bytes in sizes}
    return found
