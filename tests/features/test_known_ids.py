"""Links and identities of the tables, looked up by keys."""

import random
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from affinity.features import grouped, key_index, known_ids
from affinity.features.grouped import Files
from affinity.features.known_ids import Identity, IdFiles, Link
from affinity.tables import silver

KINDS = {"a": "account", "c": "cookie"}
GONE = "file-gone"
DAY = date(2026, 1, 1)


def drawn(n_links):
    draws = random.Random(7)
    keys = [f"{kind}{number}" for kind in KINDS for number in range(20)]
    pairs = [sorted(draws.choices(keys, k=2)) for _ in range(n_links)]
    days = [DAY + timedelta(days=draws.randrange(9)) for _ in pairs]
    return [
        (Link(one, KINDS[one[0]], other, KINDS[other[0]], day), draws.choice(["file-1", "file-2", GONE]))
        for (one, other), day in zip(pairs, days, strict=True)
    ]


LINKS = drawn(300)
STANDING = [link for link, file_id in LINKS if file_id != GONE]
SIDES = STANDING + [Link(o, ok, k, kk, day) for k, kk, o, ok, day in STANDING if k != o]
HELD = [
    Identity(f"a{n}", "account", f"own-{n}", f"own-{n // 3}", DAY if n % 3 else None, False, n == 4, DAY, 2)
    for n in range(20)
]


def written(spark, folder, spec, rows):
    kinds = {column.name: column.type for column in spec.columns}
    folder.mkdir()
    for number in range(3):
        pq.write_table(pa.Table.from_pylist(rows[number::3]), folder / f"{number}.parquet")
    return Files(spark, [str(path) for path in folder.glob("*.parquet")], kinds)


@pytest.fixture(params=[(1, 1 << 20), (1 << 20, 1 << 20), (1 << 20, 7)], ids=["by tasks", "here", "in pieces"])
def files(spark, tmp_path, monkeypatch, request):
    monkeypatch.setattr(grouped, "_TASK_BYTES", request.param[0])
    monkeypatch.setattr(key_index, "_PIECE_ROWS", request.param[1])
    links = [{**link._asdict(), "file_id": file_id, "run_id": "r"} for link, file_id in LINKS]
    before = [row._asdict() | {"customer_id": "own-0", "change_no": 1, "run_id": "r0"} for row in HELD]
    held = [row._asdict() | {"run_id": "r1"} for row in HELD]
    found = (
        written(spark, tmp_path / "links", silver.LINKS, links),
        written(spark, tmp_path / "identities", silver.IDENTITY_CHANGES, held + before),
    )
    return IdFiles(*found, ["file-1", "file-2", "file-3"], tmp_path / "index")


@pytest.fixture
def known(files):
    return files.opened()


def test_links_are_found_from_both_sides_of_files_that_count(known):
    keys = {"a1", "c2", "unknown"}
    assert sorted(known.links_of(keys)) == sorted(side for side in SIDES if side.subject_key in keys)
    some = known.links_of(keys, most=2)
    assert set(some) <= set(SIDES)
    assert all(sum(side.subject_key == key for side in some) >= 2 for key in ("a1", "c2"))
    assert len(some) < len(known.links_of(keys))


def test_a_copy_is_made_once_of_each_file_and_goes_with_it(files):
    def copies():
        return {path: path.stat().st_mtime_ns for path in files.index.rglob("*.arrow")}

    files.opened()
    made = copies()
    path, *paths = files.links.paths
    files.opened()
    assert copies() == made
    left = replace(files, links=replace(files.links, paths=paths)).opened()
    assert copies() == {
        file: at for file, at in made.items() if Path(path).name not in file.parts or "links" not in file.parts
    }
    keys = {key for key, _, _, _, _ in SIDES}
    assert 0 < len(left.links_of(keys)) < len(SIDES)


def test_a_copy_that_is_damaged_is_made_again(files):
    expected = sorted(files.opened().links_of({"a1"}))
    copy = next((files.index / "links").rglob("*.arrow"))
    for left in (0, copy.stat().st_size // 2):
        copy.write_bytes(copy.read_bytes()[:left])
        assert sorted(files.opened().links_of({"a1"})) == expected
        assert copy.stat().st_size > left


def test_what_another_try_has_copied_stays(files):
    files.opened()
    made = files.index / "links" / Path(files.links.paths[0]).name
    at = made.stat().st_mtime_ns
    grouped.with_each(files.links, partial(key_index._copy, known_ids._LINKS, files.index / "links"))
    assert made.stat().st_mtime_ns == at
    assert len(list((files.index / "links").iterdir())) == len(files.links.paths)


def test_who_was_seen_with_an_anchor(known):
    keys = {f"c{n}" for n in range(20)} | {"unknown"}
    found = known.met(keys, ["account"])
    assert found == {side.subject_key for side in SIDES if side.subject_key[0] == "c" and side.other_key[0] == "a"}


def test_rows_that_hold(known):
    assert known.identities_of({"a4", "unknown"}) == [HELD[4]]
    assert sorted(known.members_of({"own-1"})) == sorted(HELD[3:6])
    assert sorted(known.members_of({"own-0"})) == sorted(HELD[:3])
    assert known.identities_of(()) == known.members_of(()) == known.links_of(()) == []


def test_news_are_pairs_that_are_unknown_or_seen_earlier_with_their_first_witness(known):
    (first, _), *_ = ((link, file_id) for link, file_id in LINKS if file_id != GONE)
    earliest = min(side.first_date for side in SIDES if side[::2][:2] == first[::2][:2])
    earlier = first._replace(first_date=earliest - timedelta(days=1))
    new = Link("a1", "account", "x9", "cookie", DAY)
    told = [
        (first._replace(first_date=earliest), "f3"),
        (earlier, "f9"),
        (earlier, "f4"),
        (new._replace(first_date=DAY + timedelta(days=1)), "f1"),
        (new, "f2"),
    ]
    schema = pa.schema(
        {name: pa.date32() if name == "first_date" else pa.string() for name in (*Link._fields, "file_id")}
    )
    found = known.news(pa.Table.from_pylist([{**link._asdict(), "file_id": file_id} for link, file_id in told], schema))
    rows = {(Link(*list(row.values())[:5]), row["file_id"]) for row in found.to_pylist()}
    assert rows == {(earlier, "f4"), (new, "f2")}
    assert known.news(schema.empty_table()).num_rows == 0
