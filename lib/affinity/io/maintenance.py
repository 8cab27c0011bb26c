"""Upkeep: rows past their retention go, small files become large ones, and files nothing needs are removed."""

import shutil
from datetime import timedelta

from affinity.io.kinds import Done, Work
from affinity.io.ops import has_old_files, is_fragmented, to_json
from affinity.io.session import remove_old_checkpoints, setting
from affinity.tables import ops
from affinity.tables.catalog import LOG_TABLES
from affinity.tables.spec import TableSpec

_COMMIT_METADATA = "spark.databricks.delta.commitInfo.userMetadata"


class MaintainWork(Work):
    """Every released table in turn; its release moves to the version that holds the same rows in better files."""

    def run(self) -> Done:
        """Apply retention, OPTIMIZE and VACUUM to each table, and release its new version."""
        with setting(self.platform.spark, _COMMIT_METADATA, to_json({"run_id": self.plan.run_id})):
            released = [spec for spec in self.job.tables_written if self.plan.releases.version(spec) is not None]
            expired = {spec.full_name: self._maintain(spec) for spec in released}
        for log in LOG_TABLES:
            self._compact(log)
        remove_old_checkpoints(self.platform.root)
        metrics: dict[str, float | None] = {f"n_expired.{name}": float(n) for name, n in expired.items() if n}
        return Done(self.publication.release(), {}, metrics)

    def _maintain(self, spec: TableSpec) -> int:
        """One table; what has nothing to expire, to compact or to remove is left as it is, commit included."""
        spark, path = self.platform.spark, self.platform.root.table(spec)
        n_expired = self._expire(spec)
        if is_fragmented(self.platform.root, spec):
            spark.sql(f"OPTIMIZE delta.`{path}`")
        if has_old_files(self.platform.root, spec):
            spark.sql(f"VACUUM delta.`{path}`")
        for unfinished in path.glob("*/*/_temporary"):  # of runs that died: nobody else writes while we do
            shutil.rmtree(unfinished)
        if (version := self.store.version(spec)) != self.plan.releases.version(spec):
            self.publication.add(spec.full_name, [None], version, is_maintenance=True)
        return n_expired

    def _compact(self, log: TableSpec) -> None:
        """One log; the manifest is read by its release, which must follow it, and what was not released is nothing."""
        if log is not ops.FILES:
            self.platform.ops.compact(log)
        elif (released := self.plan.releases.version(log)) is not None:
            self.platform.ops.roll_back_unreleased(log, released)
            if (version := self.platform.ops.compact(log)) != released:
                self.publication.add(log.full_name, [None], version, is_maintenance=True)

    def _expire(self, spec: TableSpec) -> int:
        """Delete rows older than the retention of the table, counted from ``as_of``; return how many."""
        as_of = self.plan.request.as_of
        if spec.retention_days is None or as_of is None:
            return 0
        oldest = as_of - timedelta(days=spec.retention_days)
        path = self.platform.root.table(spec)
        is_old = f"{spec.slice_column} < DATE '{oldest}' AND {spec.slice_column} > DATE '1970-01-01'"
        row = self.platform.spark.sql(f"DELETE FROM delta.`{path}` WHERE {is_old}").first()
        return int(row[0]) if row else 0
