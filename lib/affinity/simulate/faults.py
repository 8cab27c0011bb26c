"""What is wrong with the files, on purpose: each fault is known by its event and has the disposition it deserves."""

from dataclasses import replace
from enum import IntEnum

import numpy as np

from affinity.core.vocabulary import Disposition, EventType
from affinity.simulate.draws import Draws, Ints
from affinity.simulate.events import CODE, Events
from affinity.simulate.params import ShopConfig
from affinity.simulate.sessions import LATE_DAYS, Delivery, Feed, Rows

NOT_READ = "not_read"
"""Disposition of a file that came again: a manifest knows it by its bytes."""
SUPERSEDED = "superseded"
"""Disposition of what a wrong file brought, once its correction lies in its place."""


class Fault(IntEnum):
    """Kinds of faults; the names are those in the ledger."""

    NONE = 0
    LATE = 1
    TOO_LATE = 2
    DELIVERED_TWICE = 3
    DUPLICATE_LINE = 4
    SAME_ID = 5
    BROKEN = 6
    WRONG_TYPE = 7
    UNKNOWN_TYPE = 8
    UNKNOWN_ITEM = 9
    NULL_ID = 10
    BLANK_ID = 11
    ODD_ID = 12
    CLOCK_SKEW = 13
    FAR_FUTURE = 14
    MILLISECONDS = 15
    NEGATIVE_PRICE = 16
    HUGE_PRICE = 17
    BOT = 18
    FILE_AGAIN = 19
    FILE_CORRECTED = 20
    SCHEMA_DRIFT = 21


DISPOSITION = {
    Fault.LATE: Disposition.ACCEPTED,
    Fault.TOO_LATE: Disposition.QUARANTINED,
    Fault.DELIVERED_TWICE: Disposition.DUPLICATE,
    Fault.DUPLICATE_LINE: Disposition.DUPLICATE,
    Fault.SAME_ID: Disposition.DUPLICATE,
    Fault.BROKEN: Disposition.QUARANTINED,
    Fault.WRONG_TYPE: Disposition.QUARANTINED,
    Fault.UNKNOWN_TYPE: Disposition.QUARANTINED,
    Fault.UNKNOWN_ITEM: Disposition.ACCEPTED,
    Fault.NULL_ID: Disposition.ACCEPTED,
    Fault.BLANK_ID: Disposition.ACCEPTED,
    Fault.ODD_ID: Disposition.ACCEPTED,
    Fault.CLOCK_SKEW: Disposition.ACCEPTED,
    Fault.FAR_FUTURE: Disposition.QUARANTINED,
    Fault.MILLISECONDS: Disposition.QUARANTINED,
    Fault.NEGATIVE_PRICE: Disposition.QUARANTINED,
    Fault.HUGE_PRICE: Disposition.QUARANTINED,
    Fault.BOT: Disposition.ACCEPTED,
    Fault.FILE_AGAIN: NOT_READ,
    Fault.FILE_CORRECTED: SUPERSEDED,
    Fault.SCHEMA_DRIFT: Disposition.ACCEPTED,
}
"""What a right platform makes of the line, or of the file."""

_EVERYWHERE = frozenset(Feed)
_TEXT = _EVERYWHERE - {Feed.ORDERS}
_CLICKS = frozenset({Feed.WEB, Feed.APP})
_MONEY = frozenset({Feed.TILLS, Feed.ORDERS})
_APP = frozenset({Feed.APP})
_LINE_FAULTS = (
    (Fault.DUPLICATE_LINE, "duplicate_line", _EVERYWHERE),
    (Fault.SAME_ID, "same_id", _CLICKS | _MONEY),
    (Fault.BROKEN, "broken", _TEXT),
    (Fault.WRONG_TYPE, "wrong_type", _TEXT),
    (Fault.UNKNOWN_TYPE, "unknown_type", _EVERYWHERE),
    (Fault.UNKNOWN_ITEM, "unknown_item", _CLICKS | _MONEY),
    (Fault.NULL_ID, "null_id", _APP),
    (Fault.BLANK_ID, "blank_id", _APP),
    (Fault.ODD_ID, "odd_id", _APP),
    (Fault.CLOCK_SKEW, "clock_skew", _APP),
    (Fault.FAR_FUTURE, "far_future", _EVERYWHERE),
    (Fault.MILLISECONDS, "milliseconds", _APP),
    (Fault.NEGATIVE_PRICE, "negative_price", _MONEY),
    (Fault.HUGE_PRICE, "huge_price", _MONEY),
)
_OF_ITEMS = (Fault.UNKNOWN_ITEM, Fault.SAME_ID)
_COPYING = (Fault.DUPLICATE_LINE, Fault.SAME_ID)


def with_faults(config: ShopConfig, feed: Feed, rows: Rows, made: Events) -> Events:
    """Give every event at most one fault, and append the extra lines that some faults consist of.

    Events of late sessions have no other fault, and of a session that is delivered twice only the events without a
    fault come again: so each landed line has one disposition that follows from the ledger alone.
    """
    late_days = (rows.arrival - rows.when)[made.row]
    is_copy = ((rows.delivery & Delivery.COPY) > 0)[made.row]
    is_late = (late_days > 0) & ~is_copy
    fault = line_fault(config, feed, made.key)
    shows_no_item = np.isin(fault, _OF_ITEMS) & (made.type == CODE[EventType.SEARCH])
    fault = np.where(shows_no_item, Fault.NONE, fault)
    fault = np.where(is_late, np.where(late_days > LATE_DAYS, Fault.TOO_LATE, Fault.LATE), fault)
    made = replace(made, fault=fault).take(~is_copy | (fault == Fault.NONE))
    is_copy = ((rows.delivery & Delivery.COPY) > 0)[made.row]
    made = replace(made, fault=np.where(is_copy, Fault.DELIVERED_TWICE, made.fault))
    extra = made.take(np.isin(made.fault, _COPYING))
    first = replace(made, fault=np.where(np.isin(made.fault, _COPYING), Fault.NONE, made.fault))
    return Events.concat([first, replace(extra, is_extra=np.ones(len(extra), np.bool_))])


def line_fault(config: ShopConfig, feed: Feed, keys: Ints) -> Ints:
    """The fault of each line of a feed, mostly none."""
    drawn = Draws(config.seed).uniform("line fault", keys)
    fault = np.zeros(len(keys), np.int64)
    reached = 0.0
    for kind, rate_name, feeds in _LINE_FAULTS:
        if feed not in feeds:
            continue
        rate = getattr(config.faults, rate_name)
        fault[(drawn >= reached) & (drawn < reached + rate)] = kind
        reached += rate
    return fault
