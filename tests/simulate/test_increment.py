"""Day by day or all at once: the same shop gives the same tables, and the same people."""

from collections.abc import Callable
from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from affinity.algorithms import identity_changes
from affinity.algorithms.identity_updates import Change
from affinity.core.vocabulary import Status
from affinity.features.identities import holding
from affinity.io import ops
from affinity.io.ask import ask
from affinity.io.config import load_config
from affinity.io.job import find
from affinity.io.plan import Request
from affinity.io.platform import Platform
from affinity.io.releases import Releases
from affinity.io.runner import run_job
from affinity.jobs.catalog import JOBS
from affinity.metrics.agreement import pair_scores
from affinity.privacy.columns import customer_id
from affinity.simulate.judge import subjects_of
from affinity.simulate.place import Shop
from affinity.simulate.shop import simulate
from affinity.tables import gold, silver
from tests.content import CONTENT, digest_of, digests
from tests.digest import digest, spark_digest
from tests.simulate.making import FAULTY, tiny
from tests.simulate.test_dispositions import SOURCES

STEPS = (0, 30, 45, 46)
_ARRIVING = (
    ("ingest_events", tuple(SOURCES)),
    ("ingest_customers", ("shop_crm",)),
    ("ingest_items", ("shop_catalogue",)),
)
_SLICES = f"SELECT * FROM {gold.CUSTOMER_FEATURES.full_name}"


def night(platform: Platform, shop: Shop) -> None:
    """What a night does up to features of the day after."""
    for job, sources in _ARRIVING:
        result = run_job(platform, find(job, JOBS), Request(None, sources, shop.landing))
        assert result.status in (Status.DONE, Status.NOTHING_TO_DO), result.reason
    as_of = Request(shop.config.start_date + timedelta(days=shop.end))
    for job, request in (("clean_events", Request()), ("build_features", as_of)):
        assert run_job(platform, find(job, JOBS), request).status is Status.DONE


def opened(spark: SparkSession, folder: Path, key: Path) -> Platform:
    key.write_text("5e" * 32)
    overrides = [f"store.root={folder}", f"privacy.key_file={key}"]
    return Platform.open(load_config(overrides=overrides), session=spark)


COMPACTED: set[str] = set()
N_CHANGED: list[int] = []
PUBLISHED: list[tuple[str, str]] = []
"""Slices of features, and their digest on the night that published them."""


def _noted(updated: Callable[..., list[Change]]) -> Callable[..., list[Change]]:
    def note(*arguments: Any) -> list[Change]:
        changed = updated(*arguments)
        N_CHANGED.append(len(changed))
        return changed

    return note


def _upkeep(platform: Platform, as_of: date, patch: pytest.MonkeyPatch) -> None:
    """Small files of all tables become one, and no digest changes by it."""
    if not Releases.of(platform.ops).version(silver.EVENTS):
        return
    before = digests(platform.root)
    patch.setattr(ops, "_FRAGMENTS", 1)
    assert run_job(platform, find("maintain_tables", JOBS), Request(as_of)).status is Status.DONE
    assert digests(platform.root) == before
    moved = "SELECT DISTINCT table_name FROM ops.releases WHERE is_maintenance"
    COMPACTED.update(row["table_name"] for row in ask(platform.root, moved))


