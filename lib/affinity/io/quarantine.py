"""What was not accepted: how much of it, where it stands, what it looks like, without a JVM."""

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass

from pydantic import Field, field_validator

from affinity.core.errors import BadInput, nearest
from affinity.core.settings import Settings
from affinity.core.vocabulary import Defect, Disposition, Feed, FileState
from affinity.io.ask import ask, connect, query
from affinity.io.ops import Row
from affinity.io.root import Root

_REJECTED = (Disposition.QUARANTINED, Disposition.FILTERED)


class ReplaySettings(Settings):
    """Which lines are read again."""

    reason: Defect = Field(description="Those that were rejected for it")

    @field_validator("reason", mode="before")
    @classmethod
    def _check_reason(cls, word: object) -> object:
        if fault := reason_fault(str(word), Defect):
            raise ValueError(fault)
        return word


def reason_fault(word: str, known: Iterable[str]) -> str | None:
    """What is wrong with a reason; None where it is known."""
    words = [str(reason) for reason in known]
    hint = nearest(word, words) or f"; known: {', '.join(words)}"
    return None if word in words else f"reason {word!r} is unknown{hint}"


@dataclass(frozen=True)
class Wanted:
    """What is asked for; null means all."""

    source: str | None = None
    reason: str | None = None
    with_duplicates: bool = False
    n_samples: int = 3

    @property
    def _dispositions(self) -> Sequence[Disposition]:
        return (*_REJECTED, Disposition.DUPLICATE) if self.with_duplicates else _REJECTED

    @property
    def condition(self) -> str:
        """What rows of ops.dispositions and silver.quarantine have to fulfil."""
        words = ", ".join(f"'{disposition}'" for disposition in self._dispositions)
        named = [f"{name} = ${name}" for name in ("source", "reason") if getattr(self, name)]
        return " AND ".join([f"disposition IN ({words})", *named])

    @property
    def parameters(self) -> dict[str, str]:
        """The values of ``condition``."""
        return {name: getattr(self, name) for name in ("source", "reason") if getattr(self, name)}


def sections(root: Root, wanted: Wanted) -> dict[str, list[Row]]:
    """Section → rows: counts by reason and by file, samples of lines, and files that were refused whole.

    Raises:
        BadInput: nothing was ever landed from the source, or no line is ever rejected for the reason.
    """
    condition, parameters = wanted.condition, wanted.parameters
    asked = {
        "counts": (_COUNTS.format(condition=condition), parameters),
        "files": (_BY_FILE.format(condition=condition, paths=_PATHS), parameters),
        "samples": (_SAMPLES.format(condition=condition, paths=_PATHS, n=wanted.n_samples), parameters),
        "refused": (_REFUSED, {}),
        "sources": ("SELECT DISTINCT source AS word FROM ops.files ORDER BY word", {}),
        "reasons": ("SELECT DISTINCT reason AS word FROM ops.dispositions WHERE disposition != 'accepted'", {}),
    }
    with closing(connect(root, " ".join(sql for sql, _ in asked.values()))) as connection:
        found = {name: query(connection, sql, given).records() for name, (sql, given) in asked.items()}
    known = {name: [row["word"] for row in found.pop(name)] for name in ("sources", "reasons")}
    _check_known(wanted, known["sources"], known["reasons"])
    found["refused"] = [row for row in found["refused"] if wanted.source in (None, row["source"])]
    return found


def files_with(root: Root, source: str, reason: Defect) -> list[str]:
    """The files that have lines of a source which were rejected for a reason, when they were judged last."""
    wanted = Wanted(source, reason)
    sql = f"SELECT DISTINCT file_id FROM ops.dispositions WHERE {wanted.condition} ORDER BY file_id"
    return [row["file_id"] for row in ask(root, sql, wanted.parameters)]


def n_uncleaned(root: Root) -> int:
    """How many files of events are in bronze and were not judged yet."""
    sql = "SELECT count(*) AS n FROM ops.files WHERE feed = $feed AND state = $state"
    return int(ask(root, sql, {"feed": Feed.EVENTS, "state": FileState.INGESTED})[0]["n"])


def _check_known(wanted: Wanted, sources: Sequence[str], seen: Sequence[str]) -> None:
    reasons = [*Defect, *(reason for reason in seen if reason not in set(Defect))]
    if wanted.reason is not None and (fault := reason_fault(wanted.reason, reasons)):
        raise BadInput(f"No line is rejected for it: {fault}.")
    if wanted.source is not None and wanted.source not in sources:
        hint = nearest(wanted.source, sources) or f"; there are: {', '.join(sources) or 'none yet'}"
        raise BadInput(f"No file of source {wanted.source!r} was ingested{hint}.")


_PATHS = "SELECT source, file_id, path FROM ops.files WHERE feed = 'events'"
_COUNTS = """
    SELECT source, reason, disposition, sum(n_rows)::BIGINT AS n_lines, count(DISTINCT file_id) AS n_files,
        min(event_date) FILTER (event_date > DATE '1970-01-01') AS first_date,
        max(event_date) FILTER (event_date > DATE '1970-01-01') AS last_date
    FROM ops.dispositions WHERE {condition}
    GROUP BY ALL ORDER BY n_lines DESC, source, reason, disposition"""
_BY_FILE = """
    SELECT d.source, path, reason, disposition, n_lines
    FROM (
        SELECT source, file_id, reason, disposition, sum(n_rows)::BIGINT AS n_lines
        FROM ops.dispositions WHERE {condition} GROUP BY ALL
    ) AS d
    LEFT JOIN ({paths}) AS f ON f.source = d.source AND f.file_id = d.file_id
    ORDER BY n_lines DESC, d.source, path, reason"""
# One line of every text that stood there comes before a second one of any; the commonest texts first.
_SAMPLES = """
    WITH alike AS (
        SELECT q.source, reason, disposition, column_name, expected, got, count(*) AS n_alike,
            min({{'path': path, 'line_no': line_no, 'event_date': event_date}}, {n}) AS lines
        FROM (SELECT * FROM silver.quarantine WHERE {condition}) AS q
        LEFT JOIN ({paths}) AS f ON f.source = q.source AND f.file_id = q.file_id
        GROUP BY ALL
    ),
    line AS (SELECT * EXCLUDE (lines), unnest(lines) AS place, generate_subscripts(lines, 1) AS nth FROM alike)
    SELECT source, reason, disposition, place.path AS path, place.line_no AS line_no, column_name, expected, got,
        nullif(place.event_date, DATE '1970-01-01') AS event_date, n_alike
    FROM line
    QUALIFY row_number() OVER (
        PARTITION BY source, reason, disposition ORDER BY nth, n_alike DESC, path, line_no, column_name, got
    ) <= {n}
    ORDER BY source, reason, disposition, nth, n_alike DESC, path, line_no"""
_REFUSED = """
    SELECT source, feed, path, reason, ingested_ts AS seen_ts
    FROM ops.files WHERE state = 'refused' ORDER BY source, path, feed"""
