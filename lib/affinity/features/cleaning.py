"""From bronze lines to true events: one disposition for every row."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import reduce
from pathlib import Path
from types import MappingProxyType

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from affinity.core.vocabulary import Disposition
from affinity.features.grouped import ARRIVED, GROUP, Files, Rows, cut, in_blocks, mapped, parquet
from affinity.tables import bronze

UNREADABLE_DATE = "1970-01-01"
ACCEPTED_REASON = "-"
DUPLICATE_REASON = "same_event_id"
SAME_EVENT_DAYS = 7
"""Lines with one id are one event where their days are at most so far apart: sources number anew, some after weeks."""

_LINE = ("source", "file_id", "line_no")
_COMPETING = (*_LINE, "event_id", "event_date", "file_date")
_TYPES: Mapping[str, str] = MappingProxyType({column.name: column.type for column in bronze.EVENTS.columns})
_DAY_ZERO, _NO_DATE = "1970-01-01", "9999-12-31"
DATED = f"coalesce(event_date, DATE '{UNREADABLE_DATE}')"
_DIGEST = "(hash(source, event_id) >> 1)::BIGINT"
_COUNTED_BY = ("source", "file_id", "event_date", "disposition", "reason")
_FEW_LINES = 1_000_000
_GROUP_LINES, _GROUP_DIGESTS = 200_000, 1_000_000
_LEAST_GROUPS = 32
"""Of digests, beside rivals: they may be many times as many as the lines."""
_NOT_FIRST = f"""
SELECT {", ".join(_LINE)}
FROM (
    SELECT *, min(place) OVER (
        PARTITION BY source, event_id ORDER BY event_date - DATE '{_DAY_ZERO}'
        RANGE BETWEEN {SAME_EVENT_DAYS} PRECEDING AND {SAME_EVENT_DAYS} FOLLOWING
    ) AS first_place
    FROM (
        SELECT *, {{'at': coalesce(file_date, DATE '{_NO_DATE}'), 'file_id': file_id, 'line_no': line_no}} AS place
        FROM {ARRIVED}
    )
)
WHERE is_here AND place > first_place"""


def dated(lines: DataFrame) -> DataFrame:
    """Rows of bronze.events with ``event_date`` 1970-01-01 where the time is unreadable."""
    return lines.withColumn("event_date", F.coalesce("event_date", F.to_date(F.lit(UNREADABLE_DATE))))


@dataclass(frozen=True)
class Rivals:
    """Rows that were judged before, of silver.events or silver.quarantine, that compete with fresh lines.

    ``dates`` are files with file_id and file_date, of all files that count or did. Rows of the days ``anew``, which are
    judged once more, do not compete.
    """

    rows: Rows
    dates: Path
    anew: Collection[date] = ()
    are_duplicates: bool = False

    @property
    def statement(self) -> str:
        """The columns by which they compete."""
        is_meant = f"disposition = '{Disposition.DUPLICATE}'" if self.are_duplicates else "true"
        if self.anew:
            listed = ", ".join(f"DATE '{day}'" for day in self.anew)
            is_meant += f" AND event_date NOT IN ({listed})"
        named = ", ".join(_COMPETING)
        return f"SELECT {named} FROM {ARRIVED} JOIN {parquet(self.dates)} USING (file_id) WHERE {is_meant}"


def duplicates(
    lines: Rows, rivals: Sequence[Rivals], scratch: Path, *, n_lines: int, file_ids: Collection[str] | None = None
) -> DataFrame:
    """Which lines repeat an event: rows of bronze.events → ``source, file_id, line_no`` of those that do.

    Of lines with one id whose days are at most a week apart, and that their source takes, the first counts: of the
    file with the earliest nominal date (files without one come last), then with the lesser digest, the first line of
    it. ``rivals`` compete, and are not among those that come out. With ``file_ids`` only lines of these are meant.

    Lines that are compared have a digest of their id in ``scratch``, where tasks find it: of few lines all of them;
    else those whose digest comes twice, and of all others no more than the digests crosses the network.
    """
    if isinstance(lines, DataFrame):
        lines = lines.select("rejection", *_COMPETING)
    ways = [(lines, _competing(file_ids)), *((each.rows, each.statement) for each in rivals)]
    are_few = n_lines <= _FEW_LINES
    n_groups = 1 + n_lines // (_GROUP_LINES if are_few else _GROUP_DIGESTS)
    of_digests = max(n_groups, _LEAST_GROUPS) if rivals else n_groups
    suspected = _digests_of(*ways[0]) if are_few else _repeated_digests(ways, of_digests)
    suspected.write.parquet(str(scratch))
    found = [cut(rows, _suspects(scratch, said, n_groups, is_here=n == 0)) for n, (rows, said) in enumerate(ways)]
    return in_blocks(reduce(DataFrame.unionByName, found), n_groups, _NOT_FIRST, {name: _TYPES[name] for name in _LINE})


def _digests_of(lines: Rows, said: str) -> DataFrame:
    return mapped(lines, f"SELECT DISTINCT {_DIGEST} AS digest FROM ({said})", {"digest": "bigint"})


def _repeated_digests(ways: Iterable[tuple[Rows, str]], n_groups: int) -> DataFrame:
    blocks = [
        cut(rows, f"SELECT digest, {_group('digest', n_groups)} FROM (SELECT {_DIGEST} AS digest FROM ({said}))")
        for rows, said in ways
    ]
    twice = f"SELECT digest FROM {ARRIVED} GROUP BY digest HAVING count(*) > 1"
    return in_blocks(reduce(DataFrame.unionByName, blocks), n_groups, twice, {"digest": "bigint"})


def _suspects(digests: Path, rows: str, n_groups: int, *, is_here: bool) -> str:
    those = f"FROM ({rows}) WHERE {_DIGEST} IN (SELECT digest FROM {parquet(digests)})"
    return f"SELECT {', '.join(_COMPETING)}, {is_here} AS is_here, {_group(_DIGEST, n_groups)} {those}"


def _group(digest: str, n_groups: int) -> str:
    return f"({digest} % {n_groups})::INTEGER AS {GROUP}"


def _competing(file_ids: Collection[str] | None) -> str:
    """The lines that their source takes."""
    columns = {**dict.fromkeys(_COMPETING), "event_date": DATED}
    named = ", ".join(f"{value or name} AS {name}" for name, value in columns.items())
    return f"SELECT {named} FROM {ARRIVED} WHERE rejection IS NULL AND {is_of_files(file_ids)}"


def counted_by_day(lines: Files, file_ids: Collection[str] | None = None) -> Mapping[date, int]:
    """How many lines each day has, 1970-01-01 those with an unreadable time; with ``file_ids`` of these files alone."""
    those = f"SELECT {DATED} AS event_date FROM {ARRIVED} WHERE {is_of_files(file_ids)}"
    columns = {"event_date": "date", "n_rows": "bigint"}
    counted = Counter[date]()
    for day, n_rows in mapped(lines, f"SELECT event_date, count(*) FROM ({those}) GROUP BY ALL", columns).collect():
        counted[day] += n_rows
    return counted


def is_of_files(file_ids: Collection[str] | None) -> str:
    """Whether a line is of one of these files; of None, true."""
    if file_ids is None:
        return "true"
    named = ", ".join(f"'{file_id}'" for file_id in sorted(file_ids))
    return f"file_id IN ({named})"


def judged(repeated: Path, *, file_ids: Collection[str] | None = None) -> str:
    """Give every line its one disposition, as DuckDB says it: rows of bronze.events → plus ``disposition, reason``.

    ``repeated`` are files with the lines that ``duplicates`` found. A line that its source rejects keeps its reason.
    ``event_date`` is 1970-01-01 where the time is unreadable. With ``file_ids`` only lines of these are meant.
    """
    there = f"SELECT DISTINCT {', '.join(_LINE)}, true AS is_repeated FROM {parquet(repeated)}"
    by_place = f"CASE WHEN is_repeated THEN '{Disposition.DUPLICATE}' ELSE '{Disposition.ACCEPTED}' END"
    why = f"CASE WHEN is_repeated THEN '{DUPLICATE_REASON}' ELSE '{ACCEPTED_REASON}' END"
    return f"""
        SELECT * EXCLUDE (rejection, rejected_as, is_repeated) REPLACE ({DATED} AS event_date),
            coalesce(rejected_as, {by_place}) AS disposition, coalesce(rejection, {why}) AS reason
        FROM {ARRIVED} LEFT JOIN ({there}) USING ({", ".join(_LINE)}) WHERE {is_of_files(file_ids)}"""


def accepted_events(rows: str) -> str:
    """The accepted rows of ``judged``, with ``subject_id``, as silver.events without ``run_id``; quantity and amount
    lose their sign.
    """
    return f"""
        SELECT event_id, source, event_type, event_ts, event_date, subject_id, order_id, item_id,
            abs(quantity)::DECIMAL(18, 4) AS quantity, unit_price, abs(amount)::DECIMAL(18, 4) AS amount, currency,
            defects, file_id, line_no
        FROM {rows} WHERE disposition = '{Disposition.ACCEPTED}'"""


def rejected_rows(rows: str) -> str:
    """The other rows of ``judged`` as silver.quarantine without ``run_id``."""
    return f"""
        SELECT event_id, source, event_date, file_id, line_no, disposition, reason, defects, column_name, expected, got,
            payload
        FROM {rows} WHERE disposition <> '{Disposition.ACCEPTED}'"""


def disposition_counts(rows: str) -> str:
    """Counts of ``judged`` as ops.dispositions without ``run_id``."""
    keys = ", ".join(_COUNTED_BY)
    return f"SELECT {keys}, count(*) AS n_rows FROM {rows} GROUP BY {keys}"


def added_up(counts: DataFrame) -> DataFrame:
    """ops.dispositions of which a key may come twice → the same without ``run_id``, each key once."""
    return counts.groupBy(*_COUNTED_BY).agg(F.sum("n_rows").alias("n_rows"))
