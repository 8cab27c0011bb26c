"""What may be set of the shop, what is planted in it, and its named sizes."""

from collections.abc import Mapping
from datetime import date
from types import MappingProxyType
from typing import Annotated, NamedTuple, Self

import numpy as np
from pydantic import Field, model_validator

from affinity.core.settings import Settings

Share = Annotated[float, Field(ge=0, le=1)]

ZONE = "Europe/London"
CURRENCY = "GBP"
NEVER = 1_000_000
"""A day beyond every span: not withdrawn, never switched."""
FOREVER = 365
"""Customers join and items are launched over this many days, whatever the span that is made."""


class Archetype(NamedTuple):
    """A kind of customer: how often they browse, how much they buy at once, how they answer the campaign."""

    name: str
    share: float
    browse: float  # chance of a browsing session per day
    lines: float  # mean own lines of an order
    units: float  # mean units of a line
    tiers: tuple[float, float, float, float]  # shares of the loyalty tiers
    effect: float  # of the campaign, on the log-odds of a purchase per day
    group_b: float  # share of the sensitive group B


ARCHETYPES = (
    Archetype("browsers", 0.20, 0.070, 1.5, 1.1, (0.60, 0.30, 0.10, 0.00), 0.50, 0.30),
    Archetype("families", 0.20, 0.015, 6.0, 1.4, (0.05, 0.25, 0.50, 0.20), 0.00, 0.70),
    Archetype("hosts", 0.20, 0.006, 1.5, 4.5, (0.50, 0.35, 0.15, 0.00), 0.90, 0.50),
    Archetype("traders", 0.10, 0.009, 3.0, 12.0, (0.00, 0.10, 0.40, 0.50), 0.10, 0.20),
    Archetype("stockers", 0.15, 0.005, 8.0, 5.0, (0.20, 0.40, 0.30, 0.10), 0.00, 0.60),
    Archetype("enthusiasts", 0.15, 0.060, 3.2, 2.2, (0.00, 0.20, 0.40, 0.40), -0.70, 0.40),
)
NAMES = tuple(archetype.name for archetype in ARCHETYPES)
TRAITS = np.log([[a.browse, a.lines - 1, a.units - 1] for a in ARCHETYPES])
"""Archetypes by (log browsing rate, log of lines less one, log of units less one)."""
EFFECTS = np.array([archetype.effect for archetype in ARCHETYPES])
TIER_SHARES = np.array([archetype.tiers for archetype in ARCHETYPES])
TRAIT_SD = 0.20
"""Spread of a customer's log browsing rate, log lines and log units around those of the archetype."""

TIER_LOGIT = np.array([-3.45, -2.85, -2.25, -1.75])
"""Log-odds of a purchase per day by loyalty tier, the day after a purchase."""
RECENCY_COEFFICIENT = -0.55
"""For the log of the days since the last purchase, 65 where it was more than 64 days ago."""
ORDERS_COEFFICIENT = 0.10
"""For the number of purchase days in the 28 days before."""
WEEKDAY_LOGIT = np.array([-0.15, -0.10, -0.05, 0.05, 0.20, 0.25, -0.20])
"""Monday first."""

N_TOPICS = 16
CONTACT_FIRST, CONTACT_EVERY, CONTACT_DAYS = 40, 150, 7
"""The randomised campaign: first day, how often it comes again, for how many days it works."""
NEWSLETTER_FIRST, NEWSLETTER_EVERY = 10, 56
CRM_EVERY = 30
"""Days between full snapshots of the customers; in between come those that changed."""


