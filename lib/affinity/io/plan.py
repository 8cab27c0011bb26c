"""What a run would do, decided without a JVM: settings, inputs, run id, and whether there is anything to do."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from affinity.core.errors import BadInput, NotYet
from affinity.core.settings import Settings
from affinity.core.source import SourceMapping
from affinity.core.vocabulary import COUNTING, Disposition, Feed, FileState, Status
from affinity.io.config import Config, load_source, validated
from affinity.io.deliveries import Delivery, delivery, layouts, refusal
from affinity.io.job import Job, Kind
from affinity.io.landing import Arrivals, landed_dates, landed_days
from affinity.io.ops import Row, to_json
from affinity.io.platform import Platform, code_version
from affinity.io.quarantine import ReplaySettings, files_with
from affinity.io.releases import Release, Releases
from affinity.io.rereading import check_judged, landed_again, nothing_left, read_before
from affinity.tables import ops
from affinity.tables.spec import ModelSpec, TableSpec

SETTINGS_BEFORE = "settings_before"
"""The input of a clean run whose rules are others than those of the last one."""


@dataclass(frozen=True)
class Request:
    """What a person or a scheduler asks of a job; all ``sources`` land in one folder."""

    as_of: date | None = None
    sources: tuple[str, ...] = ()
    landing: Path | None = None
    restate: bool = False
    wait_secs: float = 0


@dataclass(frozen=True)
class Plan:
    """A run that is fully decided; ``status`` and ``reason`` are set where nothing is to be done.

    ``faults`` say of which sources nothing can be read; the run ends with them, after the others were published.
    """

    job: Job
    request: Request
    settings: Settings
    run_id: str
    inputs: Mapping[str, Any]
    config_digest: str
    releases: Releases
    manifest: Sequence[Row] = ()
    deliveries: Sequence[Delivery] = ()
    faults: Sequence[str] = ()
    models: Mapping[ModelSpec, Release] = field(default_factory=dict)
    status: Status | None = None
    reason: str | None = None


def job_settings(config: Config, job: Job) -> Settings:
    """The settings of a job from its section ``[jobs.<name>]``.

    Raises:
        BadInput: keys are unknown, missing or of the wrong type.
    """
    section = config.jobs.get(job.name, {})
    return validated(job.settings, section, where=f"[jobs.{job.name}] of {config.conf_dir / 'affinity.toml'}")


@dataclass(frozen=True)
class _Question:
    """What a plan is decided from."""

    platform: Platform
    job: Job
    request: Request
    settings: Settings
    releases: Releases
    manifest: Sequence[Row]

    def plan(self, inputs: Mapping[str, Any], **more: Any) -> Plan:
        """The plan over these inputs: the same ones give the same run id."""
        mappings = [found.mapping for found in more.get("deliveries", ())]
        job, config = self.job, self._config(mappings)
        as_of = str(self.request.as_of) if job.kind.has_as_of else None
        schemas = {spec.full_name: spec.version for spec in job.tables_written}
        identity = to_json([job.name, as_of, config, schemas, code_version(), inputs])
        run_id = hashlib.sha256(identity.encode()).hexdigest()[:20]
        digest = self.config_digest(mappings)
        return Plan(job, self.request, self.settings, run_id, inputs, digest, self.releases, **more)

    def config_digest(self, mappings: Sequence[SourceMapping]) -> str:
        """What identifies the settings of the job and its mappings."""
        return hashlib.sha256(self._config(mappings).encode()).hexdigest()[:16]

    def _config(self, mappings: Sequence[SourceMapping]) -> str:
        by_name = sorted(mappings, key=lambda mapping: mapping.name)
        return to_json({"settings": self.settings.model_dump(), "mappings": [m.model_dump() for m in by_name]})

    def attempts(self) -> list[Row]:
        """What this job did before."""
        return self.platform.ops.read(ops.RUNS, where={"job": self.job.name})


def make_plan(platform: Platform, job: Job, request: Request) -> Plan:
    """Decide a run: the same request over the same content gives the same run id, and then there is nothing to do.

    Raises:
        BadInput: the request cannot be served (unknown source, no landing folder, a date without data, …).
        NotYet: there is no promoted model, or no slice to work on, for the date.
    """
    settings = job_settings(platform.config, job)
    releases = Releases.of(platform.ops)
    question = _Question(platform, job, request, settings, releases, releases.manifest(platform.ops))
    planners = {
        Kind.INGEST: _plan_ingest,
        Kind.REPLAY: _plan_replay,
        Kind.CLEAN: _plan_clean,
        Kind.MAINTAIN: _plan_maintain,
    }
    return planners.get(job.kind, _plan_as_of)(question)


def _plan_ingest(question: _Question) -> Plan:
    """What each source brings that has the feed of the job; of those that bring nothing the run knows nothing.

    Raises:
        BadInput: of some source nothing can be read, and none of the others brings anything.
    """
    (mappings, landing), feed = _asked_sources(question), question.job.feed
    assert feed is not None
    fed = [mapping for mapping in mappings if mapping.has(feed)]
    found, faults = _deliveries(question, fed, feed, landing)
    inputs = {"sources": {each.mapping.name: _said(question, each) for each in found}}
    if found:
        return question.plan(inputs, deliveries=found, faults=faults)
    if faults:
        raise BadInput(" ".join(faults))
    for mapping in () if fed else mappings:
        landed_dates(landing, mapping)  # is it there?
    nothing = "no new file" if fed else f"no {feed} feed in {', '.join(mapping.name for mapping in mappings)}"
    return question.plan(inputs, status=Status.NOTHING_TO_DO, reason=nothing)


def _deliveries(
    question: _Question, mappings: Sequence[SourceMapping], feed: Feed, landing: Path
) -> tuple[list[Delivery], list[str]]:
    """What the sources bring, and what is wrong with those of which nothing is there or nothing was ever readable."""
    found: list[Delivery] = []
    faults: list[str] = []
    for mapping in mappings:
        try:
            brought = delivery(landing, mapping, feed, _noted(question, mapping, feed))
            brought = brought.refusing(_brought_by_others(question, mapping, feed, found))
        except BadInput as fault:
            faults.append(str(fault))
            continue
        if brought.is_unreadable:
            faults.append(refusal(brought, brought.faults))
            continue
        brought = brought.without(_refused_before(question, brought))
        found += [] if brought.arrivals.is_empty else [brought]
    return found, faults


def _noted(question: _Question, mapping: SourceMapping, feed: Feed) -> list[Row]:
    return [row for row in question.manifest if row["source"] == mapping.name and row["feed"] == feed]


def _brought_by_others(
    question: _Question, mapping: SourceMapping, feed: Feed, found: Sequence[Delivery]
) -> dict[str, str]:
    """Files of a feed that are another source's, known or new: by their bytes alone they could not be told apart."""
    new = {file_id: other.mapping.name for other in found for file_id in other.names}
    noted = [row for row in question.manifest if row["feed"] == feed and row["source"] != mapping.name]
    return new | {row["file_id"]: row["source"] for row in noted if row["state"] != FileState.REFUSED}


