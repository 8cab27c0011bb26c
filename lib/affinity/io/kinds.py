"""What a run does, by the kind of its job."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from affinity.core.errors import AuditFailed
from affinity.core.vocabulary import Disposition, Feed, FileState, Status
from affinity.features.lines import real_lines
from affinity.features.times import UNREADABLE_DATE
from affinity.io.files import read_lines, stated_rows
from affinity.io.job import Challenger, Inputs, Kind, Outputs
from affinity.io.landing import Arrivals, noted, replaced_by
from affinity.io.ops import Row, now, parse_date, to_json
from affinity.io.publication import Publication, days_of
from affinity.io.session import remove_checkpoints
from affinity.metrics.gate import Decision, decide
from affinity.tables import bronze, ops, silver
from affinity.tables.spec import ModelSpec, TableSpec

if TYPE_CHECKING:
    from affinity.io.runner import Attempt
    from affinity.io.tracking import Registered


@dataclass(frozen=True)
class Done:
    """What a finished run has to tell."""

    outputs: Mapping[str, Any]
    rows: dict[str, int]
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    status: Status = Status.DONE
    reason: str | None = None
    is_recovered: bool = False


class Work:
    """The common ground of all kinds: one attempt, its store, its publication."""

    def __init__(self, attempt: "Attempt") -> None:
        self.plan = attempt.plan
        self.job = attempt.job
        self.platform = attempt.platform
        self.store = self.platform.store
        self.publication = Publication(self.platform, self.plan.releases, self.plan.run_id, attempt.attempt_id)
        self.publication.prepare(self.job.tables_written)

    def run(self) -> Done:
        """Do it."""
        raise NotImplementedError

    def transform(self, inputs: Inputs) -> Outputs:
        """Call the job's pure function."""
        return self.job.transform(inputs, self.plan.settings)

    def stage(self, outputs: Outputs, *, empty_allowed: bool = False) -> dict[TableSpec, DataFrame]:
        """Stage all tables; frames that several of them share are computed once."""
        for frame in outputs.shared:
            frame.persist()
        try:
            return self.publication.stage(outputs.tables, empty_allowed=empty_allowed)
        finally:
            for frame in outputs.shared:
                frame.unpersist()

    def track(self, outputs: Outputs, metrics: Mapping[str, float | None]) -> str:
        """Tell MLflow."""
        return self.platform.tracker.log(self.plan, outputs, metrics)

    def pinned(self, spec: TableSpec) -> DataFrame:
        """A table at its released version."""
        return self.store.read(spec, self.plan.releases.version(spec))


