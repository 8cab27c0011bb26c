"""A driver that is killed leaves nothing a reader trusts, and the next run puts it right."""

import os
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from affinity.core.vocabulary import Status
from affinity.io.ops import Row, commits, current_version
from affinity.io.releases import Releases
from affinity.tables import bronze, gold, ops, silver
from tests.faults.appender import SPEC, one_row
from tests.faults.toys import TWO_TABLES
from tests.shop import Shop, line

DieAt = Callable[..., None]
AS_OF = date(2011, 1, 5)


def test_killed_before_the_commit_of_bronze_leaves_no_row(shop: Shop, die_at: DieAt) -> None:
    die_at(shop, "before:bronze.events", "ingest_events")
    assert shop.read(bronze.EVENTS).count() == 0
    assert shop.manifest() == []

    result = shop.run("ingest_events")

    assert result.status is Status.DONE
    assert shop.read(bronze.EVENTS).count() == 5
    assert [row["n_rows"] for row in shop.manifest()] == [3, 2]


def test_killed_after_the_commit_of_bronze_is_completed_not_repeated(shop: Shop, die_at: DieAt) -> None:
    die_at(shop, "after:bronze.events", "ingest_events")
    assert shop.read(bronze.EVENTS).count() == 0, "what is not released is not read"

    result = shop.run("ingest_events")

    assert result.status is Status.RECOVERED
    assert shop.read(bronze.EVENTS).count() == 5
    assert len([c for c in commits(shop.platform.root, bronze.EVENTS) if c["run_id"]]) == 1


def test_what_a_killed_run_wrote_is_taken_back_when_other_files_came(shop: Shop, die_at: DieAt) -> None:
    die_at(shop, "after:bronze.events", "ingest_events")
    shop.land("2011-01-06.csv", [line("2011-01-06")])

    result = shop.run("ingest_events")

    assert result.status is Status.DONE
    assert shop.read(bronze.EVENTS).count() == 6
    assert shop.read(bronze.EVENTS).select("event_id").distinct().count() == 6


def test_killed_between_manifest_and_release(shop: Shop, die_at: DieAt) -> None:
    die_at(shop, "release", "ingest_events")
    assert shop.manifest() == []

    assert shop.run("ingest_events").status is Status.RECOVERED
    assert shop.read(bronze.EVENTS).count() == 5
    assert sorted(row["n_rows"] for row in shop.manifest()) == [2, 3]
    assert shop.run("ingest_events").status is Status.NOTHING_TO_DO


def test_killed_between_two_gold_tables_shows_the_old_pair(ingested: Shop, die_at: DieAt) -> None:
    old = ingested.run(TWO_TABLES, AS_OF)
    assert old.status is Status.DONE
    ingested.land("2011-01-03.csv", [line("2011-01-03", CustomerID="99.0")])
    ingested.ingest()

    die_at(ingested, "after:gold.customer_segments", f"{TWO_TABLES.name}:restate", str(AS_OF))

    assert current_version(ingested.platform.root, gold.CUSTOMER_SEGMENTS) == 2, "the new slice is in the table"
    assert _pair(ingested) == (2, 2), "but readers go through the release and see the old pair"
    new = ingested.run(TWO_TABLES, AS_OF, restate=True)
    assert new.status is Status.RECOVERED
    assert _pair(ingested) == (3, 3)
    runs = {Releases.of(ingested.platform.ops).slice(spec, AS_OF).run_id for spec in TWO_TABLES.tables_written}  # type: ignore[union-attr]
    assert runs == {new.run_id}


def test_two_failures_in_a_row_release_nothing_that_was_taken_back(shop: Shop) -> None:
    store, path = shop.platform.store, shop.platform.root.table(SPEC)
    store.ensure(SPEC)
    released = store.publish(one_row(shop.platform.spark, "first"), SPEC, "first", [])
    store.publish(one_row(shop.platform.spark, "dead"), SPEC, "dead", [])  # and dies before its release
    _age(path)  # nobody looks for ten days: longer than Delta restores by itself

    assert store.roll_back_unreleased(SPEC, released, "dead"), "the same run goes on where it stopped"
    assert not store.roll_back_unreleased(SPEC, released, "other")
    assert [row["run_id"] for row in store.read(SPEC, store.version(SPEC)).collect()] == ["first"]
    # The other run dies too, before it commits. What was taken back is not there any more, so nobody may go on with it.
    assert not store.roll_back_unreleased(SPEC, released, "dead")
    again = store.publish(one_row(shop.platform.spark, "dead"), SPEC, "dead", [])
    assert sorted(row["run_id"] for row in store.read(SPEC, again).collect()) == ["dead", "first"]


def test_the_released_version_is_read_however_old_it_is(shop: Shop) -> None:
    store = shop.platform.store
    store.ensure(SPEC)
    released = store.publish(one_row(shop.platform.spark, "first"), SPEC, "first", [])
    store.publish(one_row(shop.platform.spark, "dead"), SPEC, "dead", [])
    _age(shop.platform.root.table(SPEC))
    assert [row["run_id"] for row in store.read(SPEC, released).collect()] == ["first"]


def _age(table: Path) -> None:
    """Let all commits have happened ten days ago."""
    for number, commit in enumerate(sorted((table / "_delta_log").glob("*.json"))):
        at = time.time() - 10 * 86_400 + number
        os.utime(commit, (at, at))


def _pair(shop: Shop) -> tuple[int, int]:
    segments = shop.read(gold.CUSTOMER_SEGMENTS).count()
    profile = shop.read(gold.SEGMENT_PROFILES).first()
    assert profile is not None
    return segments, profile["n_customers"]


@pytest.mark.parametrize("table", ["silver.events", "silver.quarantine"])
def test_killed_inside_clean_is_completed(shop: Shop, die_at: DieAt, table: str) -> None:
    shop.run("ingest_events")
    die_at(shop, f"after:{table}", "clean_events")
    assert shop.read(silver.EVENTS).count() == 0

    assert shop.run("clean_events").status is Status.RECOVERED
    assert shop.read(silver.EVENTS).count() == 5
    assert all(row["n_accepted"] == row["n_rows"] for row in shop.manifest())


def test_killed_between_audit_and_publication_publishes_what_was_audited(ingested: Shop, die_at: DieAt) -> None:
    ingested.land("2011-01-06.csv", [line("2011-01-06")])
    ingested.run("ingest_events")
    die_at(ingested, "before:silver.events", "clean_events")
    audited = [row for row in ingested.platform.ops.read(ops.QUALITY_RESULTS) if row["table_name"] == "silver.events"]
    (dead,) = {row["run_id"] for row in audited} - {row["run_id"] for row in _finished(ingested)}
    assert all(row["is_success"] for row in audited if row["run_id"] == dead)
    assert ingested.read(silver.EVENTS).count() == 5
    ingested.land("2011-01-07.csv", [line("2011-01-07")])  # it has landed, and is not in what was audited

    again = ingested.run("clean_events")

    assert (again.status, again.run_id) == (Status.DONE, dead)
    assert ingested.read(silver.EVENTS).count() == 6
    assert ingested.read(silver.EVENTS).where("event_date = '2011-01-07'").count() == 0


def _finished(shop: Shop) -> list[Row]:
    return [row for row in shop.platform.ops.read(ops.RUNS) if row["status"] == Status.DONE]
