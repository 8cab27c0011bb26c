"""The truth about customers: who they are, under which ids, and what they would do with which chance."""

from collections.abc import Iterable
from datetime import timedelta

import numpy as np
import pyarrow as pa

from affinity.simulate import customers as people
from affinity.simulate import text
from affinity.simulate.behaviour import (
    HORIZONS,
    Hazard,
    Life,
    contact_day,
    contact_days,
    contacted,
    cut,
    cuts,
    live,
    orders_28,
    recency,
    weekday_logit,
)
from affinity.simulate.customers import Customers
from affinity.simulate.draws import Bools, Ints
from affinity.simulate.events import has_login
from affinity.simulate.landing.orders import card_at_checkout
from affinity.simulate.params import CONTACT_DAYS, EFFECTS, NAMES, NEVER
from affinity.simulate.sessions import Deed, Feed, Rows
from affinity.simulate.text import lists
from affinity.simulate.world import World

HAZARD_CUSTOMERS = 4_000
"""About this many customers have all their days in ``hazard_sample``."""


def customer_table(who: Customers) -> pa.Table:
    """``customers``: one row per customer who joins before the end of the span, with all that is planted in them."""
    never = who.switch_day == NEVER
    return pa.table(
        {
            "customer": who.number,
            "join_day": who.join_day,
            "archetype": text.words(NAMES, who.archetype),
            "switch_day": pa.array(who.switch_day, mask=never),
            "archetype_after": text.words(NAMES, who.archetype_after),
            "tier": who.tier,
            "sensitive": text.words(("A", "B"), who.is_group_b.astype(np.int64)),
            "latent": lists(who.traits()),
            "theta": lists(people.tastes(who.config, who.number)),
        }
    )


def identity_table(who: Customers, rows: Rows, world: World, end: int) -> pa.Table:
    """``identities``: every id under which a customer can be met, and whether a landed event or file links it."""
    numbers, config = who.number, who.config
    day_one, last = np.zeros(len(numbers), np.int64), np.full(len(numbers), end)
    merged = people.merge_day(config, numbers)
    linked_card = people.card_is_known(config, numbers) | np.isin(numbers, _linked_at_checkout(world, rows))
    carries = people.has_card(config, numbers)
    first, second = people.email_keys(config, numbers)
    always = np.ones(len(numbers), np.bool_)
    parts = [
        _ids("account", text.number(people.account(numbers)), numbers, (day_one, last), always),
        _ids(
            "account",
            text.number(people.account(numbers, second=True)),
            numbers,
            (day_one, np.minimum(merged, end)),
            merged < end,  # the CRM tells of the merging on its day
        ).filter(pa.array(merged > 0)),
        _ids("card", text.number(people.card(numbers)), numbers, (day_one, last), linked_card).filter(
            pa.array(carries)
        ),
        _ids(
            "email",
            text.spaced(text.hexadecimal(first), text.hexadecimal(second)),
            numbers,
            (day_one, last),
            always,
        ),
        *_clicking(world, rows),
    ]
    return pa.concat_tables(parts)


def _ids(kind: str, ids: pa.Array, customer: Ints, days: tuple[Ints, Ints], recoverable: Bools) -> pa.Table:
    return pa.table(
        {
            "id": ids,
            "kind": pa.array([kind]).take(pa.array(np.zeros(len(customer), np.int64))),
            "customer": customer,
            "from_day": days[0],
            "to_day": days[1],
            "recoverable": recoverable,
        }
    )


def _linked_at_checkout(world: World, rows: Rows) -> Ints:
    orders = rows.take((rows.deed == Deed.ORDER) & (rows.feed == Feed.ORDERS))
    return np.unique(orders.customer[card_at_checkout(world, orders)])


def _clicking(world: World, rows: Rows) -> Iterable[pa.Table]:
    """Cookies and devices that were seen, from their first to their last day."""
    config = world.config
    for feed, kind, key_of, prefix in (
        (Feed.WEB, "cookie", people.cookie, "k"),
        (Feed.APP, "device", people.device, "d"),
    ):
        seen = rows.take(rows.feed == feed)
        keys = key_of(config, seen.customer, seen.when)
        links = has_login(world, seen) if feed is Feed.WEB else np.ones(len(seen), np.bool_)
        pairs = np.stack([keys.view(np.int64), seen.customer])
        distinct, position = np.unique(pairs, axis=1, return_inverse=True)
        n = distinct.shape[1]
        start, end, linked = np.full(n, NEVER), np.full(n, -1), np.zeros(n, np.bool_)
        np.minimum.at(start, position, seen.when)
        np.maximum.at(end, position, seen.when)
        np.logical_or.at(linked, position, links)
        ids = text.spaced(prefix, text.hexadecimal(distinct[0], 12))
        yield _ids(kind, ids, distinct[1], (start, end + 1), linked)