@pytest.fixture(scope="module")
def both(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> tuple[Platform, Platform, Shop]:
    """A root that saw the shop grow, with its late lines and corrections, and one that saw it at the end alone."""
    # An odd id is an account that nobody has: a device on which it was typed would be seen with two people.
    folder, config = tmp_path_factory.mktemp("nights"), tiny(days=STEPS[-1], faults={**FAULTY, "odd_id": 0.001})
    by_night = opened(spark, folder / "by-night", folder / "key")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(identity_changes, "updated", _noted(identity_changes.updated))
        for first, end in pairwise(STEPS):
            shop = Shop(config, folder / "shop", first, end)
            simulate(spark, shop)
            _upkeep(by_night, config.start_date + timedelta(days=first), patch)
            night(by_night, shop)
            newest = f"{_SLICES} WHERE as_of_date = DATE '{config.start_date + timedelta(days=end)}'"
            PUBLISHED.append((newest, digest_of(by_night.root, newest)))
    at_once = opened(spark, folder / "at-once", folder / "key")
    night(at_once, shop)
    return by_night, at_once, shop


@pytest.mark.parametrize("table", CONTENT)
def test_by_night_and_at_once_give_the_same(both: tuple[Platform, Platform, Shop], table: str) -> None:
    def rows(platform: Platform) -> list[tuple[Any, ...]]:
        return sorted((tuple(row.values()) for row in ask(platform.root, CONTENT[table])), key=str)

    by_night, at_once, _shop = both
    expected = rows(at_once)
    assert expected
    assert all(any(value is not None for value in values) for values in zip(*expected, strict=True)), (
        "a column of nulls"
    )
    assert rows(by_night) == expected


def test_what_was_published_stays_as_it_was_whoever_is_joined_later(both: tuple[Platform, Platform, Shop]) -> None:
    platform = both[0]
    assert len({digest for _rows, digest in PUBLISHED}) == len(STEPS) - 1
    assert [digest_of(platform.root, rows) for rows, _digest in PUBLISHED] == [digest for _rows, digest in PUBLISHED]
    first = PUBLISHED[0][0]
    joined = "SELECT subject_id FROM silver.identities WHERE valid_to_date IS NULL AND customer_id <> subject_id"
    moved = f"SELECT count(*) AS n FROM ({first}) WHERE customer_id IN ({joined})"
    assert ask(platform.root, moved)[0]["n"] > 0


@pytest.mark.usefixtures("both")
def test_upkeep_has_compacted_what_nights_add_to() -> None:
    added = {silver.LINKS, silver.IDENTITY_CHANGES, silver.SUBJECT_DAILY, silver.CUSTOMERS}
    assert {spec.full_name for spec in added} <= COMPACTED


@pytest.mark.usefixtures("both")
def test_some_night_looked_up_whom_its_links_concern() -> None:
    assert sum(N_CHANGED) > 0


@pytest.mark.parametrize("days", [7, 30, 365])
def test_a_window_is_a_sum_of_days(both: tuple[Platform, Platform, Shop], days: int) -> None:
    sums = {
        "frequency": "sum(n_orders)",
        "monetary": "sum(gross_amount)",
        "n_active_days": "count_if(n_purchases > 0)",
        "n_categories": "len(list_distinct(flatten(list(categories) FILTER (WHERE categories IS NOT NULL))))",
        "n_views": "sum(n_views)",
        "n_carts": "sum(n_carts)",
        "n_sessions": "sum(n_sessions)",
        "n_visit_days": "count_if(hours > 0)",
    }
    names = [f"{name}_{days}d{'_amount' if name == 'monetary' else ''}" for name in sums]
    platform, _at_once, shop = both
    as_of = shop.config.start_date + timedelta(days=shop.end)
    summed = f"""
        SELECT customer_id, {", ".join(f"{made} AS {name}" for name, made in zip(names, sums.values(), strict=True))}
        FROM silver.customer_daily WHERE event_date < DATE '{as_of}' AND event_date >= DATE '{as_of}' - {days}
        GROUP BY customer_id"""
    differ = " OR ".join(f"coalesce(s.{name}, 0) <> coalesce(f.{name}, 0)" for name in names)
    slices = "(FROM gold.customer_features_latest) AS f"
    (found,) = ask(
        platform.root,
        f"SELECT count(*) AS n, count_if({differ}) AS n_wrong, sum(f.n_views_{days}d) AS n_views "
        f"FROM {slices} LEFT JOIN ({summed}) AS s USING (customer_id)",
    )
    assert found["n_wrong"] == 0
    assert found["n"] > 0
    assert found["n_views"] > 0


def test_a_customer_has_one_row_per_day(both: tuple[Platform, Platform, Shop]) -> None:
    (row,) = ask(
        both[0].root,
        "SELECT count(*) AS n, count(DISTINCT (customer_id, event_date)) AS n_days, sum(n_events) AS n_events "
        "FROM silver.customer_daily",
    )
    (named,) = ask(both[0].root, "SELECT count(customer_id) AS n FROM silver.events")
    assert (row["n"], row["n_events"]) == (row["n_days"], named["n"])


def test_people_are_found_again_and_strangers_kept_apart(
    spark: SparkSession, both: tuple[Platform, Platform, Shop]
) -> None:
    platform, _at_once, shop = both
    truth = spark.read.format("delta").load(str(shop.truth / "identities"))
    known = subjects_of(truth, str(platform.root.key_file))
    version = Releases.of(platform.ops).version(silver.IDENTITY_CHANGES)
    found = holding(platform.store.read(silver.IDENTITY_CHANGES, version))
    scores = pair_scores(found.select("subject_key", "customer_id"), known)
    assert scores["pair_precision"] >= 0.995
    assert scores["pair_recall"] >= 0.98


def test_every_bot_is_flagged_and_no_person(spark: SparkSession, both: tuple[Platform, Platform, Shop]) -> None:
    platform, _at_once, shop = both
    deeds = spark.read.format("delta").load(str(shop.truth / "events"))
    planted = deeds.where("customer < 0").select("customer").distinct().count()
    people = subjects_of(spark.read.format("delta").load(str(shop.truth / "identities")), str(platform.root.key_file))
    of_people = {row[0] for row in people.select(customer_id(F.col("subject_key"))).collect()}
    flagged = {row["customer_id"] for row in ask(platform.root, "SELECT customer_id FROM silver.bots")}
    assert planted > 0
    assert len(flagged - of_people) == planted
    assert not flagged & of_people


def test_another_reader_sees_the_same_identities(both: tuple[Platform, Platform, Shop]) -> None:
    platform = both[0]
    version = Releases.of(platform.ops).version(silver.IDENTITY_CHANGES)
    expected = spark_digest(platform.store.read(silver.IDENTITY_CHANGES, version), silver.IDENTITY_CHANGES)
    table = DeltaTable(str(platform.root.table(silver.IDENTITY_CHANGES)), version=version)
    assert not expected.startswith("0-")
    assert digest(table.to_pyarrow_dataset(), silver.IDENTITY_CHANGES) == expected
