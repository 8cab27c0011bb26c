"""Which lines a clean run judges: the fresh ones, and those of days from which something was taken."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from affinity.core.vocabulary import Disposition, FileState
from affinity.features import cleaning
from affinity.features.cleaning import SAME_EVENT_DAYS, UNREADABLE_DATE, Rivals, counted_by_day
from affinity.features.grouped import Files, Rows
from affinity.io.kinds import Work
from affinity.io.landing import landed_days, other_names, replaced_by
from affinity.io.ops import Row, parse_date
from affinity.io.readings import lines_that_count, of_events
from affinity.tables import bronze, ops, silver

UNDATED = parse_date(UNREADABLE_DATE)
"""The day of lines without a readable time."""
_KNOWN = ("source", "file_id", "line_no", "event_id", "event_date")
_DATES = pa.schema({"file_id": pa.string(), "file_date": pa.date32()})


@dataclass(frozen=True)
class Lines:
    """What a run judges: all lines of the days ``anew``, and of other days those of its files.

    ``rows`` of ``file_ids`` alone are meant, where these are given: then tasks read the files of bronze themselves.
    ``undated_of`` are files whose lines without a readable time no longer count, if there are any: such a line competes
    with no other, so that its day, which has those of all files, is not judged anew.
    """

    rows: Rows
    anew: Sequence[date]
    n_by_day: Mapping[date, int]
    file_ids: Collection[str] | None = None
    undated_of: Collection[str] = ()

    @property
    def days(self) -> list[date]:
        """The days that get or lose rows; at least one, as a release needs a slice."""
        undated = {UNDATED} if self.undated_of else set()
        return sorted({*self.n_by_day, *self.anew, *undated}) or [UNDATED]

    @property
    def takes_back(self) -> bool:
        """Whether rows go that were judged before."""
        return bool(self.anew or self.undated_of)

    def stay(self) -> Column:
        """Whether a row that was judged before, of a day and a file, is none of those that go."""
        return ~is_on(self.anew) & ~(is_on([UNDATED]) & F.col("file_id").isin(list(self.undated_of)))

    @property
    def n_lines(self) -> int:
        """How many lines are judged."""
        return sum(self.n_by_day.values())


class LineFinder:
    """Finds lines in bronze, and what was judged before beside which they are judged."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._manifest = of_events(work.plan.manifest)

    def to_judge(self, pending: Mapping[str, Row]) -> Lines:
        """The lines to be judged, and whose days."""
        again = {file_id for file_id, row in pending.items() if (row["n_readings"] or 1) > 1}
        put_back = {file_id for file_id, row in pending.items() if row["n_accepted"] is not None}
        gone = replaced_by(self._manifest, set(pending)) | again | put_back
        fresh = [row for file_id, row in pending.items() if file_id not in again]
        n_fresh = counted_by_day(self._files_of(fresh), [row["file_id"] for row in fresh]) if fresh else {}
        were = self._days_of(gone)
        anew = were - {UNDATED}
        anew |= _days_in(self._of_files([pending[file_id] for file_id in again])) - {UNDATED} if again else set()
        known = self._known({*n_fresh, *anew})
        if self._may_come_before(pending):
            anew |= _days_in(_behind(known.where(F.col("is_accepted")), self._of_files(list(pending.values()))))
        anew |= self._freed(known, gone) if gone else set()
        undated = gone if UNDATED in were else set()
        if not anew and not again and pending:
            return Lines(self._files_of(fresh), (), n_fresh, set(pending), undated_of=undated)
        frame = self._of_files(list(pending.values())).where(~is_on(anew))
        frame = frame.unionByName(self._on(anew)) if anew else frame
        return Lines(frame, sorted(anew), _counted_by_day(frame), undated_of=undated)

    def _files_of(self, rows: Sequence[Row]) -> Files:
        """The files of bronze with lines of these files, which were read once."""
        version = self._work.plan.releases.version(bronze.EVENTS)
        assert version is not None
        return self._work.store.files(bronze.EVENTS, version, _dates_of(rows))

    def _on(self, days: Collection[date]) -> DataFrame:
        """All lines of some days that count; of files that were read again the last reading may be of another day."""
        again = [row["file_id"] for row in self._manifest if (row["n_readings"] or 1) > 1]
        there = self._work.pinned(bronze.EVENTS).where(is_on(days) | F.col("file_id").isin(again))
        return cleaning.dated(lines_that_count(there, self._manifest)).where(is_on(days))

    def _may_come_before(self, pending: Mapping[str, Row]) -> bool:
        """Whether a fresh file comes before one that was judged: on most nights all are newer."""
        judged = [row for row in self._manifest if row["state"] == FileState.CLEANED]
        last: dict[str, tuple[date, str]] = {}
        for row in judged:
            last[row["source"]] = max(last.get(row["source"], _order(row)), _order(row))
        return any(_order(row) < last[row["source"]] for row in pending.values() if row["source"] in last)

    def _of_files(self, rows: Sequence[Row]) -> DataFrame:
        """The lines of these files that count; what lies in bronze by the dates of other files is not opened."""
        dates = _dates_of(rows)
        days = [day for day in dates if day is not None]
        may_be = F.col("file_date").isNull() if None in dates else F.lit(False)
        if days:
            may_be |= F.col("file_date").between(F.lit(min(days)), F.lit(max(days)))
        return lines_that_count(cleaning.dated(self._work.pinned(bronze.EVENTS).where(may_be)), rows)

    def _days_of(self, file_ids: Collection[str]) -> set[date]:
        """The days on which files that were judged before have rows."""
        if not file_ids:
            return set()
        counted = self._work.pinned(ops.DISPOSITIONS).where(F.col("file_id").isin(list(file_ids)))
        return _days_in(counted)

    def _known(self, days: Collection[date]) -> DataFrame:
        """Lines that were judged before and may be one event with lines of these days: accepted, or duplicates."""
        is_duplicate = F.col("disposition") == Disposition.DUPLICATE
        accepted = self._work.pinned(silver.EVENTS).withColumn("is_accepted", F.lit(True))
        duplicate = self._work.pinned(silver.QUARANTINE).where(is_duplicate).withColumn("is_accepted", F.lit(False))
        dates = [(row["file_id"], row["file_date"]) for row in self._manifest]
        named = self._work.platform.spark.createDataFrame(dates, "file_id string, file_date date")
        both = [rows.select(*_KNOWN, "is_accepted") for rows in (accepted, duplicate)]
        near = both[0].unionByName(both[1]).where(is_on(_near(days)))
        return near.join(F.broadcast(named), on="file_id", how="inner")

    def _freed(self, known: DataFrame, gone: Collection[str]) -> set[date]:
        """The days of duplicates of something that goes with its file, be it an event or another duplicate."""
        is_gone = F.col("file_id").isin(list(gone))
        lost = known.where(is_gone).select("source", "event_id").distinct()
        waiting = known.where(~F.col("is_accepted") & ~is_gone)
        return _days_in(waiting.join(lost, on=["source", "event_id"], how="left_semi"))

    def rivals(self, lines: Lines, scratch: Path) -> list[Rivals]:
        """Lines judged before that compete with those of the run: of days that are not judged anew."""
        dates = scratch / "dates"
        dates.mkdir(parents=True, exist_ok=True)
        named = [{"file_id": row["file_id"], "file_date": row["file_date"]} for row in self._manifest]
        pq.write_table(pa.Table.from_pylist(named, _DATES), dates / "all.parquet")
        rivals: list[Rivals] = []
        for spec in (silver.EVENTS, silver.QUARANTINE):
            version = self._work.plan.releases.version(spec)
            if version is not None and (files := self._work.store.files(spec, version, _near(lines.days))).paths:
                rivals.append(Rivals(files, dates, lines.anew, are_duplicates=spec is silver.QUARANTINE))
        return rivals


