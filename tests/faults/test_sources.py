"""Several sources in one run: each by its own mapping, and none for the faults of another."""

import json
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from affinity.core.errors import ExitCode
from affinity.core.vocabulary import Status
from affinity.io.config import load_config
from affinity.io.demo import SHOP_SETTINGS, SHOP_SOURCES
from affinity.io.job import find
from affinity.io.plan import Request, job_settings
from affinity.io.platform import Platform
from affinity.io.runner import Result, run_job
from affinity.jobs.catalog import JOBS, ON_DEMAND
from affinity.tables import bronze, ops
from tests.faults.test_channels import DAY, MAIL, WEB, jsonl, land_all
from tests.shop import Shop


@pytest.fixture
def shop(spark: SparkSession, tmp_path: Path) -> Shop:
    return opened(tmp_path / "shop", spark)


def opened(folder: Path, spark: SparkSession) -> Shop:
    """A shop with the key of all the others."""
    folder.mkdir()
    (folder.parent / "key").write_text("5e" * 32)
    return Shop(folder, spark, overrides=(f"privacy.key_file={folder.parent / 'key'}",))


def run(shop: Shop, job: str, *sources: str) -> Result:
    return run_job(shop.platform, find(job, JOBS), Request(None, sources, shop.landing))


def runs(shop: Shop) -> list[tuple[str | None, str]]:
    ended = [row for row in shop.platform.ops.read(ops.RUNS) if row["status"] != Status.STARTED]
    return [(row["source"], row["status"]) for row in sorted(ended, key=lambda row: row["at_ts"])]


def lines(shop: Shop) -> dict[str, int]:
    rows = shop.platform.store.read(bronze.EVENTS, shop.platform.store.version(bronze.EVENTS))
    return {row["source"]: row["count"] for row in rows.groupBy("source").count().collect()}


def test_each_ingest_job_reads_the_sources_that_have_its_feed_in_one_run(shop: Shop) -> None:
    land_all(shop)
    assert run(shop, "ingest_events", *SHOP_SOURCES).status is Status.DONE
    assert run(shop, "ingest_items", *SHOP_SOURCES).status is Status.DONE
    assert run(shop, "ingest_customers", *SHOP_SOURCES).status is Status.DONE
    events = "shop_web, shop_app, shop_tills, shop_orders, shop_email"
    assert runs(shop) == [(events, "done"), ("shop_catalogue", "done"), ("shop_crm", "done")]
    assert lines(shop) == {"shop_web": 3, "shop_app": 2, "shop_tills": 3, "shop_orders": 3, "shop_email": 2}
    again = run(shop, "ingest_events", *reversed(SHOP_SOURCES))
    assert (again.status, again.reason) == (Status.NOTHING_TO_DO, "no new file")


def test_sources_in_one_run_and_in_a_run_each_give_the_same_rows(shop: Shop, spark: SparkSession) -> None:
    land_all(shop)
    assert run(shop, "ingest_events", "shop_web", "shop_app", "shop_tills").status is Status.DONE
    at_once = digest(shop)
    apart = opened(shop.folder.parent / "apart", spark)
    land_all(apart)
    for source in ("shop_tills", "shop_app", "shop_web"):
        assert run(apart, "ingest_events", source).status is Status.DONE
    assert digest(apart) == at_once


def digest(shop: Shop) -> list[str]:
    rows = shop.platform.store.read(bronze.EVENTS, shop.platform.store.version(bronze.EVENTS))
    columns = [name for name in bronze.EVENTS.digest_columns if name != "run_id"]
    return sorted(json.dumps(row.asDict(), default=str, sort_keys=True) for row in rows.select(*columns).collect())


def test_a_source_of_which_nothing_can_be_read_fails_the_run_and_the_others_are_taken(shop: Shop) -> None:
    jsonl(shop, f"web/{DAY}/web-{DAY}T07.jsonl", WEB)
    jsonl(shop, f"email/email-{DAY}.jsonl.gz", MAIL)
    cut = shop.landing / f"email/email-{DAY}.jsonl.gz"
    cut.write_bytes(cut.read_bytes()[:-9])
    found = run(shop, "ingest_events", "shop_web", "shop_email", "shop_tills")
    assert found.exit_code is ExitCode.BAD_INPUT
    assert "Files of source 'shop_email'" in (found.reason or "")
    assert "it is cut" in (found.reason or "")
    assert "holds no file of source 'shop_tills'" in (found.reason or "")
    assert lines(shop) == {"shop_web": 1}
    assert run(shop, "ingest_events", "shop_web", "shop_tills").exit_code is ExitCode.BAD_INPUT
    jsonl(shop, f"email/email-{DAY}.jsonl.gz", MAIL)
    assert run(shop, "ingest_events", "shop_web", "shop_email").status is Status.DONE
    assert lines(shop) == {"shop_web": 1, "shop_email": 1}


def test_a_source_that_was_never_readable_is_told_each_time_and_not_noted(shop: Shop) -> None:
    jsonl(shop, f"web/{DAY}/web-{DAY}T07.jsonl", WEB)
    (shop.landing / "tills").mkdir()
    (shop.landing / f"tills/tills-{DAY}.csv").write_text("Other,Columns\n1,2\n")
    for _ in range(2):
        found = run(shop, "ingest_events", "shop_web", "shop_tills")
        assert found.exit_code is ExitCode.BAD_INPUT
        assert "Files of source 'shop_tills'" in (found.reason or "")
    assert lines(shop) == {"shop_web": 1}
    assert [row["source"] for row in shop.manifest()] == ["shop_web"]


def test_a_source_that_is_named_twice_is_read_once(shop: Shop) -> None:
    land_all(shop)
    run(shop, "ingest_events", "shop_web", "shop_web")
    assert lines(shop) == {"shop_web": 3}


def test_a_source_without_the_feed_has_nothing_to_do(shop: Shop) -> None:
    land_all(shop)
    found = run(shop, "ingest_items", "shop_web")
    assert (found.status, found.reason) == (Status.NOTHING_TO_DO, "no items feed in shop_web")
    nowhere = run_job(shop.platform, find("ingest_items", JOBS), Request(None, ("shop_web",), shop.folder / "typo"))
    assert nowhere.exit_code is ExitCode.BAD_INPUT


def test_the_settings_of_the_demonstration_are_settings() -> None:
    config = load_config(overrides=SHOP_SETTINGS)
    for job in JOBS:
        job_settings(config, job)


def test_lines_are_read_again_of_one_source_at_a_time(shop: Shop) -> None:
    land_all(shop)
    config = load_config(
        overrides=['jobs.replay_quarantine.reason="unparsable"', f"store.root={shop.root}", *shop.overrides]
    )
    platform = Platform.open(config, session=shop.spark)
    found = run_job(platform, find("replay_quarantine", ON_DEMAND), Request(None, SHOP_SOURCES, shop.landing))
    assert found.exit_code is ExitCode.BAD_INPUT
    assert "one source at a time" in (found.reason or "")
