"""The runner: the same steps for every job, so that a run is done once, wholly, or not at all."""

import logging
import os
import re
import shutil
import time
import uuid
from contextlib import ExitStack
from dataclasses import dataclass, replace

from affinity.core.errors import AffinityError, ExitCode, LeaseHeld, NotYet
from affinity.core.vocabulary import Status
from affinity.features.grouped import SPEAKS, UNREADABLE
from affinity.io.job import Job, Kind
from affinity.io.leases import leases
from affinity.io.ops import Row, now, to_json
from affinity.io.plan import Plan, Request
from affinity.io.planning import make_plan
from affinity.io.platform import Platform, code_version
from affinity.tables import ops
from affinity.tables.spec import ModelSpec, TableSpec

logger = logging.getLogger("affinity")
# What Spark, Delta, delta-rs, MLflow, SQLAlchemy and Py4J say of a store, server or cluster that is gone or busy.
_TRANSIENT = (
    "Connection refused",
    "ConnectionRefused",
    "ConnectException",
    "Max retries exceeded",
    "ConcurrentAppendException",
    "ConcurrentDeleteReadException",
    "ConcurrentDeleteDeleteException",
    "ConcurrentTransactionException",
    "ConcurrentWriteException",
    "CommitFailedError",
    "ExecutorLostFailure",
    "FAILED_READ_FILE",
    UNREADABLE,
    "No space left",
    "OperationalError",
    "Py4JNetworkError",
    "SparkContext was shut down",
    "stopped SparkContext",
)
_SAID = re.compile(rf"{SPEAKS}(.+)")
_TABLE_FILE = re.compile(r"(?P<path>[^\s:]*/tables/(?P<layer>\w+)/(?P<name>\w+)/[^\s:]*\.(parquet|json))")


@dataclass(frozen=True)
class Result:
    """How a run ended."""

    job: str
    status: Status
    exit_code: ExitCode
    run_id: str | None = None
    reason: str | None = None
    rows: dict[str, int] | None = None
    metrics: dict[str, float | None] | None = None
    duration_secs: float = 0.0


def run_job(platform: Platform, job: Job, request: Request) -> Result:
    """Run one job to its documented end; every error becomes a result with its exit code."""
    begun = time.monotonic()
    try:
        return _run(platform, job, request, begun)
    except NotYet as reason:
        return _ended(job, Status.SKIPPED, ExitCode.DONE, str(reason), begun)
    except AffinityError as error:
        return _ended(job, Status.FAILED, error.exit_code, str(error), begun)
    except Exception as error:  # the last line of defence: the documented code, and no row's values in the log
        if os.environ.get("AFFINITY_DEBUG"):
            raise
        return _ended(job, Status.FAILED, _code_of(error), _masked(error), begun)


def _run(platform: Platform, job: Job, request: Request, begun: float) -> Result:
    with ExitStack() as held:
        try:
            held.enter_context(leases(platform.root, _leased(job)))
        except LeaseHeld:  # is there anything to wait for?
            plan = make_plan(platform, job, request)
            if plan.status is not None:
                return _planned(plan, begun)
            held.enter_context(leases(platform.root, _leased(job), wait_secs=request.wait_secs))
        plan = make_plan(platform, job, request)
        if plan.status is not None:
            return _planned(plan, begun)
        return Attempt(platform, plan).run(begun)


def _leased(job: Job) -> list[TableSpec | ModelSpec]:
    manifest = [ops.FILES] if job.kind in (Kind.INGEST, Kind.REPLAY, Kind.CLEAN, Kind.MAINTAIN) else []
    return [*job.writes, *manifest]


