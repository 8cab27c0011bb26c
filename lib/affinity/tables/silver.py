"""Silver: what is true."""

from affinity.tables.spec import CUSTOMER_ID, RUN_ID, Check, Column, Personal, TableSpec, WriteMode

_NULLABLE_CUSTOMER = Column(
    "customer_id", "string", "Pseudonymous customer; null for an anonymous event", True, Personal.PSEUDONYM
)

EVENTS = TableSpec(
    layer="silver",
    name="events",
    doc="What happened: one row per accepted event, anonymous ones included.",
    columns=(
        Column("event_id", "string", "Identity of the event"),
        Column("source", "string", "Source mapping that read it"),
        Column("event_type", "string", "What happened, in our vocabulary"),
        Column("event_ts", "timestamp", "When it happened, UTC"),
        Column("event_date", "date", "Day of event_ts in the business zone"),
        _NULLABLE_CUSTOMER,
        Column("order_id", "string", "Order, invoice or receipt; null where the event has none", nullable=True),
        Column("item_id", "string", "Item; null where the event has none", nullable=True),
        Column("quantity", "decimal(18,4)", "Units, never negative: a return is told by its type", nullable=True),
        Column("unit_price", "decimal(18,4)", "Price per unit, in currency", nullable=True),
        Column("amount", "decimal(18,4)", "quantity times unit_price, in currency, never negative", nullable=True),
        Column("currency", "string", "ISO 4217; null where the event has no money", nullable=True),
        Column("defects", "array<string>", "Defect flags that did not lead to rejection"),
        Column("file_id", "string", "SHA-256 of the landed file it came from"),
        RUN_ID,
    ),
    key=("event_id",),
    mode=WriteMode.REPLACE_DAYS,
    slice_column="event_date",
    partition_by=("event_date",),
    checks=(
        Check(
            "event_type_known",
            "event_type IN ('view', 'search', 'cart', 'purchase', 'return', 'review', 'contact')",
        ),
        Check("quantity_positive", "quantity IS NULL OR quantity > 0"),
        Check("amount_not_negative", "amount IS NULL OR amount >= 0"),
        Check("money_has_currency", "amount IS NULL OR currency IS NOT NULL"),
    ),
    published=True,
    provenance=("run_id", "file_id"),
)

QUARANTINE = TableSpec(
    layer="silver",
    name="quarantine",
    doc="What was not accepted, with the reason: one row per quarantined, filtered or duplicate line.",
    columns=(
        Column("event_id", "string", "Identity of the event"),
        Column("source", "string", "Source mapping that read it"),
        Column("event_date", "date", "Day of the event; 1970-01-01 where its time is unreadable or absurd"),
        Column("file_id", "string", "SHA-256 of the landed file it came from"),
        Column("line_no", "bigint", "Its line in the file, from 1; of Parquet its row"),
        Column("disposition", "string", "duplicate, filtered or quarantined"),
        Column("reason", "string", "First failing reason by the order of the vocabulary"),
        Column("defects", "array<string>", "Every defect flag of the line"),
        Column("column_name", "string", "The file's column at fault; null where there is none", nullable=True),
        Column("expected", "string", "What a right line would have had; null for a duplicate", nullable=True),
        Column("got", "string", "What stood there, digits as 9, words only where nothing else was; null else", True),
        Column(
            "payload",
            "string",
            "JSON of the columns without the id; of an unreadable line its shape: letters as a, digits as 9",
            nullable=True,
        ),
        RUN_ID,
    ),
    key=("source", "file_id", "line_no"),
    mode=WriteMode.REPLACE_DAYS,
    slice_column="event_date",
    checks=(Check("disposition_known", "disposition IN ('duplicate', 'filtered', 'quarantined')"),),
    retention_days=400,
    published=True,
    may_be_empty=True,
    provenance=("run_id", "file_id"),
)

IDENTITIES = TableSpec(
    layer="silver",
    name="identities",
    doc="Who is who: one row per token and the day from which it means a customer.",
    columns=(
        Column("subject_key", "string", "Token of one id of a person", personal=Personal.PSEUDONYM),
        Column("subject_kind", "string", "Kind of that id"),
        CUSTOMER_ID,
        Column("valid_from_date", "date", "First day of the mapping; 1970-01-01 while one token is one customer"),
        Column("valid_to_date", "date", "First day on which it no longer holds; null while it holds", nullable=True),
        RUN_ID,
    ),
    key=("subject_key",),
    mode=WriteMode.UPSERT,
    published=False,
    may_be_empty=True,
)

ITEMS = TableSpec(
    layer="silver",
    name="items",
    doc="What is sold: one row per item and day on which a file described it; the newest row before a date holds.",
    columns=(
        Column("source", "string", "Source mapping that described it"),
        Column("item_id", "string", "Item"),
        Column("observed_date", "date", "Day of the description in the business zone"),
        Column("observed_ts", "timestamp", "When the description was seen last on that day, UTC"),
        Column("description", "string", "Name or text; null where the source gave none", nullable=True),
        Column("unit_price", "decimal(18,4)", "Price per unit last seen that day; null where none", nullable=True),
        Column("currency", "string", "ISO 4217 of unit_price", nullable=True),
        Column("brand", "string", "Brand; null where the source names none", nullable=True),
        Column("category_1", "string", "Category, the widest; null where the source names none", nullable=True),
        Column("category_2", "string", "Category below category_1; null where there is none", nullable=True),
        Column("category_3", "string", "Category below category_2; null where there is none", nullable=True),
        Column(
            "is_recommendable",
            "boolean",
            "False for fees, withdrawn items and the like (rules of the source)",
        ),
        Column("file_id", "string", "SHA-256 of the landed file it came from"),
        RUN_ID,
    ),
    key=("source", "item_id", "observed_date"),
    mode=WriteMode.UPSERT,
    slice_column="observed_date",
    upsert_order=("observed_ts", "file_id"),
    published=True,
    may_be_empty=True,
    provenance=("run_id", "file_id"),
)

CUSTOMERS = TableSpec(
    layer="silver",
    name="customers",
    doc="What is known of a customer: one row per customer and day on which a file said something of them.",
    columns=(
        Column("source", "string", "Source mapping that said it"),
        Column("subject_key", "string", "Token of the id in the file", personal=Personal.PSEUDONYM),
        CUSTOMER_ID,
        Column("observed_date", "date", "Day of the statement in the business zone"),
        Column("observed_ts", "timestamp", "When it was seen last on that day, UTC"),
        Column("country", "string", "Country as the source names it", nullable=True, personal=Personal.ATTRIBUTE),
        Column("tier", "string", "Tier of loyalty as the source names it", nullable=True, personal=Personal.ATTRIBUTE),
        Column("file_id", "string", "SHA-256 of the landed file it came from"),
        RUN_ID,
    ),
    key=("source", "subject_key", "observed_date"),
    mode=WriteMode.UPSERT,
    slice_column="observed_date",
    upsert_order=("observed_ts", "file_id"),
    published=True,
    may_be_empty=True,
    provenance=("run_id", "file_id"),
)
