"""Every word that a row may hold is defined here once."""

from enum import StrEnum


class EventType(StrEnum):
    """What a customer did, or what was done to them."""

    VIEW = "view"
    SEARCH = "search"
    CART = "cart"
    PURCHASE = "purchase"
    RETURN = "return"
    REVIEW = "review"
    CONTACT = "contact"


class Disposition(StrEnum):
    """What became of a row of a landed file; every row has exactly one."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    FILTERED = "filtered"
    QUARANTINED = "quarantined"


class Defect(StrEnum):
    """What may be wrong or notable with a row. Flags overlap; the order is the priority of rejection reasons."""

    UNPARSABLE = "unparsable"
    SUBJECT_SUPPRESSED = "subject_suppressed"
    EVENT_TS_INVALID = "event_ts_invalid"
    EVENT_TS_FUTURE = "event_ts_future"
    EVENT_TS_LATE = "event_ts_late"
    EVENT_TS_OUTSIDE = "event_ts_outside"
    EVENT_TYPE_UNKNOWN = "event_type_unknown"
    QUANTITY_INVALID = "quantity_invalid"
    PRICE_INVALID = "price_invalid"
    PRICE_NOT_POSITIVE = "price_not_positive"
    AMOUNT_INVALID = "amount_invalid"
    STOCK_CORRECTION = "stock_correction"
    EVENT_ID_MISSING = "event_id_missing"
    CUSTOMER_MISSING = "customer_missing"
    CANCELLATION = "cancellation"
    DESCRIPTION_MISSING = "description_missing"
    REPEATED_LINE = "repeated_line"


# Of such a line no event can be made, whatever a source wishes.
UNCONDITIONAL = frozenset(
    {
        Defect.UNPARSABLE,
        Defect.SUBJECT_SUPPRESSED,
        Defect.EVENT_TS_INVALID,
        Defect.EVENT_TYPE_UNKNOWN,
        Defect.AMOUNT_INVALID,
    }
)
QUARANTINING = (
    Defect.UNPARSABLE,
    Defect.EVENT_TS_INVALID,
    Defect.EVENT_TS_FUTURE,
    Defect.EVENT_TS_LATE,
    Defect.EVENT_TS_OUTSIDE,
    Defect.EVENT_TYPE_UNKNOWN,
    Defect.QUANTITY_INVALID,
    Defect.PRICE_INVALID,
    Defect.PRICE_NOT_POSITIVE,
    Defect.AMOUNT_INVALID,
)
FILTERING = (Defect.SUBJECT_SUPPRESSED, Defect.STOCK_CORRECTION)


class Feed(StrEnum):
    """What a landed file tells about: one manifest row per source, feed and file."""

    EVENTS = "events"
    ITEMS = "items"
    CUSTOMERS = "customers"


class FileState(StrEnum):
    """Where a landed file stands: its rows are in, are counted to the end, were replaced, or it was not read."""

    INGESTED = "ingested"
    CLEANED = "cleaned"
    SUPERSEDED = "superseded"
    REFUSED = "refused"


# States of files whose rows count.
COUNTING = frozenset({FileState.INGESTED, FileState.CLEANED})


class Suppression(StrEnum):
    """Why a person's events are not kept when they arrive."""

    ERASED = "erased"
    OPTED_OUT = "opted_out"


class Severity(StrEnum):
    """What a failed check does: ``critical`` stops publication, ``warning`` is recorded."""

    CRITICAL = "critical"
    WARNING = "warning"


class Status(StrEnum):
    """How an attempt of a run stands or ended."""

    STARTED = "started"
    DONE = "done"
    RECOVERED = "recovered"
    KEPT = "kept"
    SKIPPED = "skipped"
    NOTHING_TO_DO = "nothing_to_do"
    FAILED = "failed"


class Strategy(StrEnum):
    """Where a recommendation comes from."""

    ALS = "als"
    POPULARITY = "popularity"


class BotRule(StrEnum):
    """Why a customer is taken for a program."""

    MANY_EVENTS = "many_events"
    ALL_HOURS = "all_hours"


class DayPart(StrEnum):
    """A quarter of the day in the business zone, six hours each, from midnight."""

    NIGHT = "night"
    MORNING = "morning"
    AFTERNOON = "afternoon"
    EVENING = "evening"
