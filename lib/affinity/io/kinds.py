"""What a run does, by the kind of its job."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from affinity.core.vocabulary import Status
from affinity.features.identities import holding, known_before, of_customers
from affinity.io.job import Challenger, DaysInFiles, Inputs, Kind, Outputs
from affinity.io.landing import landed_days
from affinity.io.plan import job_settings
from affinity.io.publication import Publication
from affinity.io.readings import live_files, of_files
from affinity.io.session import remove_checkpoints
from affinity.metrics.gate import Decision, decide
from affinity.tables import silver
from affinity.tables.catalog import OF_SUBJECTS
from affinity.tables.spec import ModelSpec, TableSpec

if TYPE_CHECKING:
    from affinity.io.runner import Attempt
    from affinity.io.tracking import Registered

_CUSTOMERS_OF_TASKS = 5_000_000


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


class SliceWork(Work):
    """One ``as_of``: inputs cut at it, a slice or a model out of it."""

    def __init__(self, attempt: "Attempt") -> None:
        super().__init__(attempt)
        self._identities: dict[date, DataFrame] = {}

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
        frames = {spec.full_name: self._cut(spec, as_of) for spec in (*tables, *self.job.optional_tables)}
        return Inputs(
            frames,
            models,
            as_of,
            days_in_files=partial(self._days_in_files, as_of),
            in_files=self._in_files,
            identities_at=self._identities_at,
        )

    def _in_files(self, rows: DataFrame) -> Path:
        folder = self.platform.root.scratch(self.plan.run_id)
        rows.write.parquet(str(folder))
        return folder

    def _days_in_files(self, as_of: date) -> DaysInFiles | None:
        version = self.plan.releases.version(silver.SUBJECT_DAILY)
        if version is None:
            return None
        customers = self._in_files(known_before(self._identities_at(as_of), as_of))
        n_customers = sum(pq.read_metadata(path).num_rows for path in customers.glob("*.parquet"))
        if n_customers > _CUSTOMERS_OF_TASKS:
            return None
        return DaysInFiles(self.store.files(silver.SUBJECT_DAILY, version), customers)

    def _cut(self, spec: TableSpec, as_of: date) -> DataFrame:
        """What was known before ``as_of``, and of whom by then; of a gold table the slice itself.

        No transform ever sees more.
        """
        rows = self.pinned(spec)
        if spec.slice_column is not None:
            cut = F.col(spec.slice_column)
            rows = rows.where(cut == F.lit(as_of) if spec.slice_column == "as_of_date" else cut < F.lit(as_of))
        return of_customers(rows, self._identities_at(as_of), as_of) if spec in OF_SUBJECTS else rows

    def _identities_at(self, as_of: date) -> DataFrame:
        """Whose ids are whose, or, where links were seen since a date, what those from before it tell."""
        if as_of not in self._identities:
            found = self._resolved_at(as_of)
            self._identities[as_of] = holding(self.pinned(silver.IDENTITY_CHANGES)) if found is None else found
        return self._identities[as_of]

    def _resolved_at(self, as_of: date) -> DataFrame | None:
        """Whose ids are whose by the links of before a date; None where there are no others."""
        by, landed = self.job.identified_by, landed_days(self.plan.manifest)
        if by is None or by.resolve is None or (landed and max(landed) < as_of):
            return None  # before the day has landed only clocks that go fast have a link of it
        links = of_files(self.pinned(silver.LINKS), live_files(self.plan.manifest))
        is_known = F.col("first_date") < F.lit(as_of)
        if links.where(~is_known).isEmpty():
            return None
        found = by.resolve(links.where(is_known), job_settings(self.platform.config, by))
        return self.platform.spark.read.parquet(str(self._in_files(found)))

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
    from affinity.io.clean import CleanWork
    from affinity.io.ingest import IngestWork
    from affinity.io.maintenance import MaintainWork
    from affinity.io.replay import ReplayWork

    by_kind = {
        Kind.INGEST: IngestWork,
        Kind.REPLAY: ReplayWork,
        Kind.CLEAN: CleanWork,
        Kind.MAINTAIN: MaintainWork,
    }
    return by_kind.get(attempt.job.kind, SliceWork)(attempt)
