"""Links and identities of the tables, looked up by keys."""

import random
from datetime import date, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from affinity.features import grouped
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
    Identity(f"a{n}", "account", f"own-{n}", f"own-{n // 3}", DAY if n % 3 else None, False, n == 4) for n in range(20)
]


def written(spark, folder, spec, rows):
    kinds = {column.name: column.type for column in spec.columns}
    folder.mkdir()
    for number in range(3):
        pq.write_table(pa.Table.from_pylist(rows[number::3]), folder / f"{number}.parquet")
    return Files(spark, [str(path) for path in folder.glob("*.parquet")], kinds)


@pytest.fixture(params=[1, 1 << 20], ids=["by tasks", "here"])
def known(spark, tmp_path, monkeypatch, request):
    monkeypatch.setattr(grouped, "_TASK_BYTES", request.param)
    links = [{**link._asdict(), "file_id": file_id, "run_id": "r"} for link, file_id in LINKS]
    dates = {"valid_from_date": DAY, "valid_to_date": None, "run_id": "r"}
    held = [row._asdict() | dates for row in HELD]
    ended = [row._asdict() | dates | {"customer_id": "own-0", "valid_to_date": DAY} for row in HELD]
    files = (
        written(spark, tmp_path / "links", silver.LINKS, links),
        written(spark, tmp_path / "identities", silver.IDENTITIES, held + ended),
    )
    with IdFiles(*files, ["file-1", "file-2", "file-3"], tmp_path / "scratch").opened() as opened:
        yield opened


def test_links_are_found_from_both_sides_of_files_that_count(known):
    keys = {"a1", "c2", "unknown"}
    assert sorted(known.links_of(keys)) == sorted(side for side in SIDES if side.subject_key in keys)
    some = known.links_of(keys, most=2)
    assert set(some) <= set(SIDES)
    assert all(sum(side.subject_key == key for side in some) >= 2 for key in ("a1", "c2"))
    assert len(some) < len(known.links_of(keys))


def test_who_was_seen_with_an_anchor(known):
    keys = {f"c{n}" for n in range(20)} | {"unknown"}
    found = known.met(keys, ["account"])
    assert found == {side.subject_key for side in SIDES if side.subject_key[0] == "c" and side.other_key[0] == "a"}


def test_rows_that_hold(known):
    since = [row._replace(valid_from_date=DAY) for row in HELD]
    assert known.identities_of({"a4", "unknown"}) == [since[4]]
    assert sorted(known.members_of({"own-1"})) == sorted(since[3:6])


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
