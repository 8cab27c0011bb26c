"""Equal settings give equal files, however the work is cut; a day stands for itself; newcomers change nobody."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal
from pyspark.sql import SparkSession

from affinity.core.errors import BadInput
from affinity.simulate import blocks
from affinity.simulate.params import ShopConfig
from affinity.simulate.place import Shop
from affinity.simulate.settings import shop_config, shop_of
from affinity.simulate.shop import Written, simulate
from tests.simulate.making import digests, everybody, make, tiny

DAY = 40


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "SIZE", 32)


@pytest.mark.usefixtures("small_blocks")
def test_other_blocks_and_another_order_make_the_same_files(shop: Shop, tmp_path: Path) -> None:
    again = make(shop.config, tmp_path)
    # The CRM's great snapshots come in as many parts as there are blocks: their rows are compared.
    ours, theirs = ({p: d for p, d in digests(s.landing).items() if "-part-" not in p} for s in (shop, again))
    assert ours == theirs
    assert len(ours) > 1_000
    assert _snapshots(shop) == _snapshots(again)
    assert _events(shop) == _events(again)


def _snapshots(shop: Shop) -> list[str]:
    parts = sorted((shop.landing / "crm").glob("*-part-*"))
    days = {part.name.split("-part-")[0] for part in parts}
    rows = [(part.name.split("-part-")[0], row) for part in parts for row in pq.read_table(part).to_pylist()]
    assert len(days) == 2  # days 0 and 30
    return sorted(json.dumps((day, row), default=str) for day, row in rows)


def _events(shop: Shop) -> set[tuple[object, ...]]:
    files = (shop.truth / "events").glob("*.parquet")
    return {tuple(row.values()) for file in files for row in pq.read_table(file).to_pylist()}


def test_another_seed_is_another_shop(shop: Shop, tmp_path: Path) -> None:
    ours, theirs = (_events(shop), _events(make(tiny(seed=2), tmp_path, DAY, DAY + 1)))
    assert len(theirs) > 20
    assert not ours & theirs


def test_a_day_alone_is_that_day_of_a_longer_run(shop: Shop, tmp_path: Path) -> None:
    alone = make(shop.config, tmp_path, DAY, DAY + 1)
    delivered = {row["file"]: row["day"] for row in pq.read_table(shop.truth / "deliveries").to_pylist()}
    of_day = {file for file, day in delivered.items() if day == DAY}
    ours = digests(alone.landing)
    late = set(ours) - of_day
    assert {file for file in late if delivered.get(file) not in (DAY + 2,)} == set()  # replaced two days later
    assert of_day <= set(ours)
    whole = digests(shop.landing)
    assert {file: whole[file] for file in of_day} == {file: ours[file] for file in of_day}
    assert len(of_day) > 20
    for table in ("events", "ledger"):
        part = f"{table}/day-{DAY:05d}.parquet"
        kept = [pq.read_table(s.truth / part).to_pylist() for s in (shop, alone)]
        assert kept[0] == kept[1]


def test_a_wrong_file_stands_until_its_correction_comes(tmp_path: Path) -> None:
    config = tiny(faults={"file_corrected": 1.0}, customers=1_000)
    wrong, right = make(config, tmp_path / "wrong", 10, 12), make(config, tmp_path / "right", 10, 13)
    name = f"tills/tills-{config.start_date.fromordinal(config.start_date.toordinal() + 10)}.csv"
    pence, pounds = (
        [line.split(",") for line in (s.landing / name).read_text().splitlines()[1:]] for s in (wrong, right)
    )
    assert [line[:7] for line in pence] == [line[:7] for line in pounds]
    assert [float(line[7]) for line in pence] == pytest.approx([100 * float(line[7]) for line in pounds])


def test_more_customers_leave_the_others_as_they_were(tmp_path: Path) -> None:
    few, many = (make(tiny(customers=n, bot_share=0), tmp_path / str(n), 30, 33) for n in (200, 320))
    theirs = {event for event in _events(many) if int(str(event[1])) < 200}
    assert theirs == _events(few)
    assert len(_events(many)) > len(theirs)


def test_a_longer_span_changes_no_life() -> None:
    _, short, _ = everybody(tiny(), 40)
    _, long, _ = everybody(tiny(days=90), 90)
    assert np.array_equal(short.bought, long.bought[:40])
    assert np.array_equal(short.browsed, long.browsed[:40])


def test_added_days_make_the_shop_of_one_run(spark: SparkSession, made: tuple[Shop, Written], tmp_path: Path) -> None:
    whole, written = made
    for first, end in ((0, 41), (41, 60)):
        added = simulate(spark, shop_of(whole.config, tmp_path / "shop", first, end, add=first > 0))
    assert added.ceilings == written.ceilings
    later = Shop(whole.config, tmp_path / "shop", 0, 60)
    assert digests(later.landing) == digests(whole.landing)
    for table in ("customers", "identities", "complements", "traps", "ledger", "events", "relevant_items", "ceilings"):
        ours, theirs = (pl.read_delta(str(s.truth / table)) for s in (later, whole))
        assert_frame_equal(ours, theirs, check_row_order=False)
    with pytest.raises(BadInput, match="got --from-day 30"):
        shop_of(whole.config, later.out, 30, 60, add=True)
    with pytest.raises(BadInput, match=r"seed 1 \(wanted 2\)"):
        shop_of(tiny(seed=2), later.out, 59, 60, add=True)


@pytest.mark.parametrize(
    "sizes",
    [
        {"customers": 1, "items": 40, "days": 45},
        {"customers": blocks.SIZE + 1, "items": 40, "days": 2, "seed": 2},
        {"customers": 3, "items": 40, "days": 1, "bot_share": 0, "joined_share": 0},
    ],
    ids=["one customer", "one more than a block", "nobody yet"],
)
def test_the_smallest_shops(spark: SparkSession, sizes: dict[str, int], tmp_path: Path) -> None:
    config = shop_config(None, {}, sizes, [])
    shop = shop_of(config, tmp_path / "shop", 0, None, add=False)
    written = simulate(spark, shop)
    assert written.n_files == sum(1 for path in shop.landing.rglob("*") if path.is_file())
    assert pl.read_delta(str(shop.truth / "ceilings")).schema["horizon"] == pl.Int64


def test_the_great_bot_makes_a_third_of_all_events(tmp_path: Path) -> None:
    shop = make(ShopConfig(customers=2_000, items=200, days=120), tmp_path)
    customer = pl.read_parquet(shop.truth / "events" / "*.parquet")["customer"]
    assert (customer == -1).mean() == pytest.approx(1 / 3, abs=0.02)
