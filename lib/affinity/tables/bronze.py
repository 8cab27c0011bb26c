"""Bronze: what arrived, typed, with people as tokens."""

from affinity.tables.spec import RUN_ID, Column, Personal, TableSpec, WriteMode

EVENTS = TableSpec(
    layer="bronze",
    name="events",
    doc="What arrived: one row per line of a landed file, good or bad. Which files count is said by ops.files.",
    columns=(
        Column("source", "string", "Source mapping that read the line"),
        Column("file_id", "string", "SHA-256 of the landed file"),
        Column("file_date", "date", "Nominal date of the file, from its name", nullable=True),
        Column("line_no", "bigint", "Its line in the file, from 1, header and blank lines counted; of Parquet its row"),
        Column("reading", "int", "1, 2, … where a corrected mapping read the line again; the last one counts"),
        Column(
            "event_id",
            "string",
            "Identity: n and a digest of its native id, or l and one of its line and its place among equal ones",
        ),
        Column("event_type", "string", "Type in our vocabulary; null where the mapping knows none", nullable=True),
        Column("event_ts", "timestamp", "When it happened, UTC; null where unreadable or absurd", nullable=True),
        Column("event_date", "date", "Day of event_ts in the business zone; null with it", nullable=True),
        Column("subject_kind", "string", "Kind of the id that subject_key was made of", nullable=True),
        Column(
            "subject_key",
            "string",
            "HMAC-SHA256 of the id kind and the canonical id; null where anonymous",
            nullable=True,
            personal=Personal.PSEUDONYM,
        ),
        Column("linked", "array<string>", "Further ids of the person on it as kind:token", True, Personal.PSEUDONYM),
        Column("order_id", "string", "Order, invoice or receipt; null where the event has none", nullable=True),
        Column("item_id", "string", "Item as the source spells it; null where the event has none", nullable=True),
        Column("quantity", "decimal(18,4)", "Units as given, signed", nullable=True),
        Column("unit_price", "decimal(18,4)", "Price per unit as given, in currency", nullable=True),
        Column("amount", "decimal(18,4)", "Price of the line as given, or quantity times unit_price, signed", True),
        Column("currency", "string", "ISO 4217; null where the event has no money", nullable=True),
        Column(
            "payload",
            "string",
            "JSON of the columns without the id; of an unreadable line its shape: letters as a, digits as 9",
            nullable=True,
        ),
        Column("defects", "array<string>", "Every defect flag of the line, in the order of the vocabulary"),
        Column(
            "rejection", "string", "The defect by which the source does not take the line; null where it does", True
        ),
        Column("rejected_as", "string", "filtered or quarantined, by the source's rules; null with rejection", True),
        Column("column_name", "string", "The file's column at fault; null where there is none", nullable=True),
        Column("expected", "string", "What a right line would have had; null with rejection", nullable=True),
        Column("got", "string", "What stood there, digits as 9, words only where nothing else was; null else", True),
        RUN_ID,
    ),
    key=("source", "file_id", "line_no", "reading"),
    key_is_proven=True,
    mode=WriteMode.APPEND_FILES,
    slice_column="file_date",
    retention_days=None,
    provenance=("run_id", "file_id"),
)
