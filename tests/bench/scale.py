"""The simulated shop through ingest, clean and features: seconds per million events, and memory."""

import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from pyspark.sql import SparkSession

from affinity.core.vocabulary import Status
from affinity.io.ask import ask
from affinity.io.config import load_config
from affinity.io.job import find
from affinity.io.plan import Request
from affinity.io.platform import Platform
from affinity.io.runner import run_job
from affinity.jobs.catalog import JOBS
from affinity.simulate.params import SIZES, ShopConfig
from affinity.simulate.place import Shop
from affinity.simulate.shop import simulate
from tests.bench.events import OUT
from tests.bench.harness import Detail, Row, Sample, Variant, equal
from tests.bench.memory import watched

SOURCES = ("shop_web", "shop_app", "shop_tills", "shop_orders", "shop_email")


@contextmanager
def scale_row(name: str, sizes: Sequence[str]) -> Iterator[Row]:
    """Sizes of the shop, one after the other, each in a fresh root."""
    OUT.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=OUT, prefix=f"{name}-") as scratch:
        folder = Path(scratch)
        (folder / "key").write_text("5e" * 32, encoding="ascii")
        spark = _platform(folder, "first", None).spark

        def run() -> Sample:
            return Sample(None, [line for size in sizes for line in _through(spark, folder, size)])

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


def _platform(folder: Path, root: str, session: SparkSession | None) -> Platform:
    overrides = [f"store.root={folder / root}", f"privacy.key_file={folder / 'key'}", "spark.master=local[2]"]
    return Platform.open(load_config(overrides=overrides), session=session)


def _through(spark: SparkSession, folder: Path, size: str) -> Iterator[Detail]:
    config = ShopConfig.model_validate(SIZES[size])
    shop = Shop(config, folder / size, 0, config.days)
    simulate(spark, shop)
    shutil.rmtree(shop.truth)
    platform = _platform(folder, f"root-{size}", spark)
    last = Request(config.start_date + timedelta(days=config.days))
    steps = {
        "ingest": [
            *(("ingest_events", Request(None, source, shop.landing)) for source in SOURCES),
            ("ingest_customers", Request(None, "shop_crm", shop.landing)),
        ],
        "clean": [("clean_events", Request())],
        "features": [("build_features", last)],
    }
    n_events = 0
    for step, jobs in steps.items():
        begun = time.perf_counter()
        with watched() as peak:
            for job, request in jobs:
                _run(platform, job, request)
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


def _run(platform: Platform, job: str, request: Request) -> None:
    result = run_job(platform, find(job, JOBS), request)
    if result.status is not Status.DONE:
        raise RuntimeError(f"{job} ended as {result.status}: {result.reason}")
