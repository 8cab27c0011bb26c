"""A year of nights over a small shop: does the last one cost what the first one did, and does upkeep change a row?"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from affinity.io.ask import ask
from affinity.io.plan import Request
from affinity.io.platform import Platform
from affinity.simulate.params import SIZES, ShopConfig
from affinity.simulate.place import Shop
from tests.bench.events import OUT
from tests.bench.harness import Detail, Row, Sample, Variant, equal
from tests.bench.night_figures import draw_nights
from tests.bench.shop_runs import root_in, run, take_in
from tests.bench.spark_work import work_so_far
from tests.simulate.making import make

FIGURE = Path(__file__).resolve().parents[3] / "docs" / "img" / "nights.png"
UPKEEP_DAYS = 7
_SHOWN = 30
CONTENT = """
SELECT (SELECT sum(hash(event_id, event_ts, customer_id, amount)::HUGEINT) FROM silver.events)::VARCHAR AS events,
    (SELECT sum(hash(customer_id, event_date, n_events, n_sessions, hours, net_amount)::HUGEINT)
     FROM silver.customer_daily)::VARCHAR AS days,
    (SELECT sum(hash(subject_key, customer_id)::HUGEINT) FROM silver.identities WHERE valid_to_date IS NULL
     AND customer_id <> subject_id)::VARCHAR AS identities"""


@contextmanager
def row(days: int = 365) -> Iterator[Row]:
    """Every night its files, their cleaning, and once a week the upkeep of all tables."""
    OUT.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=OUT, prefix="nights-") as scratch:
        folder = Path(scratch)
        nightly = root_in(folder, "nightly")
        spark = nightly.spark

        def year() -> Sample:
            nights = _nights(nightly, ShopConfig.model_validate({**SIZES["tiny"], "days": days}), folder / "shop")
            at_once = root_in(folder, "at-once", spark)
            _night(at_once, folder / "shop" / "landing")
            if ask(nightly.root, CONTENT) != ask(at_once.root, CONTENT):
                raise RuntimeError("night by night other rows came out than of all files at once")
            draw_nights(nights, FIGURE)
            return Sample(None, _summary(nights))

        try:
            yield Row(
                name="year_of_nights",
                doc=f"The simulated shop `tiny` for {days} days: each night the files of its day, ingest_events, "
                "ingest_customers and clean_events, and every seventh day maintain_tables, by which no row may change. "
                f"At the end the rows are those of all files at once. Also writes {FIGURE.name} of docs/img.",
                variants=[Variant("affinity", year)],
                difference=equal,
                n_runs=1,
                n_warm_ups=0,
                notes={"spark": spark.version},
            )
        finally:
            spark.stop()


def _nights(platform: Platform, config: ShopConfig, out: Path) -> list[Detail]:
    nights: list[Detail] = []
    for day in range(config.days):
        shop: Shop = make(config, out, day, day + 1)
        before, begun = work_so_far(platform.spark), time.perf_counter()
        _night(platform, shop.landing)
        seconds, work = time.perf_counter() - begun, work_so_far(platform.spark) - before
        nights.append({"night": day, "seconds": seconds, "jobs": work.n_jobs, "read, bytes": work.bytes_read})
        if (day + 1) % UPKEEP_DAYS == 0:
            _upkeep(platform, Request(config.start_date + timedelta(days=day)))
    return nights


def _night(platform: Platform, landing: Path) -> None:
    take_in(platform, landing)
    run(platform, "clean_events", Request())


def _upkeep(platform: Platform, request: Request) -> None:
    before = ask(platform.root, CONTENT)
    run(platform, "maintain_tables", request)
    if ask(platform.root, CONTENT) != before:
        raise RuntimeError(f"the upkeep of {request.as_of} changed rows")


def _summary(nights: list[Detail]) -> list[Detail]:
    """Medians of the first and the last nights after the start, and the slope over all of them."""
    settled = nights[_SHOWN:]
    at, seconds = (np.array([night[name] for night in settled], float) for name in ("night", "seconds"))
    slope = float(np.polyfit(at, seconds, 1)[0]) if len(settled) > 1 else 0.0
    lines: list[Detail] = []
    for name, some in (("first", settled[:_SHOWN]), ("last", settled[-_SHOWN:])):
        medians = {key: float(np.median([night[key] for night in some])) for key in ("seconds", "jobs", "read, bytes")}
        lines.append({"nights": f"{name} {len(some)}", **medians, "slope, s per 100 nights": round(slope * 100, 2)})
    return lines
