"""What is known of a customer, declared once: each feature with its unit, window, what null means and when it is known.

The columns and checks of gold.customer_features come from here, and so does the computation: a feature with a
``measure`` is that measure over the days of its window.
"""

from dataclasses import dataclass
from itertools import pairwise

from affinity.core.vocabulary import DayPart
from affinity.tables.spec import Check, Column, Personal

WINDOWS_DAYS = (7, 30, 90, 365)
AT_CUT = "as_of_date 00:00"
_MONEY = "decimal(18,4)"


@dataclass(frozen=True)
class Feature:
    """One feature. ``window_days`` counts back from as_of_date, which is not in it; without it all history counts.

    ``measure`` names what is counted, None where a feature is made from others; ``null_meaning`` is empty where a
    feature is never null.
    """

    name: str
    type: str
    unit: str
    comment: str
    measure: str | None = None
    window_days: int | None = None
    null_meaning: str = ""
    known_at: str = AT_CUT
    personal: Personal = Personal.NONE

    @property
    def column(self) -> Column:
        """The column of the table."""
        return Column(self.name, self.type, self._described(), bool(self.null_meaning), self.personal)

    def _described(self) -> str:
        span = f" in the {self.window_days} days before as_of_date" if self.window_days else ", all history"
        null = f"; {self.null_meaning}" if self.null_meaning else ""
        return f"{self.comment}{span if self.measure else ''}{null} [{self.unit}; known at {self.known_at}]"


@dataclass(frozen=True)
class Measure:
    """Something that is counted over the days of a window."""

    name: str
    type: str
    unit: str
    comment: str
    windows_days: tuple[int, ...] = WINDOWS_DAYS
    null_meaning: str = ""

    def feature(self, window_days: int | None = None) -> Feature:
        """The measure over a window, or over all history."""
        name = self.column_name(window_days)
        return Feature(name, self.type, self.unit, self.comment, self.name, window_days, self.null_meaning)

    def column_name(self, window_days: int | None = None) -> str:
        """The column: the suffix of an amount stays at the end.

        >>> Measure("monetary_amount", "decimal(18,4)", "currency", "").column_name(30)
        'monetary_30d_amount'
        """
        if window_days is None:
            return self.name
        stem, amount, _ = self.name.partition("_amount")
        return f"{stem}_{window_days}d{amount}"


FREQUENCY = Measure("frequency", "bigint", "orders", "Orders with a purchase")
MONETARY = Measure("monetary_amount", _MONEY, "currency", "Gross amount of purchases")
RETURNS = Measure("returns_amount", _MONEY, "currency", "Amount of returns, 0 where none", ())
N_ACTIVE_DAYS = Measure("n_active_days", "bigint", "days", "Days with a purchase")
N_ITEMS = Measure("n_items", "bigint", "items", "Distinct items bought", ())
N_CATEGORIES = Measure(
    "n_categories",
    "bigint",
    "categories",
    "Distinct widest categories of items bought",
    null_meaning="null where no item has one that was known",
)
N_LINES = Measure("n_lines", "bigint", "lines", "Purchase lines", ())
N_VIEWS = Measure("n_views", "bigint", "events", "Views")
N_CARTS = Measure("n_carts", "bigint", "events", "Items put into a cart")
N_SESSIONS = Measure("n_sessions", "bigint", "sessions", "Sessions that began")
N_VISIT_DAYS = Measure("n_visit_days", "bigint", "days", "Days on which the customer did anything")
N_SOURCES = Measure("n_sources", "bigint", "sources", "Distinct sources of the customer's events", ())
MEASURES = (
    *(FREQUENCY, MONETARY, RETURNS, N_ACTIVE_DAYS, N_ITEMS, N_CATEGORIES, N_LINES),
    *(N_VIEWS, N_CARTS, N_SESSIONS, N_VISIT_DAYS, N_SOURCES),
)

_BOUGHT = (
    Feature("recency_days", "int", "days", "Whole days from the last purchase day to as_of_date"),
    FREQUENCY.feature(),
    MONETARY.feature(),
    RETURNS.feature(),
    Feature("net_amount", _MONEY, "currency", "Gross minus returns, all history; may be negative"),
    Feature(
        "currency",
        "string",
        "ISO 4217",
        "Currency of every amount of the row",
        null_meaning="null where nothing that was bought or returned has a price",
    ),
    Feature("tenure_days", "int", "days", "Whole days from the first purchase day to as_of_date"),
    N_ACTIVE_DAYS.feature(),
    N_ITEMS.feature(),
    N_CATEGORIES.feature(),
    N_LINES.feature(),
    Feature(
        "mean_gap_days",
        "double",
        "days",
        "Mean days between purchase days, all history",
        null_meaning="null with one such day",
    ),
    Feature("mean_order_amount", _MONEY, "currency", "Gross amount per order, all history"),
    Feature("mean_order_lines", "double", "lines", "Purchase lines per order, all history"),
    Feature("mean_line_quantity", "double", "units", "Units per purchase line, all history"),
)
_BROWSED = (
    *(measure.feature() for measure in (N_VIEWS, N_CARTS, N_SESSIONS, N_VISIT_DAYS, N_SOURCES)),
    Feature(
        "preferred_day_part",
        "string",
        "quarter of the day",
        "night, morning, afternoon or evening, six hours each from midnight: where most hours with something done lie, "
        "the earlier of equals",
    ),
    Feature("is_bot", "boolean", "true or false", "Whether some day was that of a program by the rules for bots"),
)
_WINDOWED = tuple(measure.feature(days) for measure in MEASURES for days in measure.windows_days)

FEATURES: tuple[Feature, ...] = (*_BOUGHT, *_BROWSED, *_WINDOWED)
ATTRIBUTES: tuple[Feature, ...] = tuple(
    Feature(
        name,
        "string",
        "as stated",
        f"{comment} as the newest statement that has one names it",
        null_meaning="null where none had before as_of_date",
        personal=Personal.ATTRIBUTE,
    )
    for name, comment in (("country", "Country"), ("tier", "Tier of loyalty"))
)
"""What files said of a customer, beside what the customer did."""


def _nested(measure: Measure) -> Check:
    """Whatever happened in a window happened in every longer one."""
    names = [*(measure.column_name(days) for days in measure.windows_days), measure.name]
    nests = " AND ".join(f"{shorter} <= {longer}" for shorter, longer in pairwise(names))
    return Check(f"{measure.name}_nests", f"{measure.name} IS NULL OR ({nests})" if measure.null_meaning else nests)


_DAY_PARTS = ", ".join(f"'{part}'" for part in DayPart)

CHECKS: tuple[Check, ...] = (
    Check("recency_after_cut", "recency_days >= 1"),
    Check("tenure_covers_recency", "tenure_days >= recency_days"),
    Check("bought_at_least_once", "frequency >= 1 AND monetary_amount >= 0"),
    Check("net_adds_up", "net_amount = monetary_amount - returns_amount"),
    Check("bought_on_visit_days", "n_active_days BETWEEN 1 AND n_visit_days"),
    Check("orders_have_lines", "frequency <= n_lines AND n_items <= n_lines"),
    Check("has_sources", "n_sources >= 1"),
    Check("day_part_known", f"preferred_day_part IN ({_DAY_PARTS})"),
    *(_nested(measure) for measure in MEASURES if measure.windows_days),
)
