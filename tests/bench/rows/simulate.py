"""The simulated shop at the sizes whose speed is claimed: files, faults, truth and ceilings included."""

import resource
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

from affinity.io.config import load_config
from affinity.io.session import plain_session
from affinity.simulate.params import SIZES, ShopConfig
from affinity.simulate.place import Shop
from affinity.simulate.shop import simulate
from tests.bench.harness import Detail, Row, Sample, Variant, equal

OUT = Path(__file__).resolve().parents[3] / "build" / "bench"
_PAGE = resource.getpagesize()


@contextmanager
def row(sizes: tuple[str, ...] = ("bench", "large")) -> Iterator[Row]:
    """One run per size in one session; `large` needs 15 GB of disk while it runs."""
    OUT.mkdir(parents=True, exist_ok=True)
    config = load_config(overrides=["spark.master=local[2]"])
    begun = time.perf_counter()
    spark = plain_session(lambda: config, "bench")
    started = time.perf_counter() - begun

    def make() -> Sample:
        lines: list[Detail] = []
        for size in sizes:
            with TemporaryDirectory(dir=OUT, prefix=f"shop-{size}-") as scratch:
                shop = whole_shop(size, Path(scratch) / "shop")
                with _peak_memory() as peak:
                    at = time.perf_counter()
                    written = simulate(spark, shop)
                    seconds = time.perf_counter() - at
                shutil.rmtree(shop.out)
            lines.append(
                {
                    "size": size,
                    "events": written.n_events,
                    "seconds": seconds,
                    "events per second": round(written.n_events / seconds),
                    "landed, bytes": written.n_bytes,
                    "largest Python worker, bytes": peak[0],
                }
            )
        return Sample([line["events"] for line in lines], lines)

    try:
        yield Row(
            name="simulate",
            doc="`affinity simulate --size bench` and `--size large` on two cores: landing files, faults, ledger, "
            "truth tables and ceilings; the start of the session is not in the times.",
            variants=[Variant("affinity", make)],
            difference=equal,
            n_runs=1,
            n_warm_ups=0,
            notes={"spark": spark.version, "master": config.spark.master, "session_start_s": round(started, 1)},
        )
    finally:
        spark.stop()


def whole_shop(size: str, out: Path) -> Shop:
    """All days of a named size."""
    config = ShopConfig.model_validate(SIZES[size])
    return Shop(config, out, 0, config.days)


@contextmanager
def _peak_memory() -> Iterator[list[int]]:
    """The most memory that any Python worker of Spark had resident, looked at five times a second."""
    peak, done = [0], Event()

    def look() -> None:
        while not done.wait(0.2):
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    if b"pyspark.daemon" in (process / "cmdline").read_bytes():
                        peak[0] = max(peak[0], int((process / "statm").read_text().split()[1]) * _PAGE)
                except OSError:
                    continue

    watcher = Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()