def _refused_before(question: _Question, found: Delivery) -> set[str]:
    """The files that were refused for the same fault as now, or by the same code and settings."""
    refused = {row["file_id"]: row for row in found.manifest if row["state"] == FileState.REFUSED}
    same = {f for f, fault in found.faults.items() if f in refused and refused[f]["reason"] == fault}
    return same | _refused_alike(question, refused, found.mapping) if refused else same


def _refused_alike(question: _Question, refused: Mapping[str, Row], mapping: SourceMapping) -> set[str]:
    """The files that were refused by this mapping and this code: the damage of some shows only when they are read."""
    said, runs = question.config_digest([mapping]), {row["run_id"] for row in refused.values()}
    before = [row for row in question.attempts() if row["run_id"] in runs and row["code_version"] == code_version()]
    told = {row["run_id"]: json.loads(row["inputs"]).get("sources", {}).get(mapping.name, {}) for row in before}
    return {file_id for file_id, row in refused.items() if told.get(row["run_id"], {}).get("config") == said}


def _said(question: _Question, delivered: Delivery) -> dict[str, Any]:
    """What identifies a delivery."""
    found = delivered.arrivals
    return {
        "files": sorted(file.file_id for file in found.new),
        "supersedes": found.supersedes,
        "back": sorted(found.back),
        "names": {file_id: [place.name for place in places] for file_id, places in found.names.items()},
        "config": question.config_digest([delivered.mapping]),
    }


def _asked_sources(question: _Question) -> tuple[list[SourceMapping], Path]:
    request = question.request
    if not request.sources or request.landing is None:
        raise BadInput(f"Job {question.job.name} reads landed files: pass --source NAME and --landing DIR.")
    names = dict.fromkeys(request.sources)  # one that is named twice is read once
    return [load_source(question.platform.config, name) for name in names], request.landing


