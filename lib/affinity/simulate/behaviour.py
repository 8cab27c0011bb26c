"""When customers browse and buy: a hazard per day that depends on nothing but days of purchase before it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from affinity.simulate.customers import BURN_IN, Customers, wants_email
from affinity.simulate.draws import Bools, Floats, Ints, Keys, normal
from affinity.simulate.params import (
    CONTACT_DAYS,
    CONTACT_EVERY,
    CONTACT_FIRST,
    EFFECTS,
    ORDERS_COEFFICIENT,
    RECENCY_COEFFICIENT,
    TIER_LOGIT,
    WEEKDAY_LOGIT,
)

HORIZONS = (7, 30, 92)
FIRST_ORDER_SHARE = 0.7
"""Customers who buy on the day they join; days of joining are no sample of the hazard."""
_ORDERS_DAYS = 28
_ONE, _ORDERS_MASK = np.uint64(1), np.uint64(2**_ORDERS_DAYS - 1)
_HALF, _LOW = np.uint64(32), np.uint64(2**32 - 1)
_LOG_RECENCY = np.log(np.arange(1.0, 66.0))


def recency(mask: Keys) -> Ints:
    """Days since the last purchase, 1 = yesterday, 65 = more than 64 days ago; bit j of a mask is j + 1 days ago.

    >>> recency(np.array([0b1, 0b100, 0], np.uint64)).tolist()
    [1, 3, 65]
    """
    lowest = mask & (~mask + _ONE)
    return np.bitwise_count(lowest - _ONE).astype(np.int64) + 1


def orders_28(mask: Keys) -> Ints:
    """Days with a purchase among the 28 days before."""
    return np.bitwise_count(mask & _ORDERS_MASK).astype(np.int64)


def weekday_logit(customers: Customers, day: int) -> float:
    """The known rhythm of the week, in log-odds."""
    return float(WEEKDAY_LOGIT[(customers.config.start_date.weekday() + day) % 7])


def contact_day(day: int) -> int | None:
    """The day of the campaign that works on ``day``, if one does.

    >>> contact_day(40), contact_day(41), contact_day(47), contact_day(48), contact_day(191)
    (None, 40, 40, None, 190)
    """
    since = day - CONTACT_FIRST - 1
    if since < 0 or since % CONTACT_EVERY >= CONTACT_DAYS:
        return None
    return day - 1 - since % CONTACT_EVERY


def contact_days(start: int, end: int) -> list[int]:
    """Days of the campaign in [start, end)."""
    return [day for day in range(CONTACT_FIRST, end, CONTACT_EVERY) if day >= start]


def is_free(start: int, end: int) -> bool:
    """Whether no campaign works on any day of [start, end)."""
    return all(contact_day(day) is None for day in range(start, end))


def cut(end: int, horizon: int) -> int | None:
    """The last day from which a whole window fits before ``end`` that no campaign disturbs; at least a month of life.

    >>> cut(120, 30), cut(60, 7), cut(200, 30), cut(60, 30)
    (90, 53, 161, None)
    """
    days = range(end - horizon, BURN_IN, -1)
    return next((day for day in days if is_free(day, day + horizon)), None)


def cuts(end: int) -> dict[int, int]:
    """The date from which each horizon that fits is measured: horizon → day."""
    found = {horizon: cut(end, horizon) for horizon in HORIZONS}
    return {horizon: day for horizon, day in found.items() if day is not None}


def masks_needed(end: int) -> list[int]:
    """The days at whose beginning the state of customers is asked for."""
    return sorted({*cuts(end).values(), *(day + 1 for day in contact_days(0, end) if day + CONTACT_DAYS < end)})


def contacted(customers: Customers, day: int) -> Ints:
    """Arm in the campaign of ``day``: 1 treated, 0 control, -1 not part of it (no consent, or not joined yet)."""
    is_part = wants_email(customers.config, customers.number) & (customers.join_day < day)
    is_treated = customers.draws.uniform("arm", customers.number, day) < 0.5
    return np.where(is_part, is_treated.astype(np.int64), -1)


class Hazard:
    """The chance of a purchase per day of some customers, given the mask of their purchase days."""

    def __init__(self, customers: Customers) -> None:
        self.customers = customers
        self._base: Floats = TIER_LOGIT[customers.tier] + customers.config.activity
        if customers.config.hidden_sd:
            self._base = self._base + customers.config.hidden_sd * normal(customers.uniform("hidden"))
        self._arms: dict[int, Ints] = {}

    def __call__(self, mask: Keys, day: int, *, treated: bool | None = None) -> Floats:
        """Chance of a purchase on ``day``; ``treated`` says what a campaign at work does, by default what it did."""
        logit = (
            self._base
            + RECENCY_COEFFICIENT * _LOG_RECENCY[recency(mask) - 1]
            + (ORDERS_COEFFICIENT * orders_28(mask) + weekday_logit(self.customers, day))
        )
        campaign = contact_day(day)
        if campaign is not None and treated is not False:
            reached = np.ones(len(mask)) if treated else self._arm(campaign) == 1
            logit = logit + EFFECTS[self.customers.archetype_at(day)] * reached
        return np.asarray(1.0 / (1.0 + np.exp(-logit)))

    def within(self, mask: Keys, day: int, days: int, *, treated: bool | None = None) -> Floats:
        """Chance of at least one purchase in [day, day + days): until it comes the mask only shifts, so it is exact."""
        none = np.ones(len(mask))
        for step in range(days):
            none = none * (1.0 - self(mask << np.uint64(step), day + step, treated=treated))
        return 1.0 - none

    def _arm(self, campaign: int) -> Ints:
        if campaign not in self._arms:
            self._arms[campaign] = contacted(self.customers, campaign)
        return self._arms[campaign]


@dataclass(frozen=True)
class Life:
    """What some customers did: days by customers, from day 0; and the masks before the days asked for."""

    bought: Bools
    browsed: Bools
    masks: dict[int, Keys]


def live(customers: Customers, end: int, *, masks_at: Sequence[int] = ()) -> Life:
    """Live the days up to ``end``, the burn-in included, which is not returned."""
    n = len(customers.number)
    hazard = Hazard(customers)
    rate, rate_after = (np.exp(customers.traits(after=after)[:, 0]) for after in (False, True))
    bought, browsed = np.zeros((end, n), np.bool_), np.zeros((end, n), np.bool_)
    mask, masks = np.zeros(n, np.uint64), {}
    first = customers.uniform("first order") < FIRST_ORDER_SHARE
    for day in range(-BURN_IN, end):
        if day in masks_at:
            masks[day] = mask
        bits = customers.draws.keys("day", customers.number, day + BURN_IN)
        is_there = customers.join_day <= day
        buys = (bits >> _HALF) * 2.0**-32 < hazard(mask, day)
        buys = np.where(customers.join_day == day, first & (day > -BURN_IN), buys & is_there)
        if day >= 0:
            bought[day] = buys
            browsing = np.where(day < customers.switch_day, rate, rate_after)
            browsed[day] = is_there & ((bits & _LOW) * 2.0**-32 < browsing)
        mask = (mask << _ONE) | buys.astype(np.uint64)
    return Life(bought, browsed, masks)
