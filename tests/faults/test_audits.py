"""What is not checked is not published."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from pyspark.sql import functions as F

from affinity.core.errors import ExitCode
from affinity.core.settings import Settings
from affinity.core.vocabulary import Severity, Status
from affinity.io import expectations
from affinity.io.job import Inputs, Outputs
from affinity.tables import gold, ops
from tests.faults.toys import TWO_TABLES
from tests.faults.toys import transform as honest
from tests.shop import Shop

AS_OF = date(2011, 1, 5)


def _spoilt(inputs: Inputs, settings: Settings) -> Outputs:
    outputs = honest(inputs, settings)
    segments = outputs.tables[gold.CUSTOMER_SEGMENTS].withColumn("distance", F.lit(-1.0))
    return replace(outputs, tables={**outputs.tables, gold.CUSTOMER_SEGMENTS: segments})


def test_rows_that_break_a_check_are_not_published(ingested: Shop) -> None:
    before = ingested.versions()

    result = ingested.run(replace(TWO_TABLES, transform=_spoilt), AS_OF)

    assert result.exit_code is ExitCode.AUDIT_FAILED
    assert result.reason is not None
    assert "gold.customer_segments: distance_not_negative (2 of 2 rows)" in result.reason
    assert ingested.versions() == before
    (run,) = [row for row in ingested.platform.ops.read(ops.RUNS) if row["status"] == Status.FAILED]
    assert run["exit_code"] == ExitCode.AUDIT_FAILED
    staged = ingested.platform.root.path / "staging" / run["run_id"] / "gold.customer_segments"
    assert list(staged.glob("*.parquet")), "the staged rows are kept for a look"
    failed = [row for row in ingested.platform.ops.read(ops.QUALITY_RESULTS) if not row["is_success"]]
    assert [(row["check_name"], row["n_unexpected"]) for row in failed] == [("distance_not_negative", 2)]


def test_a_warning_is_recorded_and_published(ingested: Shop) -> None:
    warned = [replace(check, severity=Severity.WARNING) for check in gold.CUSTOMER_SEGMENTS.checks]
    lenient = replace(
        gold.CUSTOMER_SEGMENTS, checks=tuple(check for check in warned if check.name == "segment_positive")
    )

    def transform(inputs: Inputs, settings: Settings) -> Outputs:
        spoilt = honest(inputs, settings).tables[gold.CUSTOMER_SEGMENTS].withColumn("segment_id", F.lit(0))
        return Outputs({lenient: spoilt})

    result = ingested.run(replace(TWO_TABLES, writes=(lenient,), transform=transform), AS_OF)

    assert result.status is Status.DONE
    failed = [row for row in ingested.platform.ops.read(ops.QUALITY_RESULTS) if not row["is_success"]]
    assert [(row["check_name"], row["severity"]) for row in failed] == [("segment_positive", "warning")]


def _raise(*_: Any) -> Any:
    raise RuntimeError("the library broke")


def _no_suite(*_: Any, **__: Any) -> list[Any]:
    return []


@pytest.mark.parametrize(("part", "broken"), [("_validate", _raise), ("suite", _no_suite)])
def test_an_audit_that_cannot_be_made_fails_closed(
    ingested: Shop, monkeypatch: pytest.MonkeyPatch, part: str, broken: Any
) -> None:
    before = ingested.versions()
    monkeypatch.setattr(expectations, part, broken)

    result = ingested.run(TWO_TABLES, AS_OF)

    assert result.exit_code is ExitCode.AUDIT_FAILED
    assert ingested.versions() == before


def test_zero_rows_are_not_published(ingested: Shop) -> None:

    def nothing(inputs: Inputs, settings: Settings) -> Outputs:
        tables = honest(inputs, settings).tables
        return Outputs({spec: frame.where("false") for spec, frame in tables.items()})

    result = ingested.run(replace(TWO_TABLES, transform=nothing), AS_OF)

    assert result.exit_code is ExitCode.AUDIT_FAILED
    assert result.reason is not None
    assert "gold.customer_segments: has_rows" in result.reason
