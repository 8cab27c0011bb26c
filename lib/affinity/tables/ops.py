"""Ops: how it got there, and what an analyst may trust. Small tables, written without Spark, but for the last."""

from affinity.tables.spec import RUN_ID, Column, Personal, TableSpec, WriteMode

_TABLE = Column("table_name", "string", "layer.name of the table, or models.name")

FILES = TableSpec(
    layer="ops",
    name="files",
    doc="The manifest: one row per source, feed and landed file. It decides which bronze rows count.",
    columns=(
        Column("source", "string", "Source mapping"),
        Column("feed", "string", "events, items or customers"),
        Column("file_id", "string", "SHA-256 of the file's bytes; of a snapshot, of its date and bytes"),
        Column("path", "string", "Path below the landing folder; it follows a file that was moved"),
        Column(
            "also_seen_as",
            "string",
            "JSON of other names of the same bytes, or dates: name to nominal date; null if none",
            True,
        ),
        Column(
            "file_date",
            "date",
            "Nominal date, from the name by which its lines came; null where that has none",
            nullable=True,
        ),
        Column("n_bytes", "bigint", "Size, bytes"),
        Column(
            "modified_ns", "bigint", "When the file was changed last, nanoseconds since 1970; null: not noted", True
        ),
        Column(
            "state",
            "string",
            "ingested (rows are in bronze), cleaned (and in silver), superseded by a correction, or refused",
        ),
        Column("superseded_by", "string", "file_id of the correction; null while it counts", nullable=True),
        Column(
            "n_readings",
            "int",
            "How often lines of it were taken in: again by a replay, and of statements that were put back; null: once",
            True,
        ),
        Column("n_rows", "bigint", "Rows in: lines but for the header and blank ones"),
        Column("n_accepted", "bigint", "Rows in silver; null until cleaned", nullable=True),
        Column("n_duplicate", "bigint", "Rows that repeat an event; null until cleaned", nullable=True),
        Column("n_filtered", "bigint", "Rows left out by a rule of the source; null until cleaned", nullable=True),
        Column("n_quarantined", "bigint", "Rows rejected with a reason; null until cleaned", nullable=True),
        Column("defects", "string", "JSON of counts by defect flag; flags overlap", nullable=True),
        Column("drift", "string", "JSON of columns that the file lacks or has beyond the mapping; null if none", True),
        Column("reason", "string", "Why the file was refused; null if it was not", nullable=True),
        Column("ingested_ts", "timestamp", "When its rows were committed, UTC"),
        RUN_ID,
    ),
    key=("source", "feed", "file_id"),
    mode=WriteMode.UPSERT,
    published=True,
    may_be_empty=True,
)

RUNS = TableSpec(
    layer="ops",
    name="runs",
    doc="What was run: one row per attempt and status, `started` and then one final.",
    columns=(
        RUN_ID,
        Column("attempt_id", "string", "One try of the run"),
        Column("job", "string", "Job name"),
        Column("source", "string", "Sources of an ingest or replay job, by commas; null otherwise", nullable=True),
        Column("as_of_date", "date", "Argument of the run; null for a job that has none", nullable=True),
        Column("status", "string", "started, done, recovered, kept, skipped or failed"),
        Column("at_ts", "timestamp", "When the status was reached, UTC"),
        Column("duration_secs", "double", "Since the attempt started; null on `started`", nullable=True),
        Column("exit_code", "int", "Documented exit code; null on `started`", nullable=True),
        Column("reason", "string", "Why kept, skipped, nothing to do or failed; null otherwise", nullable=True),
        Column("code_version", "string", "Release and digest of the code"),
        Column("config_digest", "string", "SHA-256 of the settings and mappings that the run depends on"),
        Column("settings", "string", "JSON of those settings, without secrets"),
        Column("inputs", "string", "JSON: table or model → version and fingerprint"),
        Column("outputs", "string", "JSON: table or model → version and rows; null until published", nullable=True),
        Column("metrics", "string", "JSON of metrics and baselines; null if none", nullable=True),
        Column("application_id", "string", "Spark application; null where none was started", nullable=True),
    ),
    key=("attempt_id", "status"),
    mode=WriteMode.APPEND_LOG,
    published=True,
    may_be_empty=True,
    provenance=(),
)

QUALITY_RESULTS = TableSpec(
    layer="ops",
    name="quality_results",
    doc="What was checked: one row per attempt, table and check, made on the staged rows before publication.",
    columns=(
        RUN_ID,
        Column("attempt_id", "string", "The try that made the audit"),
        _TABLE,
        Column("check_name", "string", "Check of the table's specification"),
        Column("severity", "string", "critical stops publication, warning is recorded"),
        Column("is_success", "boolean", "Whether it held"),
        Column("n_rows", "bigint", "Rows checked"),
        Column("n_unexpected", "bigint", "Rows that broke it; null where the check is not by row", nullable=True),
        Column("at_ts", "timestamp", "When, UTC"),
    ),
    key=("attempt_id", "table_name", "check_name"),
    mode=WriteMode.APPEND_LOG,
    published=True,
    may_be_empty=True,
    provenance=(),
)

RELEASES = TableSpec(
    layer="ops",
    name="releases",
    doc="What an analyst may trust: one row per released table (or model) slice; per slice the highest version holds.",
    columns=(
        _TABLE,
        Column("slice_date", "date", "Slice: as_of_date, event_date, observed_date or training date", nullable=True),
        Column("table_version", "bigint", "Delta version to read, or registered model version"),
        Column("digest", "string", "Digest of a model's files; null for tables", nullable=True),
        Column("is_maintenance", "boolean", "True where only files changed: the version moves, the slices stay"),
        Column("released_ts", "timestamp", "When, UTC"),
        RUN_ID,
    ),
    key=("table_name", "slice_date", "released_ts"),
    mode=WriteMode.APPEND_LOG,
    published=True,
    may_be_empty=True,
    provenance=(),
)

SUPPRESSIONS = TableSpec(
    layer="ops",
    name="suppressions",
    doc="Who is not to come back: one row per token of a person whose events are not kept when they arrive.",
    columns=(
        Column("subject_key", "string", "Token of one id of a person", personal=Personal.PSEUDONYM),
        Column("subject_kind", "string", "Kind of that id"),
        Column("reason", "string", "erased or opted_out"),
        Column("since_ts", "timestamp", "When it was listed, UTC"),
    ),
    key=("subject_key",),
    mode=WriteMode.UPSERT,
    may_be_empty=True,
    provenance=(),
)

DISPOSITIONS = TableSpec(
    layer="ops",
    name="dispositions",
    doc="Where every row went: one row per file, day, disposition and reason; the counts of a file add up to its rows.",
    columns=(
        Column("source", "string", "Source mapping"),
        Column("file_id", "string", "SHA-256 of the landed file"),
        Column("event_date", "date", "Day of the events; 1970-01-01 where their time is unreadable"),
        Column("disposition", "string", "accepted, duplicate, filtered or quarantined"),
        Column("reason", "string", "Why it was not accepted; - where it was"),
        Column("n_rows", "bigint", "Rows"),
        RUN_ID,
    ),
    key=("source", "file_id", "event_date", "disposition", "reason"),
    mode=WriteMode.REPLACE_DAYS,
    slice_column="event_date",
    key_is_proven=True,
    published=True,
    may_be_empty=True,
)
