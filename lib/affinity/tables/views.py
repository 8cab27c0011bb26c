"""Views: what silver.subject_daily adds up to, as DuckDB says it. Who asks and what builds features use the same."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType

from affinity.core.bot_rules import BotRules
from affinity.core.vocabulary import BotRule
from affinity.tables import silver
from affinity.tables.spec import CUSTOMER_ID, RUN_ID, Column, ViewSpec

SESSION_GAP = timedelta(minutes=30)
"""The longest pause within a session. A session is cut by nothing else: not at midnight, by device or by source."""
COUNTS = ("n_views", "n_searches", "n_carts", "n_purchases", "n_returns", "n_reviews", "n_contacts")
SETS: Mapping[str, str] = MappingProxyType({"order_keys": "n_orders", "item_ids": "n_items", "sources": "n_sources"})
"""Sets of a day, and how the number of their members is called."""
_RULES = BotRules()
_SUMS = ("n_units", "gross_amount", "returned_amount")
_TYPES = {
    "string": "VARCHAR",
    "bigint": "BIGINT",
    "int": "INTEGER",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "timestamp": "TIMESTAMPTZ",
}


def type_of(spark_type: str) -> str:
    """The type of a column as DuckDB calls it.

    >>> type_of("array<timestamp>"), type_of("decimal(18,4)")
    ('TIMESTAMPTZ[]', 'decimal(18,4)')
    """
    if spark_type.startswith("array<"):
        return f"{type_of(spark_type[6:-1])}[]"
    return _TYPES.get(spark_type, spark_type)


def counts_of_days(rows: str) -> str:
    """What can be added up of contributions.

    Columns in: silver.subject_daily with customer_id. Columns out, one row per customer_id and event_date: the counts
    and their sum n_events (bigint), n_units, gross_amount, returned_amount, lowest_currency, highest_currency; hours
    (bits as there), n_hours.
    """
    return f"""
        SELECT customer_id, event_date,
            {", ".join(f"sum({name})::BIGINT AS {name}" for name in COUNTS)},
            ({" + ".join(f"sum({name})" for name in COUNTS)})::BIGINT AS n_events,
            {", ".join(f"sum({name})::DECIMAL(18, 4) AS {name}" for name in _SUMS)},
            min(currency) AS lowest_currency, max(currency) AS highest_currency,
            bit_or(hours) AS hours, bit_count(bit_or(hours))::INTEGER AS n_hours
        FROM {rows} GROUP BY customer_id, event_date"""


def sessions_begun(rows: str) -> str:
    """How many sessions began on each day: they join where at most ``SESSION_GAP`` lies between.

    Columns in: those of ``counts_of_days``; rows have to reach a day further back than the first day that is looked at.
    Columns out: customer_id, event_date, n_sessions (bigint), of days on which something was done.
    """
    return f"""
        SELECT customer_id, event_date, count(*) FILTER (coalesce(is_apart, true)) AS n_sessions
        FROM (
            SELECT customer_id, event_date, {are_apart("max(ends) OVER before", "starts")} AS is_apart
            FROM (
                SELECT customer_id, event_date, unnest(session_starts) AS starts, unnest(session_ends) AS ends
                FROM {rows}
            )
            WINDOW before AS (
                PARTITION BY customer_id ORDER BY starts, ends ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            )
        ) GROUP BY customer_id, event_date"""


def are_apart(earlier: str, later: str) -> str:
    """Whether more than ``SESSION_GAP`` lies between two times.

    >>> are_apart("a", "b")
    'epoch_us(b) - epoch_us(a) > 1800000000'
    """
    return f"epoch_us({later}) - epoch_us({earlier}) > {SESSION_GAP // timedelta(microseconds=1)}"


def customer_daily(rows: str = silver.SUBJECT_DAILY.full_name, items: str = silver.ITEMS.full_name) -> str:
    """What each customer did on each day, of all contributions of all their subjects.

    Columns in: those of ``counts_of_days``; silver.items. Columns out: its counts, amounts, n_hours and hours;
    n_orders, n_items, n_sources and the sorted sets that they count; n_categories and categories, the widest ones of
    these items by their newest descriptions, null where none has one; n_sessions; net_amount; currency. Money of a day
    in several currencies is null, as is its currency.
    """
    amounts = {name: name for name in ("gross_amount", "returned_amount")}
    amounts["net_amount"] = "gross_amount - returned_amount"
    is_one = "lowest_currency IS NOT DISTINCT FROM highest_currency"
    sets = (f"list_sort(list_distinct(flatten(list({name})))) AS {name}" for name in SETS)
    return f"""
        WITH counts AS ({counts_of_days(rows)}),
        sessions AS ({sessions_begun(rows)}),
        sets AS (SELECT customer_id, event_date, {", ".join(sets)} FROM {rows} GROUP BY customer_id, event_date),
        of_items AS ({_categories_of_days(rows, items)})
        SELECT customer_id, event_date, {", ".join(COUNTS)}, n_events,
            {", ".join(f"len({name}) AS {count}" for name, count in SETS.items())}, len(categories) AS n_categories,
            coalesce(n_sessions, 0) AS n_sessions, n_hours, n_units,
            {", ".join(f"(CASE WHEN {is_one} THEN {a} END)::DECIMAL(18, 4) AS {name}" for name, a in amounts.items())},
            CASE WHEN {is_one} THEN lowest_currency END AS currency, {", ".join(SETS)}, categories, hours
        FROM counts JOIN sets USING (customer_id, event_date) LEFT JOIN sessions USING (customer_id, event_date)
        LEFT JOIN of_items USING (customer_id, event_date)"""


def _categories_of_days(rows: str, items: str) -> str:
    return f"""
        SELECT customer_id, event_date, list_sort(list(DISTINCT category_1)) AS categories
        FROM (SELECT customer_id, event_date, unnest(item_ids) AS item_id FROM {rows}) JOIN (
            SELECT item_id, category_1 FROM {items}
            QUALIFY row_number() OVER (PARTITION BY item_id ORDER BY observed_ts DESC, file_id DESC, source DESC) = 1
        ) USING (item_id) WHERE category_1 IS NOT NULL GROUP BY customer_id, event_date"""


def bot_rule(rules: BotRules) -> str:
    """The rule by which a day is that of a bot: of n_events, n_purchases and n_hours a ``BotRule``, null on a person's.

    A day to which both rules apply has the first. A day with a purchase never is a bot's.
    """
    return f"""
        CASE WHEN n_purchases > 0 THEN NULL
        WHEN n_events > {rules.max_events} THEN '{BotRule.MANY_EVENTS}'
        WHEN n_hours >= {rules.min_hours} AND n_events >= {rules.min_events} THEN '{BotRule.ALL_HOURS}' END"""


def bots(days: str, rules: BotRules = _RULES) -> str:
    """The customers that are programs: customer_id, event_date (the first day with evidence), rule (of that day).

    Columns in: those that ``counts_of_days`` gives.
    """
    return f"""
        SELECT customer_id, min(event_date) AS event_date, arg_min(rule, event_date) AS rule
        FROM (SELECT customer_id, event_date, {bot_rule(rules)} AS rule FROM {days})
        WHERE rule IS NOT NULL GROUP BY customer_id"""


_DAY = Column("event_date", "date", "Day in the business zone")
_OF_SUBJECTS = {column.name: column for column in silver.SUBJECT_DAILY.columns}
_IN_CURRENCY = "in currency; null on a day of several currencies, 0 on one of none"

CUSTOMER_DAILY = ViewSpec(
    layer="silver",
    name="customer_daily",
    doc="What a customer did: one row per customer as known today, and day with an event of theirs.",
    columns=(
        CUSTOMER_ID,
        _DAY,
        *(_OF_SUBJECTS[name] for name in COUNTS),
        Column("n_events", "bigint", "Events of all these types"),
        Column("n_orders", "bigint", "Distinct orders bought; an order of two days counts on both"),
        Column("n_items", "bigint", "Distinct items bought; one that is bought on two days counts on both"),
        Column("n_sources", "bigint", "Distinct sources of all events"),
        Column("n_categories", "bigint", "Distinct categories of the items bought; null where none is known", True),
        Column("n_sessions", "bigint", "Sessions that began; 0 where one of the day before goes on, or on contacts"),
        Column("n_hours", "int", "Hours of the business zone in which something was done; not contacts"),
        _OF_SUBJECTS["n_units"],
        Column("gross_amount", "decimal(18,4)", f"Amount of purchases, {_IN_CURRENCY}", True),
        Column("returned_amount", "decimal(18,4)", f"Amount of returns, {_IN_CURRENCY}", True),
        Column("net_amount", "decimal(18,4)", f"gross_amount less returned_amount, {_IN_CURRENCY}", True),
        Column("currency", "string", "ISO 4217 of the amounts; null where none or several", True),
        *(_OF_SUBJECTS[name] for name in SETS),
        Column("categories", "array<string>", "The widest categories of these items, sorted; null where none", True),
        _OF_SUBJECTS["hours"],
    ),
    statement=customer_daily(),
    over=(silver.SUBJECT_DAILY, silver.ITEMS),
)

BOTS = ViewSpec(
    layer="silver",
    name="bots",
    doc="Customers that are programs: one row each, of the first day that shows it. No model learns from them.",
    columns=(CUSTOMER_ID, _DAY, Column("rule", "string", f"The rule of that day: {' or '.join(BotRule)}")),
    statement=bots(f"({counts_of_days(silver.SUBJECT_DAILY.full_name)})"),
    over=(silver.SUBJECT_DAILY,),
)

_FOUND = silver.IDENTITY_CHANGES.column_names[:-2]
_OF_CHANGES = {column.name: column for column in silver.IDENTITY_CHANGES.columns}
IDENTITIES = ViewSpec(
    layer="silver",
    name="identities",
    doc="Who is who: one row per linked id of a person and the days on which it meant a customer. An id that is not "
    "here is a customer of its own.",
    columns=(
        *(_OF_CHANGES[name] for name in _FOUND),
        Column("valid_to_date", "date", "First day on which it no longer holds; null while it holds", nullable=True),
        RUN_ID,
    ),
    statement=f"""
        SELECT {", ".join(f"found.{name}" for name in _FOUND)}, later.valid_from_date AS valid_to_date, found.run_id
        FROM {silver.IDENTITY_CHANGES.full_name} AS found LEFT JOIN (
            SELECT subject_key, valid_from_date, change_no - 1 AS change_no FROM {silver.IDENTITY_CHANGES.full_name}
            WHERE change_no > 1
        ) AS later USING (subject_key, change_no)
        WHERE found.valid_from_date IS DISTINCT FROM later.valid_from_date""",
    over=(silver.IDENTITY_CHANGES,),
)

VIEWS: tuple[ViewSpec, ...] = (IDENTITIES, CUSTOMER_DAILY, BOTS)
