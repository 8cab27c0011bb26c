"""A driver that is killed leaves nothing a reader trusts, and the next run puts it right."""

from collections.abc import Callable
from datetime import date

import pytest

from affinity.core.vocabulary import Status
from affinity.io.ops import commits, current_version
from affinity.io.releases import Releases
from affinity.tables import bronze, gold, silver
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


def test_killed_between_two_gold_tables_shows_the_old_pair(shop: Shop, die_at: DieAt) -> None:
    shop.ingest()
    old = shop.run(TWO_TABLES, AS_OF)
    assert old.status is Status.DONE
    shop.land("2011-01-03.csv", [line("2011-01-03", CustomerID="99.0")])
    shop.ingest()

    die_at(shop, "after:gold.customer_segments", f"{TWO_TABLES.name}:restate", str(AS_OF))

    assert current_version(shop.platform.root, gold.CUSTOMER_SEGMENTS) == 2, "the new slice is in the table"
    assert _pair(shop) == (2, 2), "but readers go through the release and see the old pair"
    new = shop.run(TWO_TABLES, AS_OF, restate=True)
    assert new.status is Status.RECOVERED
    assert _pair(shop) == (3, 3)
    runs = {Releases.of(shop.platform.ops).slice(spec, AS_OF).run_id for spec in TWO_TABLES.tables_written}  # type: ignore[union-attr]
    assert runs == {new.run_id}


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
