"""What the CRM tells of customers: all of them now and then, in between those of whom there is news."""

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pyarrow as pa

from affinity.simulate import customers as people
from affinity.simulate import text
from affinity.simulate.customers import COUNTRIES, Customers
from affinity.simulate.draws import Bools, Ints
from affinity.simulate.landing.batch import File
from affinity.simulate.params import CRM_EVERY

TIERS = ("basic", "bronze", "silver", "gold")


def snapshots(who: Customers, block: int, first: int, end: int) -> Iterator[tuple[int, File]]:
    """All customers of a block as they are known on the days of snapshots in [first, end)."""
    for day in range(-(-first // CRM_EVERY) * CRM_EVERY, end, CRM_EVERY):
        chosen = np.flatnonzero(who.join_day <= day)
        if len(chosen):
            yield day, _file(who, chosen, day, f"-part-{block:05d}")


def news(who: Customers, day: int) -> File | None:
    """Those who joined or were merged on a day between snapshots."""
    chosen = np.flatnonzero(who.join_day <= day)
    return None if day % CRM_EVERY == 0 or not len(chosen) else _file(who, chosen, day, "")


def _file(who: Customers, chosen: Ints, day: int, suffix: str) -> File:
    name = who.config.start_date + timedelta(days=day)
    return File(f"crm/crm-{name}{suffix}.parquet", _snapshot(who, chosen, day), chosen)


def _snapshot(who: Customers, chosen: Ints, day: int) -> pa.Table:
    """One row per account: a second one stands alone until the day on which it is merged."""
    merged = people.merge_day(who.config, who.number)[chosen]
    has_second = merged > 0
    return pa.concat_tables(
        [_accounts(who, chosen), _second_accounts(who, chosen[has_second], merged[has_second] <= day)]
    )


def _accounts(who: Customers, chosen: Ints) -> pa.Table:
    config, numbers = who.config, who.number[chosen]
    first, second = people.email_keys(config, numbers)
    shown = people.has_card(config, numbers) & people.card_is_known(config, numbers)
    joined = [config.start_date + timedelta(days=int(day)) for day in np.unique(who.join_day[chosen])]
    position = np.unique(who.join_day[chosen], return_inverse=True)[1]
    return pa.table(
        {
            "account": text.number(people.account(numbers)),
            "email_hash": text.spaced(text.hexadecimal(first), text.hexadecimal(second)),
            "card": text.only(text.number(people.card(numbers)), shown),
            "tier": text.words(TIERS, who.tier[chosen]),
            "country": text.words(COUNTRIES, people.country(config, numbers)),
            "birth_year": pa.array(people.birth_year(config, numbers).astype(np.int32)),
            "group": text.words(("A", "B"), who.is_group_b[chosen].astype(np.int64)),
            "consent_email": people.wants_email(config, numbers),
            "consent_profiling": people.wants_profiling(config, numbers),
            "merged_into": pa.nulls(len(numbers), pa.string()),
            "joined": pa.array(joined, pa.date32()).take(pa.array(position)),
        }
    )


def _second_accounts(who: Customers, chosen: Ints, is_merged: Bools) -> pa.Table:
    rows = _accounts(who, chosen)
    numbers, absent = who.number[chosen], pa.nulls(len(chosen), pa.string())
    into = text.only(text.number(people.account(numbers)), is_merged)
    for name, values in (
        ("account", text.number(people.account(numbers, second=True))),
        ("email_hash", absent),
        ("card", absent),
        ("merged_into", into),
    ):
        rows = rows.set_column(rows.schema.get_field_index(name), name, values)
    return rows
