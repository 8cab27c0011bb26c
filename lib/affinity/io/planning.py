"""A run decided without a JVM: settings, inputs, run id, and whether there is anything to do."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

from affinity.core.errors import BadInput, NotYet
from affinity.core.vocabulary import Disposition, Feed, FileState, Status
from affinity.io.job import Job, Kind
from affinity.io.landing import landed_days
from affinity.io.ops import Row
from affinity.io.plan import Plan, Question, Request, job_settings
from affinity.io.planning_files import plan_clean, plan_ingest, plan_replay
from affinity.io.platform import Platform
from affinity.io.releases import Release, Releases
from affinity.tables import ops
from affinity.tables.spec import ModelSpec, TableSpec


def make_plan(platform: Platform, job: Job, request: Request) -> Plan:
    """Decide a run: the same request over the same content gives the same run id, and then there is nothing to do.

    Raises:
        BadInput: the request cannot be served (unknown source, no landing folder, a date without data, …).
        NotYet: there is no promoted model, or no slice to work on, for the date.
    """
    settings = job_settings(platform.config, job)
    releases = Releases.of(platform.ops)
    question = Question(platform, job, request, settings, releases, releases.manifest(platform.ops))
    planners = {
        Kind.INGEST: plan_ingest,
        Kind.REPLAY: plan_replay,
        Kind.CLEAN: plan_clean,
        Kind.MAINTAIN: _plan_maintain,
    }
    return planners.get(job.kind, _plan_as_of)(question)


def _plan_maintain(question: Question) -> Plan:
    if question.request.as_of is None:
        raise BadInput(f"Job {question.job.name} counts retention back from a date: pass --as-of YYYY-MM-DD.")
    inputs = {spec.full_name: question.releases.fingerprint(spec, None) for spec in question.job.tables_written}
    plan = question.plan(inputs)
    if plan.run_id in {row["run_id"] for row in question.attempts() if row["status"] == Status.DONE}:
        return replace(plan, status=Status.NOTHING_TO_DO, reason="no table changed since the last upkeep")
    return plan


def _plan_as_of(question: Question) -> Plan:
    job, request, releases = question.job, question.request, question.releases
    if request.as_of is None:
        raise BadInput(f"Job {job.name} makes one slice per date: pass --as-of YYYY-MM-DD.")
    as_of = request.as_of
    events = [row for row in question.manifest if row["feed"] == Feed.EVENTS and row["state"] != FileState.REFUSED]
    check_as_of(as_of, landed_days(events) or _event_days(question))
    attempts = question.attempts()
    models = _models(question, as_of, attempts)
    tables = [spec for spec in job.reads if isinstance(spec, TableSpec)]
    inputs: dict[str, Any] = {spec.full_name: _input(spec, as_of, releases) for spec in tables}
    inputs |= {spec.full_name: releases.fingerprint(spec, as_of) for spec in job.optional_tables}
    inputs |= {spec.full_name: [release.table_version, release.digest] for spec, release in models.items()}
    plan = question.plan(inputs, manifest=question.manifest, models=models)
    status, reason = _standing(plan, as_of, attempts)
    return replace(plan, status=status, reason=reason)


def _event_days(question: Question) -> list[date]:
    """The days of accepted events, where no file has a date of its own."""
    version = question.releases.version(ops.DISPOSITIONS)
    rows = [] if version is None else question.platform.ops.read(ops.DISPOSITIONS, version)
    return [row["event_date"] for row in rows if row["disposition"] == Disposition.ACCEPTED]


def check_as_of(as_of: date, days: Sequence[date]) -> None:
    """A cut lies between the first and the last landed day; whether days between are missing, only the shop knows.

    Raises:
        BadInput: nothing was landed, or ``as_of`` lies before the data or beyond the last complete landed day.
    """
    if not days:
        raise BadInput(
            "No dated file was ingested yet: run `affinity run --source NAME --landing DIR --as-of DATE` first."
        )
    first, last = min(days), max(days)
    if not first < as_of <= last + timedelta(days=1):
        raise BadInput(
            f"--as-of {as_of} cannot be served: the landed files cover {first} to {last}, so expected a date from "
            f"{first + timedelta(days=1)} to {last + timedelta(days=1)} (everything before it must have landed). "
            "Choose such a date, or land the missing files."
        )


def _input(spec: TableSpec, as_of: date, releases: Releases) -> str:
    if spec.slice_column == "as_of_date" and releases.slice(spec, as_of) is None:
        raise NotYet(f"{spec.full_name} has no released slice {as_of}; the job that writes it comes first")
    if releases.version(spec) is None:
        raise NotYet(f"{spec.full_name} was not released yet; the job that writes it comes first")
    return releases.fingerprint(spec, as_of)


def _models(question: Question, as_of: date, attempts: Sequence[Row]) -> dict[ModelSpec, Release]:
    """The models a slice is made with: those it was published with before, else the newest promoted ones."""
    if question.job.kind is not Kind.SCORE:
        return {}
    chosen = {}
    for spec in (spec for spec in question.job.reads if isinstance(spec, ModelSpec)):
        recorded = None if question.request.restate else _recorded(question, spec, as_of, attempts)
        release = recorded or question.releases.model(spec, as_of)
        if release is None:
            raise NotYet(f"no model {spec.name!r} was promoted yet that was trained on data before {as_of}")
        chosen[spec] = release
    return chosen


def _recorded(question: Question, spec: ModelSpec, as_of: date, attempts: Sequence[Row]) -> Release | None:
    published = question.releases.slice(question.job.tables_written[0], as_of)
    if published is None:
        return None
    run = next(row for row in attempts if row["run_id"] == published.run_id)
    version, digest = json.loads(run["inputs"])[spec.full_name]
    return Release(None, version, published.run_id, digest)


def _standing(plan: Plan, as_of: date, attempts: Sequence[Row]) -> tuple[Status | None, str | None]:
    """Whether the slice or the training of this date is done, and by which run."""
    finished = {row["run_id"] for row in attempts if row["status"] in (Status.DONE, Status.RECOVERED, Status.KEPT)}
    published = {spec: plan.releases.slice(spec, as_of) for spec in plan.job.tables_written}
    if plan.run_id in finished and all(r is not None and r.run_id == plan.run_id for r in published.values()):
        return Status.NOTHING_TO_DO, "done before with the same inputs, settings and code"
    if plan.request.restate:
        return None, None
    other = next((release for release in published.values() if release and release.run_id != plan.run_id), None)
    if other is not None:
        return Status.KEPT, (
            f"slice {as_of} stands as run {other.run_id} published it, though inputs, settings or code have changed; "
            "--restate replaces it"
        )
    return _cadence(plan, as_of, attempts)


def _cadence(plan: Plan, as_of: date, attempts: Sequence[Row]) -> tuple[Status | None, str | None]:
    every = getattr(plan.settings, "every_days", None)
    if every is None:
        return None, None
    trained = [row["as_of_date"] for row in attempts if row["status"] in (Status.DONE, Status.RECOVERED, Status.KEPT)]
    recent = [day for day in trained if day is not None and as_of - timedelta(days=every) < day <= as_of]
    if recent:
        due = max(recent) + timedelta(days=every)
        return Status.NOTHING_TO_DO, f"trained for {max(recent)}; next due {due} (every_days = {every}, or --restate)"
    return None, None
