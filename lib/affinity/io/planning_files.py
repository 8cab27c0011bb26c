"""Plans of runs that work on files: which are new, rejected in part, or not yet judged."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from affinity.core.errors import BadInput
from affinity.core.source import SourceMapping
from affinity.core.vocabulary import COUNTING, Feed, FileState, Status
from affinity.io.config import load_source
from affinity.io.deliveries import OTHERS, Delivery, delivery, layouts, refusal
from affinity.io.landing import Arrivals, landed_dates
from affinity.io.ops import Row, to_json
from affinity.io.plan import SETTINGS_BEFORE, Plan, Question
from affinity.io.platform import code_version
from affinity.io.quarantine import ReplaySettings, files_with
from affinity.io.rereading import check_judged, landed_again, nothing_left, read_before
from affinity.tables import ops


def plan_ingest(question: Question) -> Plan:
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
    question: Question, mappings: Sequence[SourceMapping], feed: Feed, landing: Path
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


def _noted(question: Question, mapping: SourceMapping, feed: Feed) -> list[Row]:
    return [row for row in question.manifest if row["source"] == mapping.name and row["feed"] == feed]


def _brought_by_others(
    question: Question, mapping: SourceMapping, feed: Feed, found: Sequence[Delivery]
) -> dict[str, str]:
    """Files of a feed that are another source's, known or new: by their bytes alone they could not be told apart."""
    new = {file_id: other.mapping.name for other in found for file_id in other.names.keys() - other.faults.keys()}
    noted = [row for row in question.manifest if row["feed"] == feed and row["source"] != mapping.name]
    return new | {row["file_id"]: row["source"] for row in noted if row["state"] != FileState.REFUSED}


def _refused_before(question: Question, found: Delivery) -> set[str]:
    """The files that were refused for the same fault as now, or by the same code and settings."""
    refused = {row["file_id"]: row for row in found.manifest if row["state"] == FileState.REFUSED}
    same = {f for f, fault in found.faults.items() if f in refused and refused[f]["reason"] == fault}
    return same | _refused_alike(question, refused, found.mapping) if refused else same


def _refused_alike(question: Question, refused: Mapping[str, Row], mapping: SourceMapping) -> set[str]:
    """The files that were refused by this mapping and this code: the damage of some shows only when they are read."""
    refused = {file_id: row for file_id, row in refused.items() if not row["reason"].startswith(OTHERS)}
    said, runs = question.config_digest([mapping]), {row["run_id"] for row in refused.values()}
    before = [row for row in question.attempts() if row["run_id"] in runs and row["code_version"] == code_version()]
    told = {row["run_id"]: json.loads(row["inputs"]).get("sources", {}).get(mapping.name, {}) for row in before}
    return {file_id for file_id, row in refused.items() if told.get(row["run_id"], {}).get("config") == said}


def _said(question: Question, delivered: Delivery) -> dict[str, Any]:
    """What identifies a delivery."""
    found = delivered.arrivals
    return {
        "files": sorted(file.file_id for file in found.new),
        "supersedes": found.supersedes,
        "back": sorted(found.back),
        "names": {file_id: [place.name for place in places] for file_id, places in found.names.items()},
        "config": question.config_digest([delivered.mapping]),
    }


def _asked_sources(question: Question) -> tuple[list[SourceMapping], Path]:
    request = question.request
    if not request.sources or request.landing is None:
        raise BadInput(f"Job {question.job.name} reads landed files: pass --source NAME and --landing DIR.")
    names = dict.fromkeys(request.sources)  # one that is named twice is read once
    return [load_source(question.platform.config, name) for name in names], request.landing


def plan_replay(question: Question) -> Plan:
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


def plan_clean(question: Question) -> Plan:
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


def _other_settings(question: Question) -> dict[str, Any] | None:
    """The settings of the run that released last, where they were others than now."""
    release = question.releases.newest(ops.DISPOSITIONS)
    if release is None:
        return None
    said = {row["run_id"]: row["settings"] for row in question.attempts()}
    before = json.loads(said[release.run_id])
    now = json.loads(to_json(question.settings.model_dump()))
    return None if before == now else dict(before)