class Attempt:
    """One try of a planned run, under its leases."""

    def __init__(self, platform: Platform, plan: Plan) -> None:
        self.platform = platform
        self.plan = plan
        self.job = plan.job
        self.attempt_id = uuid.uuid4().hex
        self._begun = time.monotonic()

    def run(self, begun: float) -> Result:
        """Record the start, work, and record the end, whichever it is."""
        self._record(Status.STARTED)
        try:
            result = self._work(begun)
        except NotYet as reason:
            self._record(Status.SKIPPED, ExitCode.DONE, reason=str(reason))
            raise
        except AffinityError as error:
            self._record(Status.FAILED, error.exit_code, reason=str(error))
            raise
        except Exception as error:
            self._record(Status.FAILED, _code_of(error), reason=_masked(error))
            raise
        return result

    def _work(self, begun: float) -> Result:
        from affinity.io.kinds import work_of  # the modules of the kinds need a session; planning does not

        done = work_of(self).run()
        status = Status.RECOVERED if done.is_recovered else done.status
        self._record(status, ExitCode.DONE, reason=done.reason, outputs=done.outputs, metrics=done.metrics)
        shutil.rmtree(self.platform.root.path / "staging" / self.plan.run_id, ignore_errors=True)
        secs = time.monotonic() - begun
        return Result(
            self.job.name, status, ExitCode.DONE, self.plan.run_id, done.reason, done.rows, dict(done.metrics), secs
        )

    def _record(
        self,
        status: Status,
        exit_code: ExitCode | None = None,
        *,
        reason: str | None = None,
        outputs: object = None,
        metrics: object = None,
    ) -> None:
        plan = self.plan
        is_start = status is Status.STARTED
        row: Row = {
            "run_id": plan.run_id,
            "attempt_id": self.attempt_id,
            "job": self.job.name,
            "source": ", ".join(found.mapping.name for found in plan.deliveries) or None,
            "as_of_date": plan.request.as_of if self.job.kind.has_as_of else None,
            "status": str(status),
            "at_ts": now(),
            "duration_secs": None if is_start else time.monotonic() - self._begun,
            "exit_code": None if exit_code is None else int(exit_code),
            "reason": reason,
            "code_version": code_version(),
            "config_digest": plan.config_digest,
            "settings": to_json(plan.settings.model_dump()),
            "inputs": to_json(plan.inputs),
            "outputs": None if outputs is None else to_json(outputs),
            "metrics": to_json(metrics) if metrics else None,
            "application_id": None if is_start else self.platform.application_id,
        }
        self.platform.ops.append(ops.RUNS, [row])
        logger.info(
            "%s %s",
            self.job.name,
            status,
            extra={"run_id": plan.run_id, "attempt_id": self.attempt_id, "reason": reason},
        )


def _planned(plan: Plan, begun: float) -> Result:
    status = plan.status or Status.STARTED
    return replace(_ended(plan.job, status, ExitCode.DONE, plan.reason, begun), run_id=plan.run_id)


def _ended(job: Job, status: Status, code: ExitCode, reason: str | None, begun: float) -> Result:
    return Result(job.name, status, code, reason=reason, duration_secs=time.monotonic() - begun)


def _code_of(error: Exception) -> ExitCode:
    """A lost store, server or cluster is worth a retry, what a statement says is of the data; else it is a defect."""
    if _SAID.search(str(error)):
        return ExitCode.BAD_INPUT
    text = f"{type(error).__name__}: {str(error)[:20_000]}"
    is_transient = isinstance(error, OSError) or any(word in text for word in _TRANSIENT)
    return ExitCode.INFRASTRUCTURE if is_transient else ExitCode.DEFECT


def _masked(error: Exception) -> str:
    """The kind of an unforeseen error without its values: messages of Spark and Delta can hold rows."""
    if said := _SAID.search(str(error)):
        return said[1]
    condition = getattr(error, "getCondition", lambda: None)() or ""
    found = _TABLE_FILE.search(str(error)[:20_000])
    where = f" at {found['path']} of table {found['layer']}.{found['name']}" if found else ""
    return (
        f"{type(error).__name__} {condition}".strip()
        + f"{where} (set AFFINITY_DEBUG=1 to see the whole trace; it may hold rows)"
    )
