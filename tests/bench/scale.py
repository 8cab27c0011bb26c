"""The simulated shop through ingest, clean and features: seconds per million events, and memory."""

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from pyspark.sql import SparkSession

from affinity.io.ask import ask
from affinity.io.plan import Request
from affinity.simulate.params import SIZES, ShopConfig
from affinity.simulate.place import Shop
from affinity.simulate.shop import simulate
from tests.bench.events import OUT
from tests.bench.harness import Detail, Row, Sample, Variant, equal, told
from tests.bench.memory import watched
from tests.bench.shop_runs import root_in, run, take_in


@contextmanager
def scale_row(name: str, sizes: Sequence[str]) -> Iterator[Row]:
    """Sizes of the shop, one after the other, each in a fresh root."""
    OUT.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=OUT, prefix=f"{name}-") as scratch:
        folder = Path(scratch)
        spark = root_in(folder, "first").spark

        def run() -> Sample:
            return Sample(None, told(line for size in sizes for line in _through(spark, folder, size)))

        try:
            yield Row(
                name=name,
                doc=f"The simulated shop at sizes {', '.join(sizes)}: its files through ingest_events and "
                "ingest_customers, clean_events and build_features, in one process with two cores. Memory is the most "
                "that Python, the JVM and its workers held at one time.",
                variants=[Variant("affinity", run)],
                difference=equal,
                n_runs=1,
                n_warm_ups=0,
                notes={"spark": spark.version},
            )
        finally:
            spark.stop()


def _through(spark: SparkSession, folder: Path, size: str) -> Iterator[Detail]:
    config = ShopConfig.model_validate(SIZES[size])
    shop = Shop(config, folder / size, 0, config.days)
    simulate(spark, shop)
    shutil.rmtree(shop.truth)
    platform = root_in(folder, f"root-{size}", spark)
    last = Request(config.start_date + timedelta(days=config.days))
    steps = {
        "ingest": partial(take_in, platform, shop.landing),
        "clean": partial(run, platform, "clean_events", Request()),
        "features": partial(run, platform, "build_features", last),
    }
    n_events = 0
    for step, work in steps.items():
        begun = time.perf_counter()
        with watched() as peak:
            work()
        seconds = time.perf_counter() - begun
        n_events = n_events or int(
            ask(platform.root, "SELECT sum(n_rows) AS n FROM ops.files WHERE feed = 'events'")[0]["n"]
        )
        yield {
            "size": size,
            "step": step,
            "million events": round(n_events / 1e6, 2),
            "seconds": round(seconds, 1),
            "seconds per million": round(seconds / n_events * 1e6, 2),
            "peak memory, GB": round(peak.n_bytes / 1e9, 1),
        }
    for made in (shop.landing, platform.root.path):
        shutil.rmtree(made)
