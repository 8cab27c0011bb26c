"""What a table is: its columns, key, checks and how it is written, said once."""

from dataclasses import dataclass
from enum import StrEnum

from affinity.core.vocabulary import Severity


class WriteMode(StrEnum):
    """How a run changes a table, always in one commit."""

    APPEND_FILES = "append_files"
    REPLACE_DAYS = "replace_days"
    REPLACE_FILES = "replace_files"
    UPSERT = "upsert"
    REPLACE_SLICE = "replace_slice"
    APPEND_LOG = "append_log"


class Personal(StrEnum):
    """The personal-data class of a column: what an erasure or an export has to look at."""

    NONE = "none"
    PSEUDONYM = "pseudonym"
    ATTRIBUTE = "attribute"


@dataclass(frozen=True)
class Column:
    """One column; ``type`` is a Spark SQL type that every Delta reader understands."""

    name: str
    type: str
    comment: str
    nullable: bool = False
    personal: Personal = Personal.NONE


@dataclass(frozen=True)
class Check:
    """A SQL predicate that holds for every row; of a column that may be null say so: Delta refuses a null result."""

    name: str
    predicate: str
    severity: Severity = Severity.CRITICAL


@dataclass(frozen=True)
class TableSpec:
    """One table: DDL, suite, reference page, empty frame and analyst's view all come from here.

    ``slice_column`` is the date by which runs are told apart (``as_of_date`` in gold, ``event_date`` in silver);
    ``digest_columns`` are all columns but those that say when and by whom a row was written.
    ``sorted_by`` is the order of rows within a day's file, so that what is asked for together lies together.
    ``key_is_proven`` where who stages the rows proves that no key comes twice, which the audit then need not count.
    """

    layer: str
    name: str
    doc: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    mode: WriteMode
    slice_column: str | None = None
    partition_by: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()
    retention_days: int | None = None
    version: int = 1
    published: bool = False
    may_be_empty: bool = False
    provenance: tuple[str, ...] = ("run_id",)
    key_is_proven: bool = False
    sorted_by: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        """``layer.name``, as in SQL and in every message."""
        return f"{self.layer}.{self.name}"

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names in order."""
        return tuple(column.name for column in self.columns)

    @property
    def digest_columns(self) -> tuple[str, ...]:
        """The columns whose content makes two tables equal."""
        return tuple(name for name in self.column_names if name not in self.provenance)


@dataclass(frozen=True)
class ViewSpec:
    """What is made ``over`` tables where somebody asks, by a statement of DuckDB: no rows of it lie anywhere."""

    layer: str
    name: str
    doc: str
    columns: tuple[Column, ...]
    statement: str
    over: tuple[TableSpec, ...]

    @property
    def full_name(self) -> str:
        """``layer.name``, as in SQL and in every message."""
        return f"{self.layer}.{self.name}"


@dataclass(frozen=True)
class ModelSpec:
    """One registered model; ``slices`` of it are the dates up to which it was trained."""

    name: str
    doc: str

    @property
    def full_name(self) -> str:
        """``models.name``, beside the tables in lineage and releases."""
        return f"models.{self.name}"


AS_OF_DATE = Column("as_of_date", "date", "Cut: only events before this date (business zone) were known")
RUN_ID = Column("run_id", "string", "The run in ops.runs that wrote the row")
CUSTOMER_ID = Column("customer_id", "string", "Pseudonymous customer", personal=Personal.PSEUDONYM)
