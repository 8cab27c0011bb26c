"""Files that come again, under another name, corrected, or emptied."""

from datetime import date

import pytest
from deltalake import DeltaTable

from affinity.core.errors import ExitCode
from affinity.core.vocabulary import Disposition, FileState, Status
from affinity.io.releases import Releases
from affinity.tables import bronze, ops, silver
from tests.shop import Shop, line


def test_two_equal_lines_of_one_invoice_are_two_sales(ingested: Shop) -> None:
    assert ingested.read(silver.EVENTS).where("event_date = '2011-01-04'").count() == 3


def test_the_same_file_under_a_new_name_changes_nothing(ingested: Shop) -> None:
    before = ingested.versions()
    copy = ingested.landing / "again" / "2011-01-04.csv"
    copy.parent.mkdir()
    copy.write_bytes((ingested.landing / "2011-01-04.csv").read_bytes())

    ingest, clean = ingested.ingest()

    assert clean.status is Status.NOTHING_TO_DO
    assert ingest.rows == {}
    assert ingested.versions() == before
    assert ingested.read(silver.EVENTS).count() == 5
    (row,) = [row for row in ingested.manifest() if row["also_seen_as"]]
    assert row["also_seen_as"] == '{"again/2011-01-04.csv": "2011-01-04"}'
    assert ingested.run("ingest_events").status is Status.NOTHING_TO_DO


def test_a_file_that_is_moved_to_another_day_before_it_is_cleaned_is_found(shop: Shop) -> None:
    shop.run("ingest_events")
    (shop.landing / "2011-01-04.csv").rename(shop.landing / "2011-01-09.csv")

    shop.ingest()

    assert shop.read(silver.EVENTS).where("event_date = '2011-01-04'").count() == 3
    assert {row["path"]: row["n_accepted"] for row in shop.manifest()} == {"2011-01-09.csv": 3, "2011-01-05.csv": 2}


@pytest.mark.parametrize(("came_as", "went_to", "n_kept"), [("03", "06", 2), ("06", "03", 1)])
def test_of_equal_lines_that_counts_whose_file_came_by_the_earlier_date(
    ingested: Shop, came_as: str, went_to: str, n_kept: int
) -> None:
    ingested.land(f"2011-01-{came_as}.csv", [line("2011-01-04"), line("2011-01-02")])
    ingested.run("ingest_events")
    (ingested.landing / f"2011-01-{came_as}.csv").rename(ingested.landing / f"2011-01-{went_to}.csv")

    ingested.ingest()

    counted = {row["path"]: (row["n_accepted"], row["n_duplicate"]) for row in ingested.manifest()}
    first = {"2011-01-04.csv": (1 + 3 - n_kept, n_kept - 1), f"2011-01-{went_to}.csv": (n_kept, 2 - n_kept)}
    assert counted == {**first, "2011-01-05.csv": (2, 0)}


def test_equal_lines_of_two_files_are_one_event_and_counted_duplicates(shop: Shop) -> None:
    shop.land("2011-01-06.csv", [line("2011-01-04"), line("2011-01-06")])

    shop.ingest()

    assert shop.read(silver.EVENTS).count() == 6
    counted = {row["path"]: (row["n_accepted"], row["n_duplicate"]) for row in shop.manifest()}
    assert counted == {"2011-01-04.csv": (3, 0), "2011-01-05.csv": (2, 0), "2011-01-06.csv": (1, 1)}


def test_a_corrected_file_replaces_what_it_brought(ingested: Shop) -> None:
    ingested.land("2011-01-04.csv", [line("2011-01-04", Quantity="7")])

    ingested.ingest()

    (corrected,) = ingested.read(silver.EVENTS).where("event_date = '2011-01-04'").collect()
    assert corrected["quantity"] == 7
    assert ingested.read(silver.EVENTS).where("event_date = '2011-01-05'").count() == 2
    states = sorted((row["path"], row["state"]) for row in ingested.manifest())
    assert states == [
        ("2011-01-04.csv", FileState.CLEANED),
        ("2011-01-04.csv", FileState.SUPERSEDED),
        ("2011-01-05.csv", FileState.CLEANED),
    ]


