"""Which files a replay reads again: judged, with lines that wait for another reading, and still in landing."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from affinity.core.errors import BadInput
from affinity.core.source import SourceMapping
from affinity.core.vocabulary import Status
from affinity.io.landing import LandedFile, landed_files
from affinity.io.ops import Row


def check_judged(pending: Sequence[Row], mapping: SourceMapping) -> None:
    """Refuse to look for rejected lines where there are none yet; ``pending`` are files of the source not yet cleaned.

    Raises:
        BadInput: the source has no events, or clean_events has to come first.
    """
    if mapping.events is None:
        raise BadInput(f"Source {mapping.name!r} has no [events], so none of its lines was rejected.")
    if pending:
        raise BadInput(
            f"{len(pending)} files of source {mapping.name!r} were ingested and not judged yet, {pending[0]['path']} "
            "among them: run `affinity job clean_events` first. Nothing was read."
        )


def read_before(attempts: Sequence[Row], config_digest: str, code_version: str) -> set[str]:
    """The files that ended runs read again by the same settings, mapping and code: nothing more will come of them."""
    ended = [row for row in attempts if row["status"] in (Status.DONE, Status.RECOVERED)]
    alike = [row for row in ended if (row["config_digest"], row["code_version"]) == (config_digest, code_version)]
    return {file_id for row in alike for file_id in json.loads(row["inputs"])["files"]}


def landed_again(live: Mapping[str, Row], landing: Path, mapping: SourceMapping) -> dict[str, LandedFile]:
    """Files of the manifest as they lie in landing, under their own name where they still have it.

    Raises:
        BadInput: none of them lies there.
    """
    known = [file for file in landed_files(landing, mapping, list(live.values())) if file.file_id in live]
    if not known:
        raise BadInput(
            f"None of the {len(live)} ingested files of source {mapping.name!r} lies in {landing}. Expected the folder "
            "that they were ingested from: pass it with --landing."
        )
    own_name_last = sorted(known, key=lambda file: file.name == live[file.file_id]["path"])
    return {file.file_id: file for file in own_name_last}


def nothing_left(rejected: Sequence[str], fresh: Sequence[str], missing: Sequence[str], reason: str) -> str:
    """Why no file is read: none has such lines, this mapping read those that have, or they are gone from landing."""
    if not rejected:
        return f"no line of this source is rejected for {reason}"
    if not fresh:
        return f"what is left of {reason} was read by this mapping before, and stays as it is"
    return f"the files with such lines no longer lie in landing: {', '.join(missing)}"