def _plan_replay(question: _Question) -> Plan:
    """The files with lines that were rejected for the reason, but for those that this mapping read again before."""
    assert isinstance(question.settings, ReplaySettings)
    (mappings, landing), reason = _asked_sources(question), question.settings.reason
    if len(mappings) != 1:
        raise BadInput(f"Job {question.job.name} reads one source at a time: pass --source once.")
    (mapping,) = mappings
    noted = _noted(question, mapping, Feed.EVENTS)
    check_judged([row for row in noted if row["state"] == FileState.INGESTED], mapping)
    live = {row["file_id"]: row for row in noted if row["state"] in COUNTING}
    rejected = [file_id for file_id in files_with(question.platform.root, mapping.name, reason) if file_id in live]
    before = read_before(question.attempts(), question.config_digest([mapping]), code_version())
    fresh = [file_id for file_id in rejected if file_id not in before]
    landed = landed_again(live, landing, mapping) if fresh else {}
    files = tuple(landed[file_id] for file_id in fresh if file_id in landed)
    own = layouts(files, mapping)
    files = tuple(replace(file, file_date=live[file.file_id]["file_date"]) for file in files)  # it may have been moved
    found = Delivery(mapping, Arrivals(files, {}, frozenset(), {}), own, noted)
    if files and len(found.faults) == len(own):
        raise BadInput(refusal(found, found.faults))
    missing = sorted(live[file_id]["path"] for file_id in fresh if file_id not in landed)
    read = {file.file_id: live[file.file_id]["n_readings"] for file in files}
    nothing = None if files else nothing_left(rejected, fresh, missing, reason)
    inputs = {"files": read, "missing": missing, "source": mapping.name}
    return question.plan(inputs, deliveries=[found], status=Status.NOTHING_TO_DO if nothing else None, reason=nothing)


def _plan_clean(question: _Question) -> Plan:
    """Files whose lines are to be judged, or whose statements tell of links; rules that changed since the last run."""
    noted = [row for row in question.manifest if row["feed"] in (Feed.EVENTS, Feed.CUSTOMERS)]
    pending = [row for row in noted if row["state"] == FileState.INGESTED]
    live = sorted(row["file_id"] for row in noted if row["state"] in COUNTING)
    inputs: dict[str, Any] = {
        "live": hashlib.sha256(to_json(live).encode()).hexdigest(),  # all by name, each night, were a table of its own
        "pending": sorted(row["file_id"] for row in pending),
    }
    if again := {row["file_id"]: row["n_readings"] for row in pending if (row["n_readings"] or 1) > 1}:
        inputs["readings"] = again  # else a file that was read again would be as it was when it was judged first
    if before := _other_settings(question):
        inputs[SETTINGS_BEFORE] = before
    nothing = None if pending or before else "every ingested file is cleaned"
    return question.plan(inputs, manifest=noted, status=Status.NOTHING_TO_DO if nothing else None, reason=nothing)


def _other_settings(question: _Question) -> dict[str, Any] | None:
    """The settings of the last run that ended well, where they were others than now."""
    ended = [row for row in question.attempts() if row["status"] in (Status.DONE, Status.RECOVERED)]
    if not ended:
        return None
    before = json.loads(max(ended, key=lambda row: row["at_ts"])["settings"])
    now = json.loads(to_json(question.settings.model_dump()))
    return None if before == now else dict(before)


def _plan_maintain(question: _Question) -> Plan:
    if question.request.as_of is None:
        raise BadInput(f"Job {question.job.name} counts retention back from a date: pass --as-of YYYY-MM-DD.")
    inputs = {spec.full_name: question.releases.fingerprint(spec, None) for spec in question.job.tables_written}
    plan = question.plan(inputs)
    if plan.run_id in {row["run_id"] for row in question.attempts() if row["status"] == Status.DONE}:
        return replace(plan, status=Status.NOTHING_TO_DO, reason="no table changed since the last upkeep")
    return plan


def _plan_as_of(question: _Question) -> Plan:
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


def _event_days(question: _Question) -> list[date]:
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


def _models(question: _Question, as_of: date, attempts: Sequence[Row]) -> dict[ModelSpec, Release]:
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


def _recorded(question: _Question, spec: ModelSpec, as_of: date, attempts: Sequence[Row]) -> Release | None:
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
