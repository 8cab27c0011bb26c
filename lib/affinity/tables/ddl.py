"""SQL made from specifications."""

from affinity.core.vocabulary import Severity
from affinity.tables.spec import Column, TableSpec

SPEC_VERSION = "affinity.spec_version"
CONSTRAINT = "delta.constraints."
HISTORY = {
    "delta.checkpointInterval": "10",
    "delta.deletedFileRetentionDuration": "interval 7 days",
    "delta.logRetentionDuration": "interval 30 days",
}
"""What opening a table costs follows from these. They are Spark's own defaults, told to other writers."""
_WITHOUT_STATS = ("string", "boolean")  # ids and texts would stand in the log; booleans skip nothing; nor do arrays


def properties(spec: TableSpec) -> dict[str, str]:
    """Delta table properties: readable everywhere, change feed on, critical checks as constraints, no ids in stats."""
    checks = {CONSTRAINT + name: predicate for name, predicate in constraints(spec).items()}
    indexed = [c.name for c in spec.columns if c.type not in _WITHOUT_STATS and not c.type.startswith("array<")]
    return {
        SPEC_VERSION: str(spec.version),
        **HISTORY,
        "delta.enableChangeDataFeed": "true",
        "delta.enableDeletionVectors": "false",
        "delta.dataSkippingStatsColumns": ",".join(name for name in indexed if name not in spec.partition_by),
        **checks,
    }


def constraints(spec: TableSpec) -> dict[str, str]:
    """The checks that the table itself refuses rows by: name → predicate."""
    return {check.name: check.predicate for check in spec.checks if check.severity is Severity.CRITICAL}


def create_table(spec: TableSpec, location: str) -> str:
    """The Spark statement that makes the table at a path, with comments and constraints.

    >>> from affinity.tables.gold import RECOMMENDATIONS
    >>> print(create_table(RECOMMENDATIONS, "/r/gold/recommendations").splitlines()[0])
    CREATE TABLE IF NOT EXISTS delta.`/r/gold/recommendations` (
    """
    columns = ",\n  ".join(column_definition(column) for column in spec.columns)
    partitioned = f"\nPARTITIONED BY ({', '.join(spec.partition_by)})" if spec.partition_by else ""
    listed = ", ".join(f"{_text(key)} = {_text(value)}" for key, value in properties(spec).items())
    return (
        f"CREATE TABLE IF NOT EXISTS delta.`{location}` (\n  {columns}\n) USING delta{partitioned}"
        f"\nCOMMENT {_text(spec.doc)}\nTBLPROPERTIES ({listed})"
    )


def frame_schema(spec: TableSpec) -> str:
    """The schema of a frame of the table, as Spark writes it.

    >>> from affinity.tables.ops import SUPPRESSIONS
    >>> frame_schema(SUPPRESSIONS)
    'subject_key string, subject_kind string, reason string, since_ts timestamp'
    """
    return ", ".join(f"{column.name} {column.type}" for column in spec.columns)


def column_definition(column: Column) -> str:
    """A column as in CREATE TABLE."""
    null = "" if column.nullable else " NOT NULL"
    return f"{column.name} {column.type}{null} COMMENT {_text(column.comment)}"


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
