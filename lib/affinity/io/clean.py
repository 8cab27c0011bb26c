"""What a clean run does: fresh lines are judged, and the days anew from which something was taken."""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from affinity.core.errors import AuditFailed
from affinity.core.vocabulary import Disposition, Feed, FileState
from affinity.features import cleaning, links
from affinity.features.known_ids import IdFiles
from affinity.io.clean_lines import LineFinder, Lines
from affinity.io.job import SEEN_AGAIN, TOLD, Inputs, Outputs
from affinity.io.kinds import Done, Work
from affinity.io.landing import landed_days, replaced_by
from affinity.io.ops import Row
from affinity.io.plan import SETTINGS_BEFORE
from affinity.io.readings import lines_that_count, live_files, of_events, of_files
from affinity.io.session import remove_checkpoints
from affinity.io.sorting import SORTED, Judgement, sorted_out
from affinity.io.store import StagedFile
from affinity.tables import bronze, ops, silver
from affinity.tables.spec import TableSpec

if TYPE_CHECKING:
    from affinity.io.runner import Attempt

_FEW_LINES = 1_000_000
_OF_IDS = (silver.LINKS, silver.IDENTITY_CHANGES)


class CleanWork(Work):
    """Files not yet cleaned: their lines are judged beside what is known; a day that lost a line is judged anew.

    Where nothing was taken back, fresh rows are added to their days and nothing else is read or written of them. Days
    are judged anew that held rows of corrected files or of files that were read again, that hold a row which a fresh
    line comes before, or a duplicate of a row that is gone.
    """

    def __init__(self, attempt: "Attempt") -> None:
        super().__init__(attempt)
        self._finder = LineFinder(self)

    def run(self) -> Done:
        """Find the lines, judge them, add or replace their rows everywhere, balance every file."""
        files = [row for row in self.plan.manifest if row["state"] == FileState.INGESTED]
        pending = {row["file_id"]: row for row in files if row["feed"] == Feed.EVENTS}
        lines = self._finder.to_judge(pending)
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

    def _staged_lines(self, lines: Lines, *, empty_allowed: bool) -> dict[TableSpec, DataFrame]:
        """Let tasks sort the lines, and audit what they wrote."""
        written = self._sorted(lines)
        staged = {spec: self.store.staged_files(written[spec], spec) for spec in SORTED}
        counts = cleaning.added_up(staged.pop(ops.DISPOSITIONS))
        self.publication.check(staged, empty_allowed=empty_allowed)
        return staged | self.stage(Outputs({ops.DISPOSITIONS: counts}), empty_allowed=empty_allowed)

    def _sorted(self, lines: Lines) -> dict[TableSpec, list[StagedFile]]:
        """Let tasks judge the lines and write their rows."""
        root, run_id = self.platform.root, self.plan.run_id
        scratch = root.scratch(run_id)
        rivals, digests = self._finder.rivals(lines, scratch), scratch / "digests"
        n_lines, file_ids = lines.n_lines, lines.file_ids
        repeated = cleaning.duplicates(lines.rows, rivals, digests, n_lines=n_lines, file_ids=file_ids)
        repeated.write.parquet(str(scratch / "repeated"))
        judgement = Judgement(scratch / "repeated", lines.n_by_day, run_id, root.business_zone, file_ids)
        return sorted_out(lines.rows, judgement, self.store)

    def _publish(
        self, staged: Mapping[TableSpec, DataFrame], lines: Lines, files: Sequence[Row]
    ) -> dict[str, float | None]:
        fresh = staged[ops.DISPOSITIONS].select(*ops.DISPOSITIONS.column_names)
        counted = fresh.groupBy("disposition").agg(F.sum("n_rows").alias("n")).collect()
        totals = {row["disposition"]: row["n"] for row in counted}
        if totals and not lines.takes_back and not {Disposition.ACCEPTED, Disposition.DUPLICATE} & set(totals):
            raise AuditFailed(
                f"silver.events: has_rows (0 of {sum(totals.values())} lines were accepted). Nothing was published; "
                "look at what arrived by `affinity source check`, mend the mapping or the files, and run again."
            )
        counts = fresh
        if lines.takes_back:  # else no file of these has a row that was judged before
            counts = self.pinned(ops.DISPOSITIONS).where(lines.stay()).unionByName(fresh)
        balances = self._balances(counts, fresh, files)
        slices: dict[TableSpec, Sequence[date | None]] = dict.fromkeys(staged, lines.days)
        slices |= {spec: [None] if self.publication.rows[spec.full_name] else [] for spec in _OF_IDS}
        self.publication.publish(staged, slices, replaced=list(lines.undated_of), anew=lines.anew)
        self.publication.publish_manifest(balances)
        metrics: dict[str, float | None] = {f"n_{disposition}": float(n) for disposition, n in totals.items()}
        return metrics | {"n_days": float(len(lines.days)), "n_days_anew": float(len(lines.anew))}

    def _inputs(self, lines: Lines, files: Sequence[Row]) -> Inputs:
        told = self._told(lines, [row for row in files if row["feed"] == Feed.CUSTOMERS])
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

    def _told(self, lines: Lines, statements: Sequence[Row]) -> DataFrame:
        """Links of which the lines tell, and these files with statements."""
        told, releases = links.of_lines(lines.rows, lines.file_ids), self.plan.releases
        version, runs = releases.version(silver.CUSTOMERS), {row["run_id"] for row in statements}
        if version is None or not statements:
            return told
        days = [day for day, release in releases.slices(silver.CUSTOMERS).items() if release.run_id in runs]
        said = self.store.files(silver.CUSTOMERS, version, days)
        return told.unionByName(links.of_statements(said, [row["file_id"] for row in statements]))

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
        counting = cleaning.dated(lines_that_count(self.pinned(bronze.EVENTS), of_events(self.plan.manifest)))
        said_ever = links.of_statements(self.pinned(silver.CUSTOMERS))
        found = links.first_seen(standing, links.of_lines(counting), said_ever)
        return links.of_pairs(found, missed), True

    def _links(self, file_ids: Collection[str]) -> DataFrame:
        """The links of which these files are witness."""
        return of_files(self.pinned(silver.LINKS).drop("run_id"), file_ids)

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
        counted = {*by_file, *pending}
        rows = [self._balance(row, by_file) for row in of_events(self.plan.manifest) if row["file_id"] in counted]
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
