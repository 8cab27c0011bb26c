"""Shops made in one process, block by block and day by day: the same functions without Spark."""

import hashlib
from pathlib import Path

import numpy as np

from affinity.simulate import blocks
from affinity.simulate.behaviour import Life, live
from affinity.simulate.customers import Customers, customers
from affinity.simulate.days import Day
from affinity.simulate.params import SIZES, ShopConfig
from affinity.simulate.place import Shop
from affinity.simulate.sessions import Rows, orders_once, rows

FAULTY = {
    **dict.fromkeys(("late", "delivered_twice", "duplicate_line"), 0.05),
    **dict.fromkeys(("file_again", "file_corrected"), 0.2),
    **dict.fromkeys(("too_late", "same_id", "broken", "wrong_type", "unknown_type", "unknown_item"), 0.02),
    **dict.fromkeys(("null_id", "blank_id", "odd_id", "clock_skew", "far_future", "milliseconds"), 0.02),
    **dict.fromkeys(("negative_price", "huge_price"), 0.02),
}
"""Rates at which a tiny shop has every fault several times."""


def tiny(**changed: object) -> ShopConfig:
    return ShopConfig.model_validate({**SIZES["tiny"], "faults": FAULTY, **changed})


def make(config: ShopConfig, out: Path, first: int = 0, end: int | None = None) -> Shop:
    """All blocks, then all days from the last to the first: any order will do."""
    shop = Shop(config, out, first, end or config.days, begin=first)
    shop.make_room()
    n_blocks = -(-config.customers // blocks.SIZE)
    arrived = Rows.concat([blocks.sessions_of(shop, block) for block in reversed(range(n_blocks))])
    for day in reversed(range(shop.first, shop.end)):
        today = arrived.take(arrived.arrival == day)
        order = np.lexsort((today.delivery, today.when, today.feed, today.deed, today.day, today.customer))
        Day(shop, day).write(today.take(order))
    return shop


def digests(folder: Path) -> dict[str, str]:
    """Every file below a folder with the digest of its bytes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def everybody(config: ShopConfig, end: int | None = None) -> tuple[Customers, Life, Rows]:
    """All customers of a shop, what they did, and each of their orders once."""
    who = customers(config, np.arange(config.customers))
    life = live(who, end or config.days)
    return who, life, orders_once(rows(who, life))
