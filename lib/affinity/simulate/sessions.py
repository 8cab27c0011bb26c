"""From what customers did to rows of sessions: what goes into which feed, and on which day it arrives there."""

from dataclasses import dataclass, fields, replace
from enum import IntEnum, IntFlag

import numpy as np

from affinity.simulate.behaviour import Life, contact_days, contacted
from affinity.simulate.customers import Customers, merge_day, wants_email
from affinity.simulate.draws import Bools, Draws, Floats, Ints, Keys, poisson
from affinity.simulate.params import NEWSLETTER_EVERY, NEWSLETTER_FIRST, ShopConfig

LATE_DAYS, TOO_LATE_DAYS = 30, 40
"""What arrives within 30 days is late, beyond it too late for a platform that waits a month."""
RETURN_SHARE, REVIEW_SHARE, SEARCH_SHARE = 0.06, 0.05, 0.3
_BROWSED_EXTRA = 0.7
_SLOTS = 4


class Feed(IntEnum):
    """Where rows land."""

    WEB = 0
    APP = 1
    TILLS = 2
    ORDERS = 3
    EMAIL = 4
    CRM = 5


class Deed(IntEnum):
    """What a row of a session stands for."""

    BROWSE = 0
    CLICKS = 1
    ORDER = 2
    RETURN = 3
    REVIEW = 4
    NEWSLETTER = 5
    CAMPAIGN = 6
    NEWS = 7


class Delivery(IntFlag):
    """How a row arrives: as a copy in another file, in a whole file that comes again, in a file that is corrected."""

    FIRST = 0
    COPY = 1
    AGAIN = 2
    CORRECTION = 4


EVENT_FEEDS = (Feed.WEB, Feed.APP, Feed.TILLS, Feed.ORDERS, Feed.EMAIL)
_SLOT = {Deed.BROWSE: 0, Deed.ORDER: 1, Deed.NEWSLETTER: 2, Deed.CAMPAIGN: 2, Deed.NEWS: 3}
"""Sessions of a customer and a day that are told apart: browsing, an order and all that follows, mail, news."""
DAILY = (Feed.TILLS, Feed.ORDERS, Feed.EMAIL)
"""Feeds with one file per day."""


@dataclass(frozen=True)
class Rows:
    """Sessions, one entry each. ``day`` is that of the basket, ``when`` that of the event, ``arrival`` of the file.

    ``key`` is 64 bits that stand for the session: the same for every row that comes from it.
    """

    customer: Ints
    day: Ints
    when: Ints
    arrival: Ints
    deed: Ints
    feed: Ints
    delivery: Ints
    lines: Ints
    extra_units: Ints
    key: Keys

    def __len__(self) -> int:
        return len(self.customer)

    def take(self, where: Ints | Bools) -> "Rows":
        """Some of the rows."""
        return Rows(**{field.name: getattr(self, field.name)[where] for field in fields(self)})

    @staticmethod
    def concat(parts: "list[Rows]") -> "Rows":
        """All rows of several."""
        return Rows(
            **{field.name: np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(Rows)}
        )

    def uniform(self, draws: Draws, what: str) -> Floats:
        """A draw per session."""
        return draws.uniform(f"session {what}", self.key)

    def packed(self) -> bytes:
        """All rows as bytes."""
        table = np.zeros(len(self), _PACKED)
        for name in _PACKED.names or ():
            table[name] = getattr(self, name)
        return table.tobytes()

    @staticmethod
    def packed_size() -> int:
        """Bytes of a packed row."""
        return _PACKED.itemsize

    @staticmethod
    def unpacked(content: bytes) -> "Rows":
        """Rows from ``packed`` bytes, also of several parts one after the other."""
        table = np.frombuffer(content, _PACKED)
        wide = {name: np.uint64 if name == "key" else np.int64 for name in _PACKED.names or ()}
        return Rows(**{name: table[name].astype(kind) for name, kind in wide.items()})


