"""A year of nights over a small shop: does the last one cost what the first one did, and does upkeep change a row?"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import numpy as np
from deltalake import DeltaTable

from affinity.io.plan import Request
from affinity.io.platform import Platform
from affinity.simulate.params import SIZES, ShopConfig
from affinity.simulate.place import Shop
from affinity.tables import bronze, ddl
from affinity.tables.catalog import SPARK_TABLES
from tests.bench.events import OUT
from tests.bench.harness import Detail, Row, Sample, Variant, equal, told
from tests.bench.night_figures import draw_nights
from tests.bench.shop_runs import root_in, run, take_in
from tests.bench.spark_work import work_so_far
from tests.content import digest_of, digests
from tests.simulate.making import make

FIGURE = Path(__file__).resolve().parents[3] / "docs" / "img" / "nights.png"
UPKEEP_DAYS = 7
_SHOWN = 30
_NIGHT_SECS = 8


@contextmanager
def row(days: int = 365) -> Iterator[Row]:
    """Every night its files, their cleaning, and once a week the upkeep of all tables."""
    OUT.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=OUT, prefix="nights-") as scratch, patch.dict(ddl.HISTORY, _in_miniature()):
        folder = Path(scratch)
        nightly = root_in(folder, "nightly")
        spark = nightly.spark

        def year() -> Sample:
            config = ShopConfig.model_validate({**SIZES["tiny"], "days": days})
            nights = told(_nights(nightly, config, folder / "shop"))
            at_once, last = root_in(folder, "at-once", spark), Request(config.start_date + timedelta(days=days))
            _night(at_once, folder / "shop" / "landing")
            for platform in (nightly, at_once):
                run(platform, "build_features", last)
            by_night, whole = digests(nightly.root), digests(at_once.root)
            if by_night != whole:
                raise RuntimeError(f"night by night gives {by_night}, all files at once {whole}")
            draw_nights(nights, FIGURE)
            return Sample(None, _summary(nights))

        try:
            yield Row(
                name="year_of_nights",
                doc=f"The simulated shop `tiny` for {days} days: each night the files of its day, ingest_events, "
                "ingest_customers and clean_events; every seventh day maintain_tables, by which no digest of a table "
                "may change, and build_features, which reads all days. At the end the digests are those of all files "
                f"at once. Delta keeps replaced files for a week and logs for a month: of {_NIGHT_SECS} seconds a day. "
                f"Also writes {FIGURE.name} of docs/img.",
                variants=[Variant("affinity", year)],
                difference=equal,
                n_runs=1,
                n_warm_ups=0,
                notes={"spark": spark.version},
            )
        finally:
            spark.stop()


def _nights(platform: Platform, config: ShopConfig, out: Path) -> Iterator[Detail]:
    for day in range(config.days):
        shop: Shop = make(config, out, day, day + 1)
        before, begun = work_so_far(platform.spark), time.perf_counter()
        _night(platform, shop.landing)
        seconds, work = time.perf_counter() - begun, work_so_far(platform.spark) - before
        night: Detail = {"night": day, "seconds": seconds, "jobs": work.n_jobs, "read, bytes": work.bytes_read}
        if (day + 1) % UPKEEP_DAYS == 0:
            night |= _weekly(platform, Request(config.start_date + timedelta(days=day + 1)))
        yield night


def _night(platform: Platform, landing: Path) -> None:
    take_in(platform, landing)
    run(platform, "clean_events", Request())


def _weekly(platform: Platform, request: Request) -> Detail:
    """Features and upkeep, each with its seconds."""
    begun = time.perf_counter()
    run(platform, "build_features", request)
    built, before = time.perf_counter(), _everything(platform)
    compared = time.perf_counter()
    run(platform, "maintain_tables", request)
    kept = time.perf_counter()
    _forget(platform)
    if (after := _everything(platform)) != before:
        raise RuntimeError(f"the upkeep of {request.as_of} made {after} of {before}")
    return {"features, s": built - begun, "upkeep, s": kept - compared}


def _in_miniature() -> dict[str, str]:
    """What tables keep for days, kept for as many nights of this year."""
    days = {name: int(kept.split()[1]) for name, kept in ddl.HISTORY.items() if kept.endswith(" days")}
    return {name: f"interval {kept * _NIGHT_SECS} seconds" for name, kept in days.items()}


def _forget(platform: Platform) -> None:
    """Clean the logs, as Spark does after a commit, but only of what is older than a whole day of the clock."""
    for spec in SPARK_TABLES:
        if DeltaTable.is_deltatable(uri := str(platform.root.table(spec))):
            DeltaTable(uri).cleanup_metadata()


def _everything(platform: Platform) -> dict[str, str]:
    lines = f"SELECT {', '.join(bronze.EVENTS.digest_columns)} FROM {bronze.EVENTS.full_name}"
    return digests(platform.root) | {bronze.EVENTS.full_name: digest_of(platform.root, lines)}


def _summary(nights: list[Detail]) -> list[Detail]:
    """Medians of the first and the last nights after the start, and slopes over all of them."""
    settled = nights[_SHOWN:]
    lines: list[Detail] = []
    for name in ("seconds", "jobs", "read, bytes", "features, s", "upkeep, s"):
        there = [night for night in settled if name in night]
        at, values = (np.array([night[key] for night in there], float) for key in ("night", name))
        slope = float(np.polyfit(at, values, 1)[0]) if len(there) > 1 else 0.0
        ends = {
            f"first {_SHOWN}": _median(name, settled[:_SHOWN]),
            f"last {_SHOWN}": _median(name, settled[-_SHOWN:]),
        }
        lines.append({"per night": name, **ends, "slope per 100 nights": round(slope * 100, 2)})
    return lines


def _median(name: str, nights: list[Detail]) -> float:
    return float(np.median([night[name] for night in nights if name in night] or [float("nan")]))
