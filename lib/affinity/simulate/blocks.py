"""A block of customers: their lives, the truth about them, and the sessions that come of it."""

import numpy as np

from affinity.simulate.behaviour import cuts, live, masks_needed
from affinity.simulate.ceilings import propensity, segments
from affinity.simulate.customers import Customers, customers
from affinity.simulate.draws import Ints
from affinity.simulate.landing import crm
from affinity.simulate.place import COUNTS, Shop, write
from affinity.simulate.sessions import Rows, orders_once, rows
from affinity.simulate.truth.customers import contact_table, customer_table, hazard_table, identity_table, state_table
from affinity.simulate.truth.days import delivery_table
from affinity.simulate.world import world_of

SIZE = 16_384
"""Customers per block; even, so that both of a household are in one."""


def sessions_of(shop: Shop, block: int) -> Rows:
    """Live one block, write what it brings to the truth and to the CRM, and give the sessions that arrive in time."""
    numbers = np.arange(block * SIZE, min((block + 1) * SIZE, shop.config.customers))
    who = joined(shop, numbers, shop.end)
    life = live(who, shop.end, masks_at=masks_needed(shop.end))
    made = rows(who, life)
    part = f"block-{block:05d}"
    seen = made.take(made.arrival < shop.end)
    shop.keep("customers", part, customer_table(who))
    shop.keep("identities", part, identity_table(who, seen, world_of(shop.config), shop.end))
    shop.keep("states", part, state_table(who, life, shop.end))
    shop.keep("hazard_sample", part, hazard_table(who, shop.end))
    shop.keep("contacts", part, contact_table(who, life, shop.end))
    shop.keep(f"{COUNTS}/propensity", part, propensity.counts(who, life, shop.end))
    if (day := main_cut(shop)) is not None:
        told = segments.labels(who, life, orders_once(made), day)
        shop.keep("segment_labels", part, told)
        shop.keep(f"{COUNTS}/segments", part, segments.counts(who, told))
    delivered = []
    for day, file in crm.snapshots(who, block, shop.first, shop.end):
        delivered.append((file.path, "crm", day, len(file.events), write(shop.landing / file.path, file.content)))
    if delivered:
        shop.keep("deliveries", deliveries_part(shop, f"{block:05d}"), delivery_table(delivered))
    return seen.take(seen.arrival >= shop.first)


def deliveries_part(shop: Shop, block: str) -> str:
    """Where a block notes its snapshots: apart from those of earlier days."""
    return f"crm-{shop.first:05d}-{block}"


def joined(shop: Shop, numbers: Ints, day: int) -> Customers:
    """Those of some customers who joined before a day."""
    who = customers(shop.config, numbers)
    return customers(shop.config, numbers[who.join_day < day])


def main_horizon(shop: Shop) -> int | None:
    """The window of segments and recommendations: thirty days where they fit, else a week."""
    return next((horizon for horizon in (30, 7) if horizon in cuts(shop.end)), None)


def main_cut(shop: Shop) -> int | None:
    """The date from which the window of segments and recommendations is measured."""
    horizon = main_horizon(shop)
    return None if horizon is None else cuts(shop.end)[horizon]