class IngestWork(Work):
    """New files: read once, counted twice, appended or upserted, noted in the manifest."""

    def run(self) -> Done:
        """Read what is new, publish it, bring the manifest up to date, release."""
        arrivals = self.plan.arrivals
        assert arrivals is not None
        n_lines: dict[str, int] = {}
        counted: dict[str, dict[str, int]] = {}
        if arrivals.new:  # else there are only other names, or an earlier content put back
            n_lines, counted = self._ingest(arrivals)
        self.publication.publish_manifest(self._manifest(n_lines, counted))
        metrics = {"n_files": float(len(arrivals.new)), "n_rows": float(sum(n_lines.values()))}
        self.track(Outputs(), metrics)
        released = self.publication.release()
        return Done(released, self.publication.rows, metrics, is_recovered=self.publication.is_recovered)

    def _ingest(self, arrivals: Arrivals) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
        """Read the new files once, reconcile lines with rows, publish; lines and defects per file."""
        assert self.plan.mapping is not None
        lines = read_lines(self.platform.spark, arrivals.new, self.plan.mapping)
        root = self.platform.root
        inputs = Inputs(
            {"lines": lines}, business_zone=root.business_zone, key_file=root.key_file, mapping=self.plan.mapping
        )
        outputs = self.transform(inputs)
        n_lines = self._count_lines(lines)
        staged = self.stage(outputs, empty_allowed=not sum(n_lines.values()))
        counted = self._defects(staged, n_lines)
        slices = {spec: days_of(frame, spec) for spec, frame in staged.items()}
        self.publication.publish(staged, slices, list(arrivals.supersedes))
        return n_lines, counted

    def _count_lines(self, lines: DataFrame) -> dict[str, int]:
        """Lines per file but for the header and blank ones, counted before anything is parsed.

        Raises:
            AuditFailed: a file that states its number of rows was not read to that number.
        """
        assert self.plan.mapping is not None
        assert self.plan.arrivals is not None
        counts = real_lines(lines, self.plan.mapping).groupBy("file_id").count().collect()
        n_lines = {row["file_id"]: row["count"] for row in counts}
        stated = stated_rows(self.plan.arrivals.new, self.plan.mapping)
        wrong = [file.name for file, n_rows in stated.items() if n_lines.get(file.file_id, 0) != n_rows]
        if wrong:
            raise AuditFailed(
                f"Fewer or more rows were read than these files state: {wrong[:5]}. Nothing was published."
            )
        return n_lines

    def _defects(self, staged: Mapping[TableSpec, DataFrame], n_lines: Mapping[str, int]) -> dict[str, dict[str, int]]:
        """Defect flags per file of the events feed.

        Raises:
            AuditFailed: staged rows and landed lines differ in number for some file.
        """
        if self.job.feed is not Feed.EVENTS:
            return {}
        rows = staged[bronze.EVENTS]
        n_rows = {row["file_id"]: row["count"] for row in rows.groupBy("file_id").count().collect()}
        if n_rows != dict(n_lines):
            raise AuditFailed(
                f"Lines and rows differ: {sum(n_lines.values())} lines landed, {sum(n_rows.values())} rows staged. "
                "Nothing was published; this is a defect of the parser or the mapping."
            )
        flagged = rows.select("file_id", F.explode("defects").alias("defect")).groupBy("file_id", "defect").count()
        counted: dict[str, dict[str, int]] = {}
        for row in flagged.collect():
            counted.setdefault(row["file_id"], {})[row["defect"]] = row["count"]
        return counted

    def _manifest(self, n_lines: Mapping[str, int], counted: Mapping[str, Mapping[str, int]]) -> list[Row]:
        plan, arrivals = self.plan, self.plan.arrivals
        assert arrivals is not None
        assert plan.mapping is not None
        known = {row["file_id"]: row for row in plan.manifest}
        at = now()
        blank: Row = dict.fromkeys(ops.FILES.column_names)
        fresh = [
            {
                **blank,
                "source": plan.mapping.name,
                "feed": str(self.job.feed),
                "file_id": file.file_id,
                "path": file.name,
                "also_seen_as": known.get(file.file_id, blank)["also_seen_as"],
                "file_date": file.file_date,
                "n_bytes": file.n_bytes,
                "state": str(FileState.INGESTED),
                "n_rows": n_lines.get(file.file_id, 0),
                "defects": to_json(counted[file.file_id]) if file.file_id in counted else None,
                "ingested_ts": at,
                "run_id": plan.run_id,
            }
            for file in arrivals.new
        ]
        return noted(plan.manifest, arrivals, fresh)


class CleanWork(Work):
    """Files not yet cleaned: the days they touch are judged anew, all others stay as they are."""

    def run(self) -> Done:
        """Find the touched days, judge their lines, replace those days everywhere, balance every file."""
        plan = self.plan
        pending = {row["file_id"]: row for row in plan.manifest if row["state"] == FileState.INGESTED}
        replaced = replaced_by(plan.manifest, set(pending))
        live = [row["file_id"] for row in plan.manifest if row["state"] != FileState.SUPERSEDED]
        arrived = self.pinned(bronze.EVENTS).withColumn(
            "event_date", F.coalesce("event_date", F.to_date(F.lit(UNREADABLE_DATE)))
        )
        days = self._days(arrived, [*pending, *replaced])
        lines = self._of_files(arrived.where(F.col("event_date").isin(days)), live)
        before = self.pinned(silver.EVENTS).where(F.col("event_date").isin(days))
        outputs = self.transform(Inputs({bronze.EVENTS.full_name: lines, silver.EVENTS.full_name: before}))
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

    def _days(self, arrived: DataFrame, file_ids: Sequence[str]) -> list[date]:
        """The days of these files; the sentinel day stands in where they have no row at all."""
        found = self._of_files(arrived, file_ids).select("event_date").distinct().collect()
        return sorted(row["event_date"] for row in found) or [parse_date(UNREADABLE_DATE)]

    def _of_files(self, lines: DataFrame, file_ids: Sequence[str]) -> DataFrame:
        wanted = self.platform.spark.createDataFrame([(file_id,) for file_id in file_ids], "file_id string")
        return lines.join(F.broadcast(wanted), on="file_id", how="left_semi")

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