class FaultRates(Settings):
    """How often each fault is planted, as a share of sessions, of lines or of daily files."""

    late: Share = Field(default=0.01, description="Sessions of web, app and tills that arrive 1 to 30 days late")
    too_late: Share = Field(default=0.0005, description="Sessions that arrive 31 to 40 days late")
    delivered_twice: Share = Field(default=0.003, description="Sessions whose lines come again in a file a day later")
    file_again: Share = Field(default=0.02, description="Daily files that come again the next day under another name")
    file_corrected: Share = Field(default=0.02, description="Till files with prices in pence, replaced two days later")
    duplicate_line: Share = Field(default=0.002, description="Lines written twice in one file")
    same_id: Share = Field(default=0.0005, description="Lines that come again in the file with one value changed")
    broken: Share = Field(default=0.0005, description="Lines cut short")
    wrong_type: Share = Field(default=0.0003, description="Lines with a word where a time or a number belongs")
    unknown_type: Share = Field(default=0.0003, description="Lines with an event type that nobody declared")
    unknown_item: Share = Field(default=0.0005, description="Lines with an item that no catalogue knows")
    null_id: Share = Field(default=0.0005, description="App lines with a null user")
    blank_id: Share = Field(default=0.0002, description="App lines whose user is blanks")
    odd_id: Share = Field(default=0.0001, description="App lines whose user is a word, a ghost or four thousand digits")
    clock_skew: Share = Field(default=0.0005, description="App lines two hours ahead")
    far_future: Share = Field(default=0.0002, description="Lines one year ahead")
    milliseconds: Share = Field(default=0.0003, description="App lines with milliseconds where seconds are meant")
    negative_price: Share = Field(default=0.0005, description="Order and till lines with a negative price")
    huge_price: Share = Field(default=0.0002, description="Order and till lines with a price beyond any money")

    @model_validator(mode="after")
    def _are_shares_of_one_whole(self) -> Self:
        """A session or a line has one fault at most."""
        of_files = ("delivered_twice", "file_again", "file_corrected")
        of_sessions = ("late", "too_late")
        of_lines = [name for name in type(self).model_fields if name not in (*of_files, *of_sessions)]
        for names in (of_sessions, of_lines):
            if sum(getattr(self, name) for name in names) > 1:
                raise ValueError(f"{' + '.join(names)} is more than 1")
        return self


class ShopConfig(Settings):
    """One shop: sizes, seed and shares. Equal settings give equal content, on any machine and cut in any way."""

    customers: int = Field(
        ge=1, le=40_000_000, description="Customers of the shop, those included who join during or after the span"
    )
    items: int = Field(
        ge=40, le=1_000_000, description="Items of the catalogue, those included that are launched later"
    )
    days: int = Field(ge=1, le=3_650, description="Days of the span")
    seed: int = Field(default=1, ge=0, description="Another seed is another shop of the same kind")
    start_date: date = Field(
        default=date(2025, 10, 6),
        ge=date(1970, 1, 5),
        le=date(2200, 1, 1),
        description="First day; a Monday keeps the weekly rhythm",
    )
    joined_share: Share = Field(default=0.75, description="Customers there from the first day; the others join later")
    launched_share: Share = Field(default=0.9, description="Items there from the first day")
    withdrawn_share: Share = Field(default=0.08, description="Items that are withdrawn one day")
    switch_share: Share = Field(default=0.08, description="Customers who change their archetype on a known day")
    activity: float = Field(default=0, ge=-3, le=3, description="Added to everybody's log-odds of a purchase per day")
    hidden_sd: float = Field(default=0.0, ge=0, le=3, description="Spread of purchase log-odds that no column shows")
    shared_cookie_share: Share = Field(default=0.01, description="Households of two that share a browser")
    unlinked_cookie_share: Share = Field(default=0.02, description="Cookies that never log in")
    second_account_share: Share = Field(default=0.01, description="Customers with two accounts, merged one day")
    bot_share: float = Field(default=1 / 3, ge=0, le=0.9, description="Share of one bot in all events")
    drift_day: int = Field(default=45, ge=0, description="From this day web and order files have a further column")
    faults: FaultRates = FaultRates()


SIZES: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "tiny": {"customers": 200, "items": 120, "days": 60, "activity": 0.4},
        "demo": {"customers": 2_000, "items": 400, "days": 120, "activity": 0.4},
        "small": {"customers": 20_000, "items": 4_000, "days": 180},
        "bench": {"customers": 200_000, "items": 20_000, "days": 180},
        "large": {"customers": 2_000_000, "items": 50_000, "days": 180},
    }
)
