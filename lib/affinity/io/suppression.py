"""People whose events are not kept when they arrive: erased, or opted out."""

from collections.abc import Iterable

from deltalake import DeltaTable

from affinity.core.errors import BadInput
from affinity.core.source import Subject
from affinity.core.vocabulary import Suppression
from affinity.io.intact import check_intact
from affinity.io.leases import leases
from affinity.io.ops import OpsStore, current_version, now
from affinity.io.root import Root
from affinity.privacy.tokens import canonical, read_key, token
from affinity.tables import ops


def suppress(root: Root, subject: Subject, raw_ids: Iterable[str], reason: Suppression) -> int:
    """List people by their raw ids, of which no trace is kept but the token; return how many ids were given.

    From then on their lines become filtered rows of bronze that tell of nobody and nothing. What is in the tables
    already stays.

    Raises:
        BadInput: no id was given.
        LeaseHeld: another process writes the list.
    """
    spelled = {said for raw in raw_ids if (said := canonical(raw.strip(), subject))}
    if not spelled:
        raise BadInput("Standard input held no id; expected one id per line, as the source spells them.")
    key, at = read_key(root.key_file), now()
    rows = [
        {
            "subject_key": token(key, subject.kind, raw),
            "subject_kind": subject.kind,
            "reason": str(reason),
            "since_ts": at,
        }
        for raw in sorted(spelled)
    ]
    with leases(root, [ops.SUPPRESSIONS], wait_secs=60):
        OpsStore(root).upsert(ops.SUPPRESSIONS, rows, "suppress")
    return len(rows)


def suppressed_files(root: Root) -> tuple[str, ...]:
    """The files that hold the list; none where nobody is on it.

    Raises:
        Infrastructure: the list is damaged; with less of it people would come back.
    """
    version = current_version(root, ops.SUPPRESSIONS)
    if version is None:
        return ()
    check_intact(root, ops.SUPPRESSIONS, version)
    return tuple(DeltaTable(str(root.table(ops.SUPPRESSIONS)), version=version).file_uris())
