"""Stage, audit, publish, release: the only way rows get into a table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from multiprocessing.pool import ThreadPool
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from affinity.core.errors import AuditFailed
from affinity.core.vocabulary import Severity
from affinity.io.expectations import CheckResult, audit
from affinity.io.ops import Row, now
from affinity.io.platform import Platform
from affinity.io.releases import Releases
from affinity.reading.parts import Part
from affinity.tables import ops
from affinity.tables.spec import TableSpec, WriteMode

Slices = Sequence[date | None]
_AT_ONCE = 3
"""Small writes and audits wait for the driver, not for the cores."""


@dataclass
class Publication:
    """The tables of one attempt on their way to release.

    Nothing a reader trusts changes before ``release``: it appends, in one commit, which version of every table holds
    the run's slices. A run that dies earlier leaves commits without a release; the next run takes them back, or, when
    it is the same run again, completes them.
    """

    platform: Platform
    releases: Releases
    run_id: str
    attempt_id: str
    is_recovered: bool = False
    rows: dict[str, int] = field(default_factory=dict)
    _released: list[Row] = field(default_factory=list)
    _committed: set[TableSpec] = field(default_factory=set)

    def prepare(self, tables: Sequence[TableSpec]) -> None:
        """Take back what runs that died left in these tables, unless it was this very run; make or migrate them."""
        store = self.platform.store
        for spec in tables:
            if store.roll_back_unreleased(spec, self.releases.version(spec), self.run_id):
                self._committed.add(spec)
            store.ensure(spec)
        self.is_recovered = bool(self._committed)

    def stage(self, frames: Mapping[TableSpec, DataFrame], *, empty_allowed: bool) -> dict[TableSpec, DataFrame]:
        """Write all frames beside their tables, then check exactly what was written.

        Raises:
            AuditFailed: a critical check failed or an audit could not be made; the staged rows are kept for a look.
        """
        stamped = {spec: frame.withColumn("run_id", F.lit(self.run_id)) for spec, frame in frames.items()}
        with ThreadPool(_AT_ONCE) as pool:
            written = pool.starmap(self.platform.store.stage, [(f, s, self.run_id) for s, f in stamped.items()])
        staged = dict(zip(stamped, written, strict=True))
        self.check(staged, empty_allowed=empty_allowed)
        return staged

    def check(self, staged: Mapping[TableSpec, DataFrame], *, empty_allowed: bool) -> None:
        """Audit rows that were written and not committed yet, and record what was found.

        Raises:
            AuditFailed: a critical check failed or an audit could not be made; the staged rows are kept for a look.
        """

        def audited(spec: TableSpec) -> list[CheckResult]:
            results = audit(staged[spec], spec, may_be_empty=spec.may_be_empty or empty_allowed)
            self._record(spec, results)
            return results

        with ThreadPool(_AT_ONCE) as pool:
            audits = pool.map(audited, staged)
        failed: list[str] = []
        folders: list[str] = []
        for spec, results in zip(staged, audits, strict=True):
            self.rows[spec.full_name] = results[0].n_rows
            faults = [
                f"{spec.full_name}: {result.name} ({_count(result)})"
                for result in results
                if not result.is_success and result.severity is Severity.CRITICAL
            ]
            failed += faults
            folders += [str(self.platform.store.staged_at(spec, self.run_id))] if faults else []
        if failed:
            raise AuditFailed(
                f"Staged rows failed their audit: {'; '.join(failed)}. Nothing was published; yesterday's slices stay. "
                f"The staged rows are in {', '.join(folders)}; see ops.quality_results for run {self.run_id}."
            )

    def publish(
        self,
        staged: Mapping[TableSpec, DataFrame],
        slices: Mapping[TableSpec, Slices],
        *,
        replaced: Sequence[str] = (),
        anew: Slices | None = None,
    ) -> None:
        """Commit every table once, unless this very run already did before it died.

        The rows of ``slices`` are replaced; where ``anew`` is given, of these alone, and rows of others are added.
        ``replaced`` are files whose earlier rows go: of a table by file nothing else does; see ``Store.publish``.
        """
        store = self.platform.store
        for spec, frame in staged.items():
            if spec in self._committed:
                version = store.proven_version(spec, self.run_id)
            else:
                days = [day for day in (slices[spec] if anew is None else anew) if day is not None]
                version = store.publish(frame, spec, self.run_id, days, replaced=replaced)
            is_changed = version != self.releases.version(spec)  # a correction may take rows out and bring none
            self.add(spec.full_name, slices[spec] or ([None] if is_changed else []), version)

    def publish_parts(self, spec: TableSpec, parts: Sequence[Part]) -> None:
        """Commit files that tasks wrote, once, unless this very run already did before it died."""
        store = self.platform.store
        is_done = spec in self._committed
        version = store.proven_version(spec, self.run_id) if is_done else store.commit_parts(spec, parts, self.run_id)
        if version != self.releases.version(spec):
            self.add(spec.full_name, [None], version)

    def publish_manifest(self, rows: Sequence[Row]) -> None:
        """Bring the manifest up to date in one commit."""
        self.platform.ops.roll_back_unreleased(ops.FILES, self.releases.version(ops.FILES))
        version = self.platform.ops.upsert(ops.FILES, rows, self.run_id)
        self.add(ops.FILES.full_name, [None], version)

    def add(
        self, name: str, slices: Slices, version: int, digest: str | None = None, *, is_maintenance: bool = False
    ) -> None:
        """Note what ``release`` will point to."""
        stamp = {"table_name": name, "table_version": version, "digest": digest, "run_id": self.run_id}
        self._released += [{**stamp, "slice_date": day, "is_maintenance": is_maintenance} for day in slices]

    def release(self) -> dict[str, Any]:
        """Let readers see everything at once, and return table → version and rows."""
        at = now()
        self.platform.ops.append(ops.RELEASES, [{**row, "released_ts": at} for row in self._released])
        return {
            row["table_name"]: {"version": row["table_version"], "rows": self.rows.get(row["table_name"])}
            for row in self._released
        }

    def _record(self, spec: TableSpec, results: Sequence[CheckResult]) -> None:
        at = now()
        stamp = {"run_id": self.run_id, "attempt_id": self.attempt_id, "table_name": spec.full_name, "at_ts": at}
        rows = [
            {
                **stamp,
                "check_name": result.name,
                "severity": str(result.severity),
                "is_success": result.is_success,
                "n_rows": result.n_rows,
                "n_unexpected": result.n_unexpected,
            }
            for result in results
        ]
        self.platform.ops.append(ops.QUALITY_RESULTS, rows)


def _count(result: CheckResult) -> str:
    rows = f"{result.n_rows} rows"
    return rows if result.n_unexpected is None else f"{result.n_unexpected} of {rows}"


def days_of(frame: DataFrame, spec: TableSpec) -> Slices:
    """The slices that staged rows belong to; days are few, so they may come to the driver."""
    if spec.slice_column is None or spec.mode is WriteMode.APPEND_FILES:
        return [None]
    return [row[0] for row in frame.select(spec.slice_column).distinct().collect()]
