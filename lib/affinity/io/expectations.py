"""The audit: a Great Expectations suite made from a table's specification, run on the staged rows."""

import logging
import os
import uuid
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any
from urllib.parse import unquote, urlparse

import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from affinity.core.errors import AuditFailed
from affinity.core.vocabulary import Severity
from affinity.tables.spec import TableSpec

_CHECK = "check__"
_FEW_ROWS = 200_000
_MAKING = Lock()
Expectation = dict[str, Any]


@dataclass(frozen=True)
class CheckResult:
    """What one check of the suite said."""

    name: str
    severity: Severity
    is_success: bool
    n_rows: int
    n_unexpected: int | None


def suite(spec: TableSpec, *, may_be_empty: bool) -> list[Expectation]:
    """The expectations of a table: its columns, rows, required values, key and checks.

    Row predicates are boolean columns of the audited frame, so that all of them are counted in one pass and a result
    holds no value of a row.
    """
    names = [*spec.column_names, *(_CHECK + check.name for check in spec.checks)]
    rows = _expectation("has_rows", "expect_table_row_count_to_be_between", min_value=0 if may_be_empty else 1)
    columns = _expectation("has_columns", "expect_table_columns_to_match_ordered_list", column_list=names)
    required = [
        _expectation(f"{column.name}_not_null", "expect_column_values_to_not_be_null", column=column.name)
        for column in spec.columns
        if not column.nullable
    ]
    checks = [
        _expectation(
            check.name,
            "expect_column_values_to_be_in_set",
            severity=check.severity,
            column=_CHECK + check.name,
            value_set=[True],
        )
        for check in spec.checks
    ]
    return [rows, columns, *required, *([] if spec.key_is_proven else [_key(spec)]), *checks]


def _key(spec: TableSpec) -> Expectation:
    if len(spec.key) == 1:
        return _expectation("key_unique", "expect_column_values_to_be_unique", column=spec.key[0])
    return _expectation("key_unique", "expect_compound_columns_to_be_unique", column_list=list(spec.key))


def _expectation(name: str, kind: str, *, severity: Severity = Severity.CRITICAL, **kwargs: object) -> Expectation:
    return {"type": kind, "kwargs": kwargs, "severity": str(severity), "meta": {"check": name}}


def audit(staged: DataFrame, spec: TableSpec, *, may_be_empty: bool) -> list[CheckResult]:
    """Run the suite of a table on its staged rows, all rows of the files that the frame reads.

    Raises:
        AuditFailed: the audit itself could not be made (no suite, an error inside it, a check without a result): what
            was not checked is not published.
    """
    expectations = suite(spec, may_be_empty=may_be_empty)
    if not expectations:
        raise AuditFailed(f"Table {spec.full_name} has no suite; nothing was published.")
    n_rows = _n_rows(staged)
    if may_be_empty and staged.columns == list(spec.column_names) and not n_rows:
        return [_of_no_rows(expectation) for expectation in expectations]
    predicates = [F.coalesce(F.expr(c.predicate), F.lit(True)).alias(_CHECK + c.name) for c in spec.checks]
    one = staged.coalesce(1) if n_rows <= _FEW_ROWS else staged  # next to no work: shuffles would be all of it
    frame = one.select("*", *predicates)
    if not spec.key_is_proven:  # else the few columns that are looked at are read again sooner than all are kept
        frame.persist()
    try:
        results = _validate(frame, spec.full_name, expectations, n_rows)
    except AuditFailed:
        raise
    except Exception as error:
        raise AuditFailed(
            f"The audit of {spec.full_name} broke off ({type(error).__name__}); nothing was published and the staged "
            "rows were kept. Look at the log of this run, mend the suite or the environment, and run again."
        ) from error
    finally:
        frame.unpersist()
    if {result.name for result in results} != {expectation["meta"]["check"] for expectation in expectations}:
        raise AuditFailed(f"The audit of {spec.full_name} did not answer every check; nothing was published.")
    return results


def _n_rows(staged: DataFrame) -> int:
    """How many rows were staged: their files say it without a job."""
    files = [unquote(urlparse(uri).path) for uri in staged.inputFiles()]
    return sum(pq.read_metadata(file).num_rows for file in files) if files else staged.count()


def _validate(frame: DataFrame, name: str, expectations: list[Expectation], n_rows: int) -> list[CheckResult]:
    import great_expectations as gx

    sources, source = _context().data_sources, f"{name}-{uuid.uuid4().hex}"
    asset = sources.add_spark(name=source, persist=False).add_dataframe_asset(name=name)
    try:
        batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": frame})
        checks = gx.ExpectationSuite(name=name, expectations=expectations)
        outcome = batch.validate(checks, result_format="BOOLEAN_ONLY")
        if not outcome.success:  # counting what is unexpected costs as many passes again, so only where there is some
            outcome = batch.validate(checks, result_format={"result_format": "BASIC", **_NO_VALUES})
    finally:
        sources.delete(source)
    return [_result(result, name, n_rows) for result in outcome.results]


def _context() -> Any:
    """Great Expectations' context: a process has one, and audits side by side share it."""
    with _MAKING:
        return _made_context()


@lru_cache(maxsize=1)
def _made_context() -> Any:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    logging.getLogger("great_expectations").setLevel(logging.ERROR)  # else its own lines show on the terminal
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    return context


def _of_no_rows(expectation: Expectation) -> CheckResult:
    """Where there may be none, no rows meet every check."""
    return CheckResult(expectation["meta"]["check"], Severity(expectation["severity"]), True, 0, None)


_NO_VALUES = {"partial_unexpected_count": 0, "exclude_unexpected_values": True}


def _result(result: Any, table: str, n_rows: int) -> CheckResult:
    config = result.expectation_config
    check = config.meta["check"]
    if _raised(result.exception_info):
        raise AuditFailed(f"Check {check} of {table} could not be made; nothing was published.")
    unexpected = (result.result or {}).get("unexpected_count")
    return CheckResult(check, Severity(config.severity or "critical"), bool(result.success), n_rows, unexpected)


def _raised(info: Any) -> bool:
    """Whether a check raised: Great Expectations nests what was raised one level deeper for some metrics."""
    nested = [info, *(value for value in (info or {}).values() if isinstance(value, dict))]
    return any(part.get("raised_exception") for part in nested if part)
