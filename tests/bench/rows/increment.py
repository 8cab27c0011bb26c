"""A night of a growing shop: what it costs beside the first build, and whether it ends where a rebuild would."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from deltalake import DeltaTable
from pyspark.sql import SparkSession

from affinity.io.ask import ask
from affinity.io.plan import Request
from affinity.io.platform import Platform
from affinity.simulate.params import SIZES, ShopConfig
from affinity.simulate.place import Shop
from affinity.simulate.shop import simulate
from affinity.tables import bronze, silver
from tests.bench.events import OUT
from tests.bench.harness import Detail, Row, Sample, Variant, equal
from tests.bench.shop_runs import root_in, run, take_in
from tests.bench.spark_work import work_so_far

MEASURED = (bronze.EVENTS, silver.EVENTS, silver.SUBJECT_DAILY)
ON_TIME = {"late": 0, "too_late": 0, "delivered_twice": 0, "file_again": 0, "file_corrected": 0}
_DIGEST = """
SELECT count(*) AS n_rows,
    sum(hash(event_id, event_type, event_ts, customer_id, item_id, amount)::HUGEINT)::VARCHAR AS d
FROM silver.events"""
_DAYS = """
SELECT count(*) AS n_rows, sum(hash(customer_id, event_date, n_events, n_orders, n_items, n_sessions, hours, net_amount)
    ::HUGEINT)::VARCHAR AS d
FROM silver.customer_daily"""


@contextmanager
def row(size: str = "bench", last_days: int = 2) -> Iterator[Row]:
    """The shop but for its last days, then these alone, then all of it at once; with late events and without."""
    OUT.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=OUT, prefix="increment-") as scratch:
        folder = Path(scratch)
        spark = root_in(folder, "first").spark

        def nights() -> Sample:
            lines: list[Detail] = []
            for tail, faults in (("late tail", {}), ("nothing late", ON_TIME)):
                lines += _nights(spark, folder / tail.replace(" ", "-"), size, faults, last_days, tail)
            return Sample(None, lines)

        try:
            yield Row(
                name="increment",
                doc=f"The simulated shop `{size}`: clean_events over all days but {last_days}, over these, and in "
                "another root over all. Bytes are what Spark and its Python tasks read and what new files of "
                "bronze.events, silver.events and silver.subject_daily hold, as shares of all bytes of these three, "
                "and of the two of silver.",
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
        yield {"tail": tail, "step": step} | _cleaned(spark, nightly, shop.landing)
    yield {"tail": tail, "step": "all at once"} | _cleaned(spark, at_once, shop.landing)
    said = [(ask(each.root, _DIGEST), ask(each.root, _DAYS)) for each in (nightly, at_once)]
    if said[0] != said[1]:
        raise RuntimeError(f"{tail}: night by night gives {said[0]}, all at once {said[1]}")


def _cleaned(spark: SparkSession, platform: Platform, landing: Path) -> Detail:
    """Ingest, then clean with a look at what it costs."""
    at = time.perf_counter()
    take_in(platform, landing)
    ingested, before, files = time.perf_counter(), work_so_far(spark), _files(platform)
    run(platform, "clean_events", Request())
    seconds, work, there = time.perf_counter() - ingested, work_so_far(spark) - before, _files(platform)
    written = sum(n_bytes for name, n_bytes in there.items() if name not in files)
    total = sum(there.values())
    of_silver = sum(n_bytes for name, n_bytes in there.items() if "/silver/" in name)
    return {
        "ingest, s": ingested - at,
        "clean, s": seconds,
        "jobs": work.n_jobs,
        "read, bytes": work.bytes_read,
        "written, bytes": written,
        "share of all": round((work.bytes_read + written) / total, 4),
        "share of silver": round((work.bytes_read + written) / of_silver, 4),
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
