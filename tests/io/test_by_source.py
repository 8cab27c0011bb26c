"""Several sources in one walk: an ingest job once per source that has something for it, the other jobs once."""

from datetime import date
from pathlib import Path

from affinity.io.chain import by_source
from affinity.io.config import load_config
from affinity.io.demo import SHOP_SETTINGS, SHOP_SOURCES
from affinity.io.job import find
from affinity.io.plan import Request, job_settings
from affinity.jobs.catalog import JOBS

CONFIG = load_config()
REQUEST = Request(date(2026, 1, 4), SHOP_SOURCES[0], Path("landing"), more_sources=SHOP_SOURCES[1:])


def sources_of(job: str, request: Request = REQUEST) -> list[str | None]:
    return [asked.source for asked in by_source(CONFIG, find(job, JOBS), request)]


def test_each_ingest_job_reads_the_sources_that_have_its_feed() -> None:
    assert sources_of("ingest_events") == ["shop_web", "shop_app", "shop_tills", "shop_orders", "shop_email"]
    assert sources_of("ingest_items") == ["shop_catalogue"]
    assert sources_of("ingest_customers") == ["shop_crm"]


def test_other_jobs_and_single_sources_are_asked_once() -> None:
    assert sources_of("clean_events") == ["shop_web"]
    assert sources_of("ingest_items", Request(source="shop_web")) == ["shop_web"]


def test_the_settings_of_the_demonstration_are_settings() -> None:
    config = load_config(overrides=SHOP_SETTINGS)
    for job in JOBS:
        job_settings(config, job)