def _dates_of(files: Collection[Row]) -> set[date | None]:
    """The dates by which bronze may have the lines of these files, each by any of its names; None is none."""
    is_undated = any(None in (row["file_date"], *other_names(row).values()) for row in files)
    return {*landed_days(list(files)), *([None] if is_undated else [])}


def _counted_by_day(lines: DataFrame) -> dict[date, int]:
    return {row[0]: row[1] for row in lines.groupBy("event_date").count().collect()}


def _order(row: Row) -> tuple[date, str]:
    """The order of files: by nominal date, those without one last, then by digest."""
    return row["file_date"] or date.max, row["file_id"]


def _behind(accepted: DataFrame, fresh: DataFrame) -> DataFrame:
    """Accepted rows that are one event with a fresh line which comes before them."""
    names = ("source", "event_id", "event_date")
    lines = fresh.where(F.col("rejection").isNull()).select(
        *(F.col(name).alias(f"fresh_{name}") for name in (*names, "file_date", "file_id"))
    )
    is_one = (
        (F.col("source") == F.col("fresh_source"))
        & (F.col("event_id") == F.col("fresh_event_id"))
        & (F.abs(F.datediff("event_date", "fresh_event_date")) <= SAME_EVENT_DAYS)
    )
    return accepted.join(lines, on=is_one & (_place("fresh_") < _place("")), how="left_semi")


def _place(prefix: str) -> Column:
    """``_order`` as a column."""
    dated = F.coalesce(F.col(f"{prefix}file_date"), F.lit(date.max))
    return F.struct(dated.alias("file_date"), F.col(f"{prefix}file_id").alias("file_id"))


def _near(days: Iterable[date]) -> list[date]:
    """The days on which a line may be that is one event with a line of ``days``."""
    ordinals = {day.toordinal() for day in days if day != UNDATED}
    spread = {at + by for at in ordinals for by in range(-SAME_EVENT_DAYS, SAME_EVENT_DAYS + 1)}
    return [date.min + timedelta(days=at - 1) for at in sorted(spread)]


def is_on(days: Iterable[date]) -> Column:
    """Whether a row is of one of the days."""
    listed = list(days)
    return F.col("event_date").isin(listed) if listed else F.lit(False)


def _days_in(rows: DataFrame) -> set[date]:
    return {row["event_date"] for row in rows.select("event_date").distinct().collect()}