_PACKED = np.dtype(
    [
        *(("customer", "<i8"), ("day", "<i4"), ("when", "<i4"), ("arrival", "<i4"), ("deed", "<i1"), ("feed", "<i1")),
        *(("delivery", "<i1"), ("lines", "<i2"), ("extra_units", "<i2"), ("key", "<u8")),
    ]
)


def rows(customers: Customers, life: Life) -> Rows:
    """Every session of some customers, as it is delivered at last: late, twice, in files that come again."""
    orders = _orders(customers, life)
    first = Rows.concat(
        [_browsing(customers, life), *orders, *_contacts(customers, len(life.bought)), *_news(customers)]
    )
    return _redelivered(customers.config, customers.draws, _late(customers.config, customers.draws, first))


def _browsing(customers: Customers, life: Life) -> Rows:
    day, position = np.nonzero(life.browsed)
    made = _made(customers, position, day, Deed.BROWSE)
    views = 1 + poisson(made.uniform(customers.draws, "views"), _BROWSED_EXTRA)
    return replace(made, lines=views, feed=_click_feed(customers, made))


def _orders(customers: Customers, life: Life) -> list[Rows]:
    """Online orders as clicks and as order lines, till receipts, and what follows of returns and reviews."""
    draws = customers.draws
    day, position = np.nonzero(life.bought)
    made = with_basket(customers, position, _made(customers, position, day, Deed.ORDER))
    tills_share = np.where(customers.uniform("tills") < 0.45, 0.0, 0.5)
    at_till = made.uniform(draws, "till") < tills_share[position]
    orders = replace(made, feed=np.where(at_till, Feed.TILLS, Feed.ORDERS))
    clicks = replace(made, deed=_all(made, Deed.CLICKS), feed=_click_feed(customers, made)).take(~at_till)
    back_after = 3 + (18 * made.uniform(draws, "return after")).astype(np.int64)
    returns = replace(orders, when=orders.day + back_after, arrival=orders.day + back_after)
    returned = replace(returns, deed=_all(made, Deed.RETURN)).take(made.uniform(draws, "return") < RETURN_SHARE)
    review_day = made.day + 2 + (14 * made.uniform(draws, "review after")).astype(np.int64)
    reviews = replace(made, when=review_day, arrival=review_day, feed=_click_feed(customers, made))
    reviewed = replace(reviews, deed=_all(made, Deed.REVIEW)).take(made.uniform(draws, "review") < REVIEW_SHARE)
    return [orders, clicks, returned, reviewed]


def with_basket(customers: Customers, position: Ints, orders: Rows) -> Rows:
    """Orders with their own lines, at least one, and the units beyond one per line."""
    switched = orders.day >= customers.switch_day[position]
    traits = np.where(switched[:, None], customers.traits(after=True)[position], customers.traits()[position])
    more_lines, more_units = np.exp(traits[:, 1]), np.exp(traits[:, 2])
    lines = 1 + poisson(orders.uniform(customers.draws, "lines"), more_lines)
    units = poisson(orders.uniform(customers.draws, "units"), lines * more_units, most=2_000)
    return replace(orders, lines=lines, extra_units=units)


def _contacts(customers: Customers, end: int) -> list[Rows]:
    positions = np.arange(len(customers.number))
    consent = wants_email(customers.config, customers.number)
    found = []
    for day in range(NEWSLETTER_FIRST, end, NEWSLETTER_EVERY):
        to = positions[consent & (customers.join_day < day)]
        found.append(_made(customers, to, np.full(len(to), day), Deed.NEWSLETTER))
    for day in contact_days(0, end):
        to = positions[contacted(customers, day) == 1]
        found.append(_made(customers, to, np.full(len(to), day), Deed.CAMPAIGN))
    return [replace(made, feed=_all(made, Feed.EMAIL)) for made in found]


