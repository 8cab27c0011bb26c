"""From bronze lines to true events: one disposition for every row."""

from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType

from pyspark.sql import DataFrame, Window
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
_N_GROUPS = 32


def dated(lines: DataFrame) -> DataFrame:
    """Rows of bronze.events with ``event_date`` 1970-01-01 where the time is unreadable."""
    return lines.withColumn("event_date", F.coalesce("event_date", F.to_date(F.lit(UNREADABLE_DATE))))


def duplicates(lines: Rows, rivals: DataFrame, scratch: Path, *, file_ids: Collection[str] | None = None) -> DataFrame:
    """Which lines repeat an event: rows of bronze.events → ``source, file_id, line_no`` of those that do.

    Of lines with one id whose days are at most a week apart, and that their source takes, the first counts: of the
    file with the earliest nominal date (files without one come last), then with the lesser digest, the first line of
    it. ``rivals`` are lines that were judged before, with ``source, file_id, line_no, event_id, event_date,
    file_date``: they compete, and are not among those that come out. With ``file_ids`` only lines of these are meant.

    Only digests of ids cross the network for all lines; those that come twice go to ``scratch``, where tasks find them,
    and the lines that have one of them are compared.
    """
    taken, others = _competing(file_ids), f"SELECT {', '.join(_COMPETING)} FROM {ARRIVED}"
    ways = [(lines, taken), (rivals, others)]
    blocks = [cut(rows, _digests(of_them)) for rows, of_them in ways]
    twice = f"SELECT digest FROM {ARRIVED} GROUP BY digest HAVING count(*) > 1"
    repeated = in_blocks(blocks[0].unionByName(blocks[1]), _N_GROUPS, twice, {"digest": "bigint"})
    repeated.write.parquet(str(scratch))
    columns = {name: _TYPES[name] for name in _COMPETING}
    found = [mapped(rows, _those_with(scratch, of_them), columns) for rows, of_them in ways]
    return _not_first(*found)


def with_ids(events: Files, ids: Path) -> DataFrame:
    """The rows of silver.events that have one of some ids, as tasks read both: ``ids`` has source and event_id.

    Columns out: source, file_id, line_no, event_id, event_date.
    """
    named = [name for name in _COMPETING if name != "file_date"]
    found = f"SELECT {', '.join(named)} FROM {ARRIVED} SEMI JOIN {parquet(ids)} USING (source, event_id)"
    return mapped(events, found, {name: _TYPES[name] for name in named})


def few_duplicates(lines: DataFrame, rivals: DataFrame) -> DataFrame:
    """``duplicates`` of lines that are few: they are sent to their rivals, however many those are."""
    digest = F.xxhash64("source", "event_id").alias("digest")
    here, there = (rows.select(*_COMPETING, digest) for rows in (lines.where(F.col("rejection").isNull()), rivals))
    near = there.join(F.broadcast(here.select("digest")), on="digest", how="left_semi")
    return _not_first(here.drop("digest"), near.drop("digest"))


def _not_first(here: DataFrame, there: DataFrame) -> DataFrame:
    """Of lines here those that come after another of their id, here or there."""
    suspects = here.withColumn("is_here", F.lit(True)).unionByName(there.withColumn("is_here", F.lit(False)))
    place = F.struct(F.coalesce("file_date", F.to_date(F.lit(_NO_DATE))).alias("file_date"), "file_id", "line_no")
    day = F.datediff("event_date", F.to_date(F.lit(_DAY_ZERO)))
    near = Window.partitionBy("source", "event_id").orderBy(day).rangeBetween(-SAME_EVENT_DAYS, SAME_EVENT_DAYS)
    ranked = suspects.select(*_LINE, "is_here", place.alias("place"), F.min(place).over(near).alias("first_place"))
    return ranked.where(F.col("is_here") & (F.col("place") > F.col("first_place"))).select(*_LINE)


def _competing(file_ids: Collection[str] | None) -> str:
    """The lines that their source takes."""
    columns = {**dict.fromkeys(_COMPETING), "event_date": DATED}
    named = ", ".join(f"{value or name} AS {name}" for name, value in columns.items())
    return f"SELECT {named} FROM {ARRIVED} WHERE rejection IS NULL AND {is_of_files(file_ids)}"


def is_of_files(file_ids: Collection[str] | None) -> str:
    """Whether a line is of one of these files; of None, true."""
    if file_ids is None:
        return "true"
    named = ", ".join(f"'{file_id}'" for file_id in sorted(file_ids))
    return f"file_id IN ({named})"


def _digests(rows: str) -> str:
    return f"SELECT digest, (digest % {_N_GROUPS})::INTEGER AS {GROUP} FROM (SELECT {_DIGEST} AS digest FROM ({rows}))"


def _those_with(digests: Path, rows: str) -> str:
    return f"FROM ({rows}) WHERE {_DIGEST} IN (SELECT digest FROM {parquet(digests)})"


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
