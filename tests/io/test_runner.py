"""Exit codes of what nobody foresaw, the order of releases, and who starts after a failure."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from affinity.core.errors import ExitCode
from affinity.core.vocabulary import Status
from affinity.io import chain
from affinity.io.chain import walk
from affinity.io.plan import Request
from affinity.io.releases import Releases
from affinity.io.runner import Result, _code_of, _masked
from affinity.jobs.catalog import JOBS
from affinity.tables import models, silver
from tests.shop import Shop

AS_OF = date(2011, 1, 6)


class MlflowException(Exception):
    """Named as MLflow's."""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConnectionRefusedError("no"), ExitCode.INFRASTRUCTURE),
        (OSError(28, "No space left on device"), ExitCode.INFRASTRUCTURE),
        (MlflowException("API request failed: Max retries exceeded: [Errno 111] Connection refused"), 5),
        (RuntimeError("Job aborted: ExecutorLostFailure (executor 1 exited)"), ExitCode.INFRASTRUCTURE),
        (RuntimeError("io.delta.exceptions.ConcurrentAppendException: files were added"), ExitCode.INFRASTRUCTURE),
        (ValueError("not a number"), ExitCode.DEFECT),
    ],
)
def test_what_may_work_later_is_worth_a_retry(error: Exception, code: int) -> None:
    assert _code_of(error) == code


def test_an_unforeseen_error_tells_no_value() -> None:
    assert _masked(ValueError("customer 17850.0 is odd")).startswith("ValueError (set AFFINITY_DEBUG=1")


def _release(version: int, at: datetime, run_id: str = "r", day: date | None = None) -> dict[str, Any]:
    row = {"table_name": "silver.items", "table_version": version, "slice_date": day, "run_id": run_id}
    return row | {"released_ts": at, "digest": None, "is_maintenance": False}


def test_the_highest_version_holds_whatever_the_clocks_say() -> None:
    at = datetime(2011, 1, 6, tzinfo=UTC)
    releases = Releases([_release(7, at, "first"), _release(8, at - timedelta(seconds=2), "second")])
    assert releases.version(silver.ITEMS) == 8
    found = releases.slice(silver.ITEMS, None)
    assert found is not None
    assert found.run_id == "second"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The jobs that a walk starts, where training the segments and cleaning fail."""
    names: list[str] = []

    def run(_platform: object, job: Any, _request: object) -> Result:
        names.append(job.name)
        code = ExitCode.AUDIT_FAILED if job.name in failing else ExitCode.DONE
        return Result(job.name, Status.FAILED if code else Status.DONE, code)

    failing = {"train_segments"}
    monkeypatch.setattr(chain, "run_job", run)
    return names


def test_what_depends_on_a_failure_is_not_started(tmp_path: Path, started: list[str]) -> None:
    results = list(walk(Shop(tmp_path).platform, JOBS, Request(AS_OF)))
    skipped = {result.job: result.reason for result in results if result.status is Status.SKIPPED}
    assert skipped.keys() == {"assign_segments", "maintain_tables"}
    assert skipped["assign_segments"] == "not started: train_segments failed"
    assert {"score_propensity", "recommend_items"} <= set(started)


def test_the_model_of_before_goes_on_when_its_training_fails(
    tmp_path: Path, started: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(tmp_path)
    row = _release(1, datetime(2011, 1, 1, tzinfo=UTC), day=date(2011, 1, 1)) | {"table_name": "models.segments"}
    monkeypatch.setattr(Releases, "of", lambda _store: Releases([row]))
    assert Releases.of(shop.platform.ops).model(models.SEGMENTS, AS_OF) is not None
    list(walk(shop.platform, JOBS, Request(AS_OF)))
    assert "assign_segments" in started
    assert "maintain_tables" not in started