def _news(customers: Customers) -> list[Rows]:
    """Customers of whom the CRM has news: they joined, or a second account was merged."""
    found = []
    for day in (customers.join_day, merge_day(customers.config, customers.number)):
        position = np.flatnonzero(day > 0)
        made = _made(customers, position, day[position], Deed.NEWS)
        found.append(replace(made, feed=_all(made, Feed.CRM)))
    return found


def _made(customers: Customers, position: Ints, day: Ints, deed: Deed) -> Rows:
    nothing, number = np.zeros(len(day), np.int64), customers.number[position]
    key = customers.draws.keys("session", number, day * _SLOTS + _SLOT[deed])
    return Rows(number, day, day, day, nothing + deed, nothing, nothing, nothing, nothing, key)


def _all(made: Rows, value: int) -> Ints:
    return np.full(len(made), int(value))


def _click_feed(customers: Customers, made: Rows) -> Ints:
    """A third of the customers mostly use the app, the others mostly the web."""
    likes_app = customers.draws.uniform("app", made.customer) < 1 / 3
    uses_app = made.uniform(customers.draws, "app") < np.where(likes_app, 0.85, 0.1)
    return np.where(uses_app, Feed.APP, Feed.WEB)


def _late(config: ShopConfig, draws: Draws, first: Rows) -> Rows:
    """Sessions of web, app and tills that arrive late; orders and e-mail come from systems that do not lose time."""
    rates, u = config.faults, first.uniform(draws, "late")
    may_be = (first.feed <= Feed.TILLS) & (first.deed <= Deed.ORDER)
    how_late = first.uniform(draws, "how late")
    days = np.where(
        u < rates.too_late,
        LATE_DAYS + 1 + ((TOO_LATE_DAYS - LATE_DAYS) * how_late).astype(np.int64),
        1 + (LATE_DAYS * how_late**2).astype(np.int64),
    )
    is_late = may_be & (u < rates.too_late + rates.late)
    return replace(first, arrival=first.arrival + np.where(is_late, days, 0))


def _redelivered(config: ShopConfig, draws: Draws, first: Rows) -> Rows:
    rates = config.faults
    is_click_or_till = (first.feed <= Feed.TILLS) & (first.deed <= Deed.ORDER)
    is_twice = is_click_or_till & (first.arrival == first.when)
    is_twice &= first.uniform(draws, "twice") < rates.delivered_twice
    twice = first.take(is_twice)
    twice = replace(twice, delivery=_all(twice, Delivery.COPY), arrival=twice.arrival + 1)
    arrived = Rows.concat([first, twice])
    again = arrived.take(comes_again(config, arrived.feed, arrived.arrival))
    again = replace(again, delivery=again.delivery | Delivery.AGAIN, arrival=again.arrival + 1)
    corrected = arrived.take(is_corrected(config, arrived.feed, arrived.arrival))
    corrected = replace(corrected, delivery=corrected.delivery | Delivery.CORRECTION, arrival=corrected.arrival + 2)
    return Rows.concat([arrived, again, corrected])


def comes_again(config: ShopConfig, feed: Ints, day: Ints) -> Bools:
    """Whether the daily file of a feed is delivered once more on the next day."""
    draws = Draws(config.seed)
    drawn = draws.uniform("file again", feed, day) < config.faults.file_again
    return drawn & np.isin(feed, DAILY) & ~is_corrected(config, feed, day)


def is_corrected(config: ShopConfig, feed: Ints, day: Ints) -> Bools:
    """Whether the till file of a day has its prices in pence at first, and is replaced two days later."""
    drawn = Draws(config.seed).uniform("file corrected", feed, day) < config.faults.file_corrected
    return drawn & (feed == Feed.TILLS)


def orders_once(rows: Rows) -> Rows:
    """Each order once, however it is delivered: what the customers of a block bought."""
    return rows.take((rows.deed == Deed.ORDER) & (rows.delivery == 0))