def test_a_file_corrected_to_empty_leaves_no_stale_row(ingested: Shop) -> None:
    ingested.land("2011-01-04.csv", [])

    ingest, clean = ingested.ingest()

    assert (ingest.status, clean.status) == (Status.DONE, Status.DONE)
    assert ingested.read(silver.EVENTS).where("event_date = '2011-01-04'").count() == 0
    assert ingested.read(silver.EVENTS).count() == 2
    empty = next(
        row for row in ingested.manifest() if row["path"] == "2011-01-04.csv" and row["state"] == FileState.CLEANED
    )
    assert (empty["n_rows"], empty["n_accepted"]) == (0, 0)


def test_a_file_put_back_as_it_was_counts_again(ingested: Shop) -> None:
    original = (ingested.landing / "2011-01-04.csv").read_bytes()
    ingested.land("2011-01-04.csv", [line("2011-01-04", Quantity="7")])
    ingested.ingest()
    (ingested.landing / "2011-01-04.csv").write_bytes(original)

    ingested.ingest()

    assert ingested.read(silver.EVENTS).where("event_date = '2011-01-04'").count() == 3
    assert ingested.read(bronze.EVENTS).where("file_date = '2011-01-04'").count() == 4


def test_corrections_that_pile_up_before_a_clean_leave_no_stale_day(ingested: Shop) -> None:
    ingested.land("2011-01-04.csv", [line("2011-01-03")])
    ingested.run("ingest_events")
    ingested.land("2011-01-04.csv", [line("2011-01-02")])

    ingested.ingest()

    counted = ingested.read(silver.EVENTS).groupBy("event_date").count().collect()
    assert {row["event_date"].day: row["count"] for row in counted} == {2: 1, 5: 2}


def test_a_correction_takes_back_its_own_unreadable_lines_alone(shop: Shop) -> None:
    def rejected() -> dict[str, list[str]]:
        """Runs that rejected lines, by the path of their file."""
        paths = {row["file_id"]: row["path"] for row in shop.manifest()}
        rows = shop.read(silver.QUARANTINE).select("file_id", "run_id").collect()
        counted = shop.read(ops.DISPOSITIONS).where("disposition = 'quarantined'").groupBy().sum("n_rows").first()
        assert ((counted and counted[0]) or 0) == len(rows)
        return {path: sorted(row.run_id for row in rows if paths[row.file_id] == path) for path in paths.values()}

    bad = line("2011-01-04", InvoiceDate="soon")
    for day in ("04", "05"):
        shop.land(f"2011-01-{day}.csv", [line(f"2011-01-{day}"), bad])
    shop.ingest()
    (first, *_), (other, *_) = before = list(rejected().values())
    assert (len(before), first) == (2, other)

    shop.land("2011-01-04.csv", [line("2011-01-04"), line("2011-01-04")])
    shop.ingest()
    assert rejected() == {"2011-01-04.csv": [], "2011-01-05.csv": [first]}

    shop.land("2011-01-04.csv", [bad, bad])
    shop.ingest()
    left = rejected()
    assert left["2011-01-05.csv"] == [first]
    assert len(left["2011-01-04.csv"]) == 2
    cleaned = {row["path"]: row for row in shop.manifest() if row["state"] == FileState.CLEANED}
    assert (cleaned["2011-01-04.csv"]["n_accepted"], cleaned["2011-01-04.csv"]["n_quarantined"]) == (0, 2)


