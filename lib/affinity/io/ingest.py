"""What an ingest run does: each landed file becomes rows exactly once."""

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from affinity.core.errors import AuditFailed
from affinity.core.vocabulary import Feed, FileState
from affinity.features.lines import real_lines
from affinity.io.files import read_lines, stated_rows
from affinity.io.job import Inputs, Outputs
from affinity.io.kinds import Done, Work
from affinity.io.landing import Arrivals, noted
from affinity.io.ops import Row, now, to_json
from affinity.io.publication import days_of
from affinity.tables import bronze, ops
from affinity.tables.spec import TableSpec


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
