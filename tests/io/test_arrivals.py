"""What landing brings beyond the manifest: nothing that lies there stops counting, and nothing counts twice."""

from collections.abc import Sequence
from datetime import date
from pathlib import Path

from affinity.core.vocabulary import FileState
from affinity.io.landing import Arrivals, LandedFile, arrivals, landed_days, noted, replaced_by
from affinity.io.ops import Row


def landed(name: str, content: str) -> LandedFile:
    return LandedFile(Path(name), name, content, 1, date.fromisoformat(name[-14:-4]), 0)


def known(file: LandedFile, **changes: object) -> Row:
    row: Row = {"file_id": file.file_id, "path": file.name, "file_date": file.file_date, "also_seen_as": None}
    return row | {"state": FileState.CLEANED, "superseded_by": None} | changes


def after(manifest: Sequence[Row], found: Arrivals) -> list[Row]:
    """The manifest once the arrivals were ingested."""
    rows = {row["file_id"]: row for row in manifest}
    rows |= {row["file_id"]: row for row in noted(manifest, found, [known(file) for file in found.new])}
    return list(rows.values())


def counting(manifest: Sequence[Row]) -> set[str]:
    return {row["file_id"] for row in manifest if row["state"] != FileState.SUPERSEDED}


MONDAY, TUESDAY = landed("2011-01-03.csv", "x"), landed("2011-01-04.csv", "y")
MANIFEST = [known(MONDAY), known(TUESDAY)]


def test_nothing_new() -> None:
    assert arrivals([MONDAY, TUESDAY], MANIFEST).is_empty


def test_a_file_that_is_gone_still_counts() -> None:
    assert arrivals([TUESDAY], MANIFEST).is_empty


def test_names_that_were_swapped_supersede_nobody() -> None:
    swapped = [landed("2011-01-03.csv", "y"), landed("2011-01-04.csv", "x")]

    found = arrivals(swapped, MANIFEST)

    assert (found.new, found.supersedes) == ((), {})
    assert arrivals(swapped, after(MANIFEST, found)).is_empty


def test_a_moved_file_counts_beside_the_one_that_took_its_name_and_is_corrected() -> None:
    moved, other = landed("archive/2011-01-03.csv", "x"), landed("2011-01-03.csv", "z")

    found = arrivals([moved, other, TUESDAY], MANIFEST)

    assert (found.new, found.supersedes) == ((other,), {})
    manifest = after(MANIFEST, found)
    assert [row["path"] for row in manifest] == ["archive/2011-01-03.csv", "2011-01-04.csv", "2011-01-03.csv"]
    assert arrivals([moved, other, TUESDAY], manifest).is_empty
    corrected = arrivals([moved, landed("2011-01-03.csv", "w"), TUESDAY], manifest)
    assert corrected.supersedes == {"z": "w"}


def test_a_correction_takes_the_place_of_bytes_that_are_gone() -> None:
    correction = landed("2011-01-03.csv", "z")
    found = arrivals([correction, TUESDAY], MANIFEST)
    assert (found.new, found.supersedes) == ((correction,), {"x": "z"})


def test_what_is_put_back_is_read_again_only_where_its_rows_were_not_kept() -> None:
    manifest = [
        known(MONDAY, state=FileState.SUPERSEDED, superseded_by="z"),
        known(landed("2011-01-03.csv", "z")),
        known(TUESDAY),
    ]
    kept = arrivals([MONDAY, TUESDAY], manifest)
    assert (kept.new, kept.supersedes) == ((), {"z": "x"})
    again = arrivals([MONDAY, TUESDAY], manifest, are_kept=False)
    assert (again.new, again.supersedes) == ((MONDAY,), {"z": "x"})


def test_equal_files_of_two_days_are_one_file_of_two_days() -> None:
    closed = [landed("2011-01-08.csv", "e"), landed("2011-01-09.csv", "e")]
    found = arrivals(closed, [])
    assert [file.file_id for file in found.new] == ["e"]
    manifest = after([], found)
    assert landed_days(manifest) == [date(2011, 1, 8), date(2011, 1, 9)]
    assert arrivals(closed, manifest).is_empty


def test_corrections_of_corrections_replace_all_before_them() -> None:
    rows = [
        known(landed("2011-01-03.csv", "v1"), superseded_by="v2"),
        known(landed("2011-01-03.csv", "v2"), superseded_by="v3"),
        known(landed("2011-01-03.csv", "v3")),
        known(TUESDAY),
    ]
    assert replaced_by(rows, {"v3"}) == {"v1", "v2"}
    assert replaced_by(rows, {"y"}) == set()


def test_a_content_that_was_corrected_away_counts_as_the_file_of_its_own_day() -> None:
    wrong, right = landed("2011-01-03.csv", "t"), landed("2011-01-03.csv", "m")
    manifest = after(after([], arrivals([wrong], [])), arrivals([right], [known(wrong)]))
    assert counting(manifest) == {"m"}
    landing = [right, landed("2011-01-04.csv", "t")]
    for are_kept in (True, False):
        found = arrivals(landing, manifest, are_kept=are_kept)
        assert [file.file_id for file in found.new] == ([] if are_kept else ["t"])
        later = after(manifest, found)
        assert counting(later) == {"m", "t"}
        assert arrivals(landing, later, are_kept=are_kept).is_empty
    assert date(2011, 1, 4) in landed_days(later)


def test_an_old_day_sent_again_under_a_new_name_by_mistake_outlives_its_correction() -> None:
    again = landed("2011-01-05.csv", "x")  # Monday's file, which is gone from landing by now
    manifest = after(MANIFEST, arrivals([TUESDAY, again], MANIFEST))
    assert counting(manifest) == {"x", "y"}
    corrected = [TUESDAY, landed("2011-01-05.csv", "z")]
    assert counting(after(manifest, arrivals(corrected, manifest))) == {"x", "y", "z"}


def test_a_copy_that_is_corrected_after_the_other_went_is_a_correction() -> None:
    copies = [landed("a/2011-01-03.csv", "x"), landed("c/2011-01-03.csv", "x")]
    manifest = after([], arrivals(copies, []))
    found = arrivals([landed("c/2011-01-03.csv", "y")], manifest)
    assert found.supersedes == {"x": "y"}


def test_a_file_renamed_to_another_date_counts_for_it() -> None:
    undated = LandedFile(Path("first.csv"), "first.csv", "x", 1, None, 0)
    manifest = after([known(undated)], arrivals([landed("2011-01-03.csv", "x")], [known(undated)]))
    assert landed_days(manifest) == [date(2011, 1, 3)]