def test_what_a_file_said_of_items_and_customers_goes_and_comes_with_it(shop: Shop) -> None:
    original = (shop.landing / "2011-01-04.csv").read_bytes()

    def said() -> tuple[int, int]:
        for job in ("ingest_items", "ingest_customers"):
            assert shop.run(job).status is Status.DONE
        days = "observed_date = '2011-01-04'"
        return shop.read(silver.ITEMS).where(days).count(), shop.read(silver.CUSTOMERS).where(days).count()

    assert said() == (1, 2)
    shop.land("2011-01-04.csv", [])
    assert said() == (0, 0)
    (shop.landing / "2011-01-04.csv").write_bytes(original)
    assert said() == (1, 2)


def test_upkeep_leaves_the_manifest_readable(shop: Shop) -> None:
    for day in ("06", "07", "08", "09", "10"):  # a small file of the manifest each
        shop.land(f"2011-01-{day}.csv", [line(f"2011-01-{day}")])
        shop.run("ingest_events")
    before = sorted(shop.manifest(), key=lambda row: row["path"])

    assert shop.run("maintain_tables", date(2011, 1, 10)).status is Status.DONE

    manifest = DeltaTable(str(shop.platform.root.table(ops.FILES)))
    assert Releases.of(shop.platform.ops).version(ops.FILES) == manifest.version()
    assert len(manifest.file_uris()) == 1
    manifest.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)  # as if a week had passed
    assert sorted(shop.manifest(), key=lambda row: row["path"]) == before
    assert shop.run("ingest_events").status is Status.NOTHING_TO_DO


def test_every_row_has_one_disposition(shop: Shop) -> None:
    shop.land(
        "2011-01-07.csv",
        [
            line("2011-01-07"),
            line("2011-01-07", UnitPrice="0"),
            line("2011-01-07", Quantity="-3"),
            line("2011-01-07", InvoiceNo="C500003", Quantity="-1"),
            line("2011-01-07", InvoiceDate="yesterday"),
            line("2011-01-07", Quantity="many"),
            line("2011-01-07", CustomerID="", Description=""),
        ],
    )

    shop.ingest()

    counts = shop.read(ops.DISPOSITIONS).groupBy("disposition", "reason").sum("n_rows").collect()
    found = {(row[0], row[1]): row[2] for row in counts}
    assert found == {
        (Disposition.ACCEPTED, "-"): 5 + 3,
        (Disposition.QUARANTINED, "price_not_positive"): 1,
        (Disposition.QUARANTINED, "event_ts_invalid"): 1,
        (Disposition.QUARANTINED, "quantity_invalid"): 1,
        (Disposition.FILTERED, "stock_correction"): 1,
    }
    (row,) = [row for row in shop.manifest() if row["path"] == "2011-01-07.csv"]
    parts = [row[f"n_{disposition}"] for disposition in Disposition]
    assert (row["n_rows"], parts) == (7, [3, 0, 1, 3])


def test_only_bad_rows_are_no_silent_success(shop: Shop) -> None:
    for path in shop.landing.glob("*.csv"):
        path.unlink()
    shop.land("2011-01-04.csv", [line("2011-01-04", UnitPrice="-1")])

    _, clean = shop.ingest()

    assert clean.exit_code is ExitCode.AUDIT_FAILED
    assert clean.reason is not None
    assert "silver.events: has_rows" in clean.reason


def test_an_event_that_comes_late_is_added_to_its_day_and_nothing_else_is_written(ingested: Shop) -> None:
    def parts(day: str) -> set[str]:
        return {uri for uri in DeltaTable(str(ingested.platform.root.table(silver.EVENTS))).file_uris() if day in uri}

    before = {day: parts(day) for day in ("2011-01-04", "2011-01-05")}
    ingested.land("2011-01-07.csv", [line("2011-01-04", Quantity="9"), line("2011-01-07")])

    ingested.ingest()

    counted = ingested.read(silver.EVENTS).groupBy("event_date").count().collect()
    assert {row["event_date"].day: row["count"] for row in counted} == {4: 3 + 1, 5: 2, 7: 1}
    assert parts("2011-01-05") == before["2011-01-05"]
    assert len(parts("2011-01-04") - before["2011-01-04"]) == 1
    assert parts("2011-01-04") > before["2011-01-04"]
