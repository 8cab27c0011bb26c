"""What a clean run does: fresh lines are judged, and the days anew from which something was taken."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from affinity.core.errors import AuditFailed
from affinity.core.vocabulary import Disposition, Feed, FileState
from affinity.features import cleaning, links
from affinity.features.cleaning import SAME_EVENT_DAYS, UNREADABLE_DATE, Rivals, counted_by_day
from affinity.features.grouped import Files, Rows
from affinity.features.known_ids import IdFiles
from affinity.io.job import SEEN_AGAIN, TOLD, Inputs, Outputs
from affinity.io.kinds import Done, Work
from affinity.io.landing import landed_days, other_names, replaced_by
from affinity.io.ops import Row, parse_date
from affinity.io.plan import SETTINGS_BEFORE
from affinity.io.readings import lines_that_count, live_files, of_files
from affinity.io.session import remove_checkpoints
from affinity.io.sorting import SORTED, Judgement, sorted_out
from affinity.io.store import StagedFile
from affinity.tables import bronze, ops, silver
from affinity.tables.spec import TableSpec

_FEW_LINES = 1_000_000
_KNOWN = ("source", "file_id", "line_no", "event_id", "event_date")
_DATES = pa.schema({"file_id": pa.string(), "file_date": pa.date32()})
_OF_IDS = (silver.LINKS, silver.IDENTITY_CHANGES)


@dataclass(frozen=True)
class _Lines:
    """What a run judges: all lines of the days ``anew``, and of other days those of its files.

    ``rows`` of ``file_ids`` alone are meant, where these are given: then tasks read the files of bronze themselves.
    """

    rows: Rows
    anew: Sequence[date]
    n_by_day: Mapping[date, int]
    file_ids: Collection[str] | None = None

    @property
    def days(self) -> list[date]:
        """The days that get or lose rows; at least one, as a release needs a slice."""
        return sorted({*self.n_by_day, *self.anew}) or [parse_date(UNREADABLE_DATE)]

    @property
    def n_lines(self) -> int:
        """How many lines are judged."""
        return sum(self.n_by_day.values())


class CleanWork(Work):
    """Files not yet cleaned: their lines are judged beside what is known; a day that lost a line is judged anew.

    Where nothing was taken back, fresh rows are added to their days and nothing else is read or written of them. Days
    are judged anew that held rows of corrected files or of files that were read again, that hold a row which a fresh
    line comes before, or a duplicate of a row that is gone.
    """

    def run(self) -> Done:
        """Find the lines, judge them, add or replace their rows everywhere, balance every file."""
        files = [row for row in self.plan.manifest if row["state"] == FileState.INGESTED]
        pending = {row["file_id"]: row for row in files if row["feed"] == Feed.EVENTS}
        lines = self._lines(pending)
        is_empty = not sum(row["n_rows"] for row in pending.values())
        outputs = Outputs()
        try:
            with ThreadPoolExecutor(1) as beside:  # of a few lines each step waits for the driver, not for the cores
                of_lines = beside.submit(self._staged_lines, lines, empty_allowed=is_empty)
                outputs = self.transform(self._inputs(lines, files))
                staged = self.stage(outputs, empty_allowed=is_empty) | of_lines.result()
        finally:
            for frame in outputs.release:
                frame.unpersist()
            remove_checkpoints(self.platform.spark, self.platform.root)
        metrics = self._publish(staged, lines, files)
        self.track(outputs, metrics)
        released = self.publication.release()
        return Done(released, self.publication.rows, metrics, is_recovered=self.publication.is_recovered)

    def _staged_lines(self, lines: _Lines, *, empty_allowed: bool) -> dict[TableSpec, DataFrame]:
        """Let tasks sort the lines, and audit what they wrote."""
        written = self._sorted(lines)
        staged = {spec: self.store.staged_files(written[spec], spec) for spec in SORTED}
        counts = cleaning.added_up(staged.pop(ops.DISPOSITIONS))
        self.publication.check(staged, empty_allowed=empty_allowed)
        return staged | self.stage(Outputs({ops.DISPOSITIONS: counts}), empty_allowed=empty_allowed)

    def _sorted(self, lines: _Lines) -> dict[TableSpec, list[StagedFile]]:
        """Let tasks judge the lines and write their rows."""
        root, run_id = self.platform.root, self.plan.run_id
        scratch = root.scratch(run_id)
        rivals, digests = self._rivals(lines, scratch), scratch / "digests"
        n_lines, file_ids = lines.n_lines, lines.file_ids
        repeated = cleaning.duplicates(lines.rows, rivals, digests, n_lines=n_lines, file_ids=file_ids)
        repeated.write.parquet(str(scratch / "repeated"))
        judgement = Judgement(scratch / "repeated", lines.n_by_day, run_id, root.business_zone, file_ids)
        return sorted_out(lines.rows, judgement, self.store)

    def _publish(
        self, staged: Mapping[TableSpec, DataFrame], lines: _Lines, files: Sequence[Row]
    ) -> dict[str, float | None]:
        fresh = staged[ops.DISPOSITIONS].select(*ops.DISPOSITIONS.column_names)
        counted = fresh.groupBy("disposition").agg(F.sum("n_rows").alias("n")).collect()
        totals = {row["disposition"]: row["n"] for row in counted}
        if totals and not lines.anew and not {Disposition.ACCEPTED, Disposition.DUPLICATE} & set(totals):
            raise AuditFailed(
                f"silver.events: has_rows (0 of {sum(totals.values())} lines were accepted). Nothing was published; "
                "look at what arrived by `affinity source check`, mend the mapping or the files, and run again."
            )
        counts = fresh
        if lines.anew:  # else no file of these has a row that was judged before
            counts = self.pinned(ops.DISPOSITIONS).where(~_is_on(lines.anew)).unionByName(fresh)
        balances = self._balances(counts, fresh, files)
        slices: dict[TableSpec, Sequence[date | None]] = dict.fromkeys(staged, lines.days)
        slices |= {spec: [None] if self.publication.rows[spec.full_name] else [] for spec in _OF_IDS}
        self.publication.publish(staged, slices, anew=lines.anew)
        self.publication.publish_manifest(balances)
        metrics: dict[str, float | None] = {f"n_{disposition}": float(n) for disposition, n in totals.items()}
        return metrics | {"n_days": float(len(lines.days)), "n_days_anew": float(len(lines.anew))}

    def _inputs(self, lines: _Lines, files: Sequence[Row]) -> Inputs:
        told = self._told(lines, [row["file_id"] for row in files if row["feed"] == Feed.CUSTOMERS])
        standing = self._links(live_files(self.plan.manifest))
        seen_again, is_anew = self._seen_again(told, standing, files)
        is_anew = is_anew or SETTINGS_BEFORE in self.plan.inputs or any(map(_was_heard_before, files))
        n_statements = sum(row["n_rows"] for row in files if row["feed"] == Feed.CUSTOMERS)
        frames = {
            silver.LINKS: standing,
            silver.IDENTITY_CHANGES: self.pinned(silver.IDENTITY_CHANGES),
        }
        named = {spec.full_name: frame for spec, frame in frames.items()}
        landed = landed_days(self.plan.manifest)
        newest = max(landed, default=max(lines.days))  # days of events may be anything: a bad clock names no day
        return Inputs(
            {**named, TOLD: told, SEEN_AGAIN: seen_again},
            as_of=newest,
            is_anew=is_anew,
            known_ids=None if is_anew else self._known_ids(),
            are_few=max(lines.n_lines, n_statements) <= _FEW_LINES,
        )

    def _known_ids(self) -> IdFiles | None:
        of_links, of_ids = (self.plan.releases.version(spec) for spec in _OF_IDS)
        if of_links is None or of_ids is None:
            return None
        known = (self.store.files(silver.LINKS, of_links), self.store.files(silver.IDENTITY_CHANGES, of_ids))
        return IdFiles(*known, live_files(self.plan.manifest), self.platform.root.index)

    def _told(self, lines: _Lines, statements: Collection[str]) -> DataFrame:
        """Links of which the lines tell, and these files with statements."""
        told, version = links.of_lines(lines.rows, lines.file_ids), self.plan.releases.version(silver.CUSTOMERS)
        if version is None or not statements:
            return told
        return told.unionByName(links.of_statements(self.store.files(silver.CUSTOMERS, version), statements))

    def _seen_again(self, told: DataFrame, standing: DataFrame, files: Sequence[Row]) -> tuple[DataFrame, bool]:
        """Links that files told of which are gone, as others tell of them; and whether any link has changed thereby.

        What a correction says once more, and most say it, is not looked for.
        """
        gone = replaced_by(self.plan.manifest, {row["file_id"] for row in files})
        nothing = standing.limit(0)
        if not gone:
            return nothing, False
        missed = links.news(self._links(gone), links.first_seen(standing, told))
        if missed.isEmpty():
            return nothing, False
        counting = cleaning.dated(lines_that_count(self.pinned(bronze.EVENTS), self._of_events()))
        said_ever = links.of_statements(self.pinned(silver.CUSTOMERS))
        found = links.first_seen(standing, links.of_lines(counting), said_ever)
        return links.of_pairs(found, missed), True

    def _links(self, file_ids: Collection[str]) -> DataFrame:
        """The links of which these files are witness."""
        return of_files(self.pinned(silver.LINKS).drop("run_id"), file_ids)

    def _of_events(self) -> list[Row]:
        """The manifest of events, without files that were refused because another source has them."""
        rows = [row for row in self.plan.manifest if row["feed"] == Feed.EVENTS]
        read = {row["file_id"] for row in rows if row["state"] != FileState.REFUSED}
        return [row for row in rows if row["state"] != FileState.REFUSED or row["file_id"] not in read]

    def _lines(self, pending: Mapping[str, Row]) -> _Lines:
        """The lines to be judged, and whose days."""
        manifest = self._of_events()
        again = {file_id for file_id, row in pending.items() if (row["n_readings"] or 1) > 1}
        judged_before = {
            file_id for file_id, row in pending.items() if row["n_accepted"] is not None
        }  # put back, unjudged
        gone = replaced_by(manifest, set(pending)) | again | judged_before
        fresh = [row for file_id, row in pending.items() if file_id not in again]
        n_fresh = counted_by_day(self._files_of(fresh), [row["file_id"] for row in fresh]) if fresh else {}
        anew = self._days_of(gone)
        anew |= _days_in(self._of_files([pending[file_id] for file_id in again])) if again else set()
        known = self._known({*n_fresh, *anew})
        if self._may_come_before(pending):
            anew |= _days_in(_behind(known.where(F.col("is_accepted")), self._of_files(list(pending.values()))))
        anew |= self._freed(known, gone) if gone else set()
        if not anew and not again and pending:
            return _Lines(self._files_of(fresh), (), n_fresh, set(pending))
        frame = self._of_files(fresh).where(~_is_on(anew)).unionByName(self._on(anew))
        return _Lines(frame, sorted(anew), _counted_by_day(frame))

    def _files_of(self, rows: Sequence[Row]) -> Files:
        """The files of bronze with lines of these files, which were read once."""
        version = self.plan.releases.version(bronze.EVENTS)
        assert version is not None
        return self.store.files(bronze.EVENTS, version, _dates_of(rows))

    def _on(self, days: Collection[date]) -> DataFrame:
        """All lines of some days that count; of files that were read again the last reading may be of another day."""
        manifest = self._of_events()
        again = [row["file_id"] for row in manifest if (row["n_readings"] or 1) > 1]
        there = self.pinned(bronze.EVENTS).where(_may_be_on(days) | F.col("file_id").isin(again))
        return cleaning.dated(lines_that_count(there, manifest)).where(_is_on(days))

    def _may_come_before(self, pending: Mapping[str, Row]) -> bool:
        """Whether a fresh file comes before one that was judged: on most nights all are newer."""
        judged = [row for row in self._of_events() if row["state"] == FileState.CLEANED]
        last: dict[str, tuple[date, str]] = {}
        for row in judged:
            last[row["source"]] = max(last.get(row["source"], _order(row)), _order(row))
        return any(_order(row) < last[row["source"]] for row in pending.values() if row["source"] in last)

    def _of_files(self, rows: Sequence[Row]) -> DataFrame:
        """The lines of these files that count; what lies in bronze by the dates of other files is not opened."""
        lines = cleaning.dated(self.pinned(bronze.EVENTS))
        if dates := _dates_of(rows):
            lines = lines.where(F.col("file_date").between(F.lit(min(dates)), F.lit(max(dates))))
        return lines_that_count(lines, rows)

    def _days_of(self, file_ids: Collection[str]) -> set[date]:
        """The days on which files that were judged before have rows."""
        if not file_ids:
            return set()
        counted = self.pinned(ops.DISPOSITIONS).where(F.col("file_id").isin(list(file_ids)))
        return _days_in(counted)

    def _known(self, days: Collection[date]) -> DataFrame:
        """Lines that were judged before and may be one event with lines of these days: accepted, or duplicates."""
        is_duplicate = F.col("disposition") == Disposition.DUPLICATE
        accepted = self.pinned(silver.EVENTS).withColumn("is_accepted", F.lit(True))
        duplicate = self.pinned(silver.QUARANTINE).where(is_duplicate).withColumn("is_accepted", F.lit(False))
        dates = [(row["file_id"], row["file_date"]) for row in self._of_events()]
        named = self.platform.spark.createDataFrame(dates, "file_id string, file_date date")
        both = [rows.select(*_KNOWN, "is_accepted") for rows in (accepted, duplicate)]
        near = both[0].unionByName(both[1]).where(_is_on(_near(days)))
        return near.join(F.broadcast(named), on="file_id", how="inner")

    def _freed(self, known: DataFrame, gone: Collection[str]) -> set[date]:
        """The days of duplicates of something that goes with its file, be it an event or another duplicate."""
        is_gone = F.col("file_id").isin(list(gone))
        lost = known.where(is_gone).select("source", "event_id").distinct()
        waiting = known.where(~F.col("is_accepted") & ~is_gone)
        return _days_in(waiting.join(lost, on=["source", "event_id"], how="left_semi"))

    def _rivals(self, lines: _Lines, scratch: Path) -> list[Rivals]:
        """Lines judged before that compete with those of the run: of days that are not judged anew."""
        dates = scratch / "dates"
        dates.mkdir(parents=True, exist_ok=True)
        named = [{"file_id": row["file_id"], "file_date": row["file_date"]} for row in self._of_events()]
        pq.write_table(pa.Table.from_pylist(named, _DATES), dates / "all.parquet")
        rivals: list[Rivals] = []
        for spec in (silver.EVENTS, silver.QUARANTINE):
            version = self.plan.releases.version(spec)
            if version is not None and (files := self.store.files(spec, version, _near(lines.days))).paths:
                rivals.append(Rivals(files, dates, lines.anew, are_duplicates=spec is silver.QUARANTINE))
        return rivals

    def _balances(self, counts: DataFrame, fresh: DataFrame, files: Sequence[Row]) -> list[Row]:
        """Manifest rows of every file with a row among the fresh ones, their dispositions counted over all days; and of
        those with statements, that they were heard.

        Raises:
            AuditFailed: the dispositions of a file do not add up to its rows.
        """
        affected = counts.join(F.broadcast(fresh.select("file_id")), on="file_id", how="left_semi")
        sums = affected.groupBy("file_id", "disposition").agg(F.sum("n_rows").alias("n_rows")).collect()
        by_file: dict[str, dict[Disposition, int]] = {}
        for row in sums:
            of_file = by_file.setdefault(row["file_id"], dict.fromkeys(Disposition, 0))
            of_file[Disposition(row["disposition"])] = row["n_rows"]
        pending = {row["file_id"] for row in files if row["feed"] == Feed.EVENTS}
        rows = [self._balance(row, by_file) for row in self._of_events() if row["file_id"] in {*by_file, *pending}]
        unbalanced = [row["path"] for row in rows if row["n_rows"] != sum(row[f"n_{d}"] for d in Disposition)]
        if unbalanced:
            raise AuditFailed(f"Dispositions do not add up to the rows of {unbalanced[:5]}; nothing was published.")
        return rows + [{**row, "state": str(FileState.CLEANED)} for row in files if row["feed"] != Feed.EVENTS]

    @staticmethod
    def _balance(row: Row, by_file: Mapping[str, Mapping[Disposition, int]]) -> Row:
        counted = by_file.get(row["file_id"]) or dict.fromkeys(Disposition, 0)
        return {**row, **{f"n_{d}": counted[d] for d in Disposition}, "state": str(FileState.CLEANED)}


def _was_heard_before(file: Row) -> bool:
    """Whether a file's links may be there from before, unheard while it was superseded: it counts again."""
    return file["n_accepted"] is not None or (file["n_readings"] or 1) > 1


def _dates_of(files: Collection[Row]) -> set[date] | None:
    """The dates by which bronze may have the lines of these files, each by any of its names; None if any may be."""
    is_undated = any(None in (row["file_date"], *other_names(row).values()) for row in files)
    return None if is_undated else set(landed_days(list(files))) or None


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
    ordinals = {day.toordinal() for day in days if str(day) != UNREADABLE_DATE}
    spread = {at + by for at in ordinals for by in range(-SAME_EVENT_DAYS, SAME_EVENT_DAYS + 1)}
    return [date.min + timedelta(days=at - 1) for at in sorted(spread)]


def _is_on(days: Iterable[date]) -> Column:
    listed = list(days)
    return F.col("event_date").isin(listed) if listed else F.lit(False)


def _may_be_on(days: Iterable[date]) -> Column:
    """``_is_on`` of bronze, in a form by which files are passed over: an unreadable time is null there."""
    listed = list(days)
    unreadable = F.col("event_date").isNull() if parse_date(UNREADABLE_DATE) in listed else F.lit(False)
    return _is_on(listed) | unreadable


def _days_in(rows: DataFrame) -> set[date]:
    return {row["event_date"] for row in rows.select("event_date").distinct().collect()}