class SliceWork(Work):
    """One ``as_of``: inputs cut at it, a slice or a model out of it."""

    def run(self) -> Done:
        """Read what was known, transform, publish the slice, and let the gate decide on a challenger."""
        as_of = self.plan.request.as_of
        assert as_of is not None
        outputs = Outputs()
        try:
            outputs = self.transform(self._inputs(as_of))
            stamped = {s: f.withColumn("as_of_date", F.lit(as_of)) for s, f in outputs.tables.items()}
            staged = self.stage(Outputs(stamped, shared=outputs.shared))
            self.publication.publish(staged, {spec: [as_of] for spec in staged})
            mlflow_id = self.track(outputs, outputs.metrics)
            decision, champion = self._gate(outputs.challenger, as_of, mlflow_id)
            released = self.publication.release()
            self._promote(champion, as_of)
        finally:
            for frame in outputs.release:
                frame.unpersist()
            remove_checkpoints(self.platform.spark, self.platform.root)
        status = Status.KEPT if decision and not decision.is_promoted else Status.DONE
        reason = decision.reason if decision else None
        return Done(
            released, self.publication.rows, outputs.metrics, status, reason, is_recovered=self.publication.is_recovered
        )

    def _inputs(self, as_of: date) -> Inputs:
        tables = [spec for spec in self.job.reads if isinstance(spec, TableSpec)]
        models = {s.full_name: self.platform.tracker.load(s, r) for s, r in self.plan.models.items()}
        return Inputs({spec.full_name: self._cut(spec, as_of) for spec in tables}, models, as_of)

    def _cut(self, spec: TableSpec, as_of: date) -> DataFrame:
        """What was known before ``as_of``; of a gold table the slice itself. No transform ever sees more."""
        rows = self.pinned(spec)
        if spec.slice_column is None:
            return rows
        cut = F.col(spec.slice_column)
        return rows.where(cut == F.lit(as_of) if spec.slice_column == "as_of_date" else cut < F.lit(as_of))

    def _gate(
        self, challenger: Challenger | None, as_of: date, mlflow_id: str
    ) -> "tuple[Decision | None, Registered | None]":
        """What the gate says of a challenger, and the challenger if it passed."""
        if challenger is None:
            return None, None
        facts = {**self.plan.settings.model_dump(), "trained_as_of": as_of}
        registered = self.platform.tracker.register(challenger, self.plan.run_id, mlflow_id, facts)
        champion = self._champion_metric(challenger.spec, challenger.metric_name, as_of)
        name, metric = challenger.metric_name, challenger.metric
        decision = decide(name, metric, challenger.baseline, champion, challenger.max_drop)
        if not decision.is_promoted:
            return decision, None
        self.publication.add(challenger.spec.full_name, [as_of], registered.version, registered.digest)
        return decision, registered

    def _promote(self, champion: "Registered | None", as_of: date) -> None:
        """Let MLflow's alias follow the release; a backfill leaves it with the model of the youngest data."""
        if champion is not None and all(
            day is None or day <= as_of for day in self.plan.releases.slices(champion.spec)
        ):
            self.platform.tracker.promote(champion)

    def _champion_metric(self, spec: ModelSpec, name: str, as_of: date) -> float | None:
        champion = self.plan.releases.model(spec, as_of)
        return None if champion is None else self.platform.metric(champion.run_id, name)


def work_of(attempt: "Attempt") -> Work:
    """The work of an attempt's job."""
    kind = attempt.job.kind
    if kind is Kind.MAINTAIN:
        from affinity.io.maintenance import MaintainWork

        return MaintainWork(attempt)
    return {Kind.INGEST: IngestWork, Kind.CLEAN: CleanWork}.get(kind, SliceWork)(attempt)