def state_table(who: Customers, life: Life, end: int) -> pa.Table:
    """``states``: per customer and date the state, and the exact chance of a purchase within each window that fits."""
    return pa.concat_tables([_states(who, life, day, end) for day in sorted(set(cuts(end).values()))] or [_no_states()])


def _states(who: Customers, life: Life, day: int, end: int) -> pa.Table:
    there = np.flatnonzero(who.join_day < day)
    mask, hazard = life.masks[day], Hazard(who)
    columns = {
        "customer": who.number[there],
        "as_of": pa.array([who.config.start_date + timedelta(days=day)]).take(pa.array(np.zeros(len(there), np.int64))),
        "as_of_day": np.full(len(there), day),
        "archetype": text.words(NAMES, who.archetype_at(day)[there]),
        "recency": recency(mask)[there],
        "orders_28": orders_28(mask)[there],
        "tier": who.tier[there],
        "has_bought": life.bought[:day, there].any(axis=0),
        "hazard": hazard(mask, day)[there],
    }
    for horizon in HORIZONS:
        fits = cut(end, horizon) == day
        chance = hazard.within(mask, day, horizon)[there] if fits else np.zeros(len(there))
        bought = life.bought[day : day + horizon, there].any(axis=0) if fits else np.zeros(len(there), np.bool_)
        absent = np.full(len(there), not fits)
        columns[f"p_{horizon}"] = pa.array(chance, mask=absent)
        columns[f"bought_{horizon}"] = pa.array(bought, mask=absent)
    return pa.table(columns)


def _no_states() -> pa.Table:
    whole = ("customer", "as_of_day", "recency", "orders_28", "tier")
    types = dict.fromkeys(whole, pa.int64()) | {"archetype": pa.string(), "as_of": pa.date32(), "hazard": pa.float64()}
    types |= {"has_bought": pa.bool_()}
    types |= {f"p_{horizon}": pa.float64() for horizon in HORIZONS}
    types |= {f"bought_{horizon}": pa.bool_() for horizon in HORIZONS}
    order = ["customer", "as_of", "as_of_day", "archetype", "recency", "orders_28", "tier", "has_bought", "hazard"]
    order += [f"{what}_{horizon}" for horizon in HORIZONS for what in ("p", "bought")]
    return pa.schema([(name, types[name]) for name in order]).empty_table()


def hazard_table(who: Customers, end: int) -> pa.Table:
    """``hazard_sample``: all days but that of joining of some customers, with the exact features of the hazard."""
    share = HAZARD_CUSTOMERS / who.config.customers
    chosen = people.customers(who.config, who.number[who.uniform("hazard sample") < share])
    life = live(chosen, end, masks_at=range(end))
    hazard = Hazard(chosen)
    days = []
    for day in range(end):
        there = np.flatnonzero(chosen.join_day < day)
        mask = life.masks[day]
        campaign = contact_day(day)
        reached = (contacted(chosen, campaign) == 1) if campaign is not None else np.zeros(len(mask), np.bool_)
        days.append(
            pa.table(
                {
                    "customer": chosen.number[there],
                    "day": np.full(len(there), day),
                    "recency": recency(mask)[there],
                    "orders_28": orders_28(mask)[there],
                    "tier": chosen.tier[there],
                    "weekday_logit": np.full(len(there), weekday_logit(chosen, day)),
                    "campaign_logit": (EFFECTS[chosen.archetype_at(day)] * reached)[there],
                    "hazard": hazard(mask, day)[there],
                    "bought": life.bought[day][there],
                }
            )
        )
    return pa.concat_tables(days)


def contact_table(who: Customers, life: Life, end: int) -> pa.Table:
    """``contacts``: who was part of the campaign, in which arm, and the chance of a purchase in either arm."""
    days = [day for day in contact_days(0, end) if day + CONTACT_DAYS < end]
    return pa.concat_tables([_contacts(who, life, day) for day in days] or [_no_contacts()])


def _contacts(who: Customers, life: Life, day: int) -> pa.Table:
    arm = contacted(who, day)
    there = np.flatnonzero(arm >= 0)
    mask, hazard, start = life.masks[day + 1], Hazard(who), day + 1
    return pa.table(
        {
            "customer": who.number[there],
            "day": np.full(len(there), day),
            "arm": text.words(("control", "treated"), arm[there]),
            "archetype": text.words(NAMES, who.archetype_at(start)[there]),
            "p_control": hazard.within(mask, start, CONTACT_DAYS, treated=False)[there],
            "p_treated": hazard.within(mask, start, CONTACT_DAYS, treated=True)[there],
            "bought": life.bought[start : start + CONTACT_DAYS, there].any(axis=0),
        },
        schema=_CONTACTS,
    )


_CONTACTS = pa.schema(
    {
        "customer": pa.int64(),
        "day": pa.int64(),
        "arm": pa.string(),
        "archetype": pa.string(),
        "p_control": pa.float64(),
        "p_treated": pa.float64(),
        "bought": pa.bool_(),
    }
)


def _no_contacts() -> pa.Table:
    return _CONTACTS.empty_table()
