"""What a clean run does: the days that files touch are judged anew."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from affinity.core.errors import AuditFailed
from affinity.core.vocabulary import Disposition, FileState
from affinity.features import cleaning
from affinity.features.cleaning import UNREADABLE_DATE
from affinity.io.job import RIVALS, Inputs
from affinity.io.kinds import Done, Work
from affinity.io.landing import replaced_by
from affinity.io.ops import Row, parse_date
from affinity.io.readings import lines_that_count, of_files
from affinity.tables import bronze, ops, silver
from affinity.tables.spec import TableSpec


class CleanWork(Work):
    """Files not yet cleaned: the days they touch are judged anew, all others stay as they are."""

    def run(self) -> Done:
        """Find the touched days, judge their lines, replace those days everywhere, balance every file."""
        plan = self.plan
        pending = {row["file_id"]: row for row in plan.manifest if row["state"] == FileState.INGESTED}
        replaced = replaced_by(plan.manifest, set(pending))
        arrived = self.pinned(bronze.EVENTS).withColumn(
            "event_date", F.coalesce("event_date", F.to_date(F.lit(UNREADABLE_DATE)))
        )
        counting = lines_that_count(arrived, plan.manifest)
        days = self._days(of_files(arrived, [*pending, *replaced]), counting)  # a reading that no more counts had a day
        outputs = self.transform(self._inputs(counting, days))
        is_empty = not sum(row["n_rows"] for row in pending.values())
        staged = self.stage(outputs, empty_allowed=is_empty)
        slices: dict[TableSpec, Sequence[date | None]] = dict.fromkeys(staged, days)
        slices |= {silver.IDENTITIES: [None], ops.TOUCHED: [None]}
        metrics = self._publish(staged, slices, days, list(pending))
        self.track(outputs, metrics)
        released = self.publication.release()
        return Done(released, self.publication.rows, metrics, is_recovered=self.publication.is_recovered)

    def _publish(
        self,
        staged: Mapping[TableSpec, DataFrame],
        slices: Mapping[TableSpec, Sequence[date | None]],
        days: Sequence[date],
        pending: Sequence[str],
    ) -> dict[str, float | None]:
        fresh = staged[ops.DISPOSITIONS].select(*ops.DISPOSITIONS.column_names)
        kept = self.pinned(ops.DISPOSITIONS).where(~F.col("event_date").isin(list(days)))
        balances = self._balances(kept.unionByName(fresh), fresh, pending)
        self.publication.publish(staged, slices)
        self.publication.publish_manifest(balances)
        totals = fresh.groupBy("disposition").agg(F.sum("n_rows").alias("n")).collect()
        metrics: dict[str, float | None] = {f"n_{row['disposition']}": float(row["n"]) for row in totals}
        return metrics | {"n_days": float(len(days))}

    def _days(self, fresh: DataFrame, counting: DataFrame) -> list[date]:
        """The days of fresh rows, and of other rows with their ids; the sentinel day where there is no row at all."""
        days = {row["event_date"] for row in fresh.select("event_date").distinct().collect()}
        others = self._elsewhere(counting, cleaning.with_native_id(fresh), days)
        if others is not None:
            days |= {row["event_date"] for row in others.select("event_date").distinct().collect()}
        return sorted(days) or [parse_date(UNREADABLE_DATE)]

    def _inputs(self, counting: DataFrame, days: Sequence[date]) -> Inputs:
        """The rows of the days, before and now, and their rivals: rows of other days with the id of one of them.

        An id has rows on several days only where a source sent it again with another time. Of one that has, all but
        one are duplicates: those of the days as they are, or as the fresh rows will make them, which ``_days`` adds.
        """
        is_touched = F.col("event_date").isin(list(days))
        losers = self.pinned(silver.QUARANTINE).where(is_touched & (F.col("disposition") == Disposition.DUPLICATE))
        rivals = self._elsewhere(counting, cleaning.with_native_id(losers), days)
        before = self.pinned(silver.EVENTS).where(is_touched)
        frames = {bronze.EVENTS.full_name: counting.where(is_touched), silver.EVENTS.full_name: before}
        return Inputs(frames if rivals is None else {**frames, RIVALS: rivals})

    def _elsewhere(self, counting: DataFrame, ids: DataFrame, days: Collection[date]) -> DataFrame | None:
        """Rows of other days with these ids; None where there is no such id or no other day, which spares a join."""
        sources = [row["source"] for row in ids.select("source").distinct().collect()]
        others = counting.where(F.col("source").isin(sources) & ~F.col("event_date").isin(list(days)))
        if not sources or others.isEmpty():
            return None
        return others.join(ids.select("source", "event_id").distinct(), on=["source", "event_id"], how="left_semi")

    def _balances(self, counts: DataFrame, fresh: DataFrame, pending: Sequence[str]) -> list[Row]:
        """Manifest rows of every file with a row in the touched days, their dispositions counted over all days.

        Raises:
            AuditFailed: the dispositions of a file do not add up to its rows.
        """
        affected = counts.join(fresh.select("file_id").distinct(), on="file_id", how="left_semi")
        sums = affected.groupBy("file_id").pivot("disposition", [str(d) for d in Disposition]).sum("n_rows").collect()
        by_file = {row["file_id"]: {d: row[str(d)] or 0 for d in Disposition} for row in sums}
        rows = [self._balance(row, by_file) for row in self.plan.manifest if row["file_id"] in {*by_file, *pending}]
        unbalanced = [row["path"] for row in rows if row["n_rows"] != sum(row[f"n_{d}"] for d in Disposition)]
        if unbalanced:
            raise AuditFailed(f"Dispositions do not add up to the rows of {unbalanced[:5]}; nothing was published.")
        return rows

    @staticmethod
    def _balance(row: Row, by_file: Mapping[str, Mapping[Disposition, int]]) -> Row:
        counted = by_file.get(row["file_id"]) or dict.fromkeys(Disposition, 0)
        return {**row, **{f"n_{d}": counted[d] for d in Disposition}, "state": str(FileState.CLEANED)}
