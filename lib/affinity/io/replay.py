"""What a replay does: rejected lines are read again, and those that the mapping now takes are added once."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from affinity.core.errors import AuditFailed
from affinity.core.vocabulary import Defect, FileState
from affinity.features.repeated import numbered
from affinity.io.files import Batch, Place, written
from affinity.io.ingest import IngestWork, Source, check_unchanged
from affinity.io.job import Inputs, Outputs
from affinity.io.kinds import Done
from affinity.io.ops import Row, to_json
from affinity.io.quarantine import ReplaySettings
from affinity.io.readings import lines_that_count
from affinity.reading.columns import event_feed
from affinity.reading.parts import Part
from affinity.reading.verdicts import rejecting
from affinity.tables import bronze

_SHOWN = 5


class ReplayWork(IngestWork):
    """Lines that were rejected for a reason: as the mapping reads them now; all others stay as they are."""

    def run(self) -> Done:
        """Read the files that have such lines, append what is taken of them, let the next clean judge their days."""
        (source,) = self.sources
        (found,) = self._batches([source])
        before = self._before(source)
        rows = self._rows(source, found)
        outputs = self.transform(Inputs({"rows": rows, bronze.EVENTS.full_name: before}, mapping=source.mapping))
        parts = self._taken(outputs.tables[bronze.EVENTS])
        check_unchanged(source.delivery.arrivals.new)
        n_asked = self._n_asked(before)
        n_taken = self._publish(source, parts, before, n_asked) if parts else 0
        metrics = {
            "n_files": float(len({part.file_id for part in [*found.whole, *found.in_parts]})),
            "n_lines": float(sum(n_asked.values())),
            "n_taken": float(n_taken),
        }
        self.track(Outputs(), metrics)
        released = self.publication.release()
        told = f"{n_taken} of {sum(n_asked.values())} lines are taken now"
        reason = ". ".join([told, *self._left_out(source)])
        return Done(released, self.publication.rows, metrics, reason=reason, is_recovered=self.publication.is_recovered)

    def _before(self, source: Source) -> DataFrame:
        """The lines of the files as they count, rejected or not."""
        files = self.plan.inputs["files"]
        mine = self.pinned(bronze.EVENTS).where(F.col("source") == source.mapping.name)
        return lines_that_count(mine, [row for row in source.delivery.manifest if row["file_id"] in files])

    def _rows(self, source: Source, found: Batch) -> DataFrame:
        """All lines of the files as they are read now, each with the id that it would have had at first."""
        feed, spark, reading = event_feed(source.mapping), self.platform.spark, self._reading(source)
        if feed.event_id is not None:
            return reading.rows(spark, [*found.whole, *found.in_parts])
        rows = reading.rows(spark, found.whole)
        if not found.in_parts:
            return rows
        unnumbered = reading.rows(spark, found.in_parts, numbers_lines=False)
        return rows.unionByName(numbered(unnumbered, rejecting(feed).get(Defect.REPEATED_LINE)))

    def _taken(self, taken: DataFrame) -> Sequence[Part]:
        store, run_id = self.platform.store, self.plan.run_id
        place = Place(store.parts_folder(bronze.EVENTS, run_id), run_id, store.part_schema(bronze.EVENTS))
        return written(taken.withColumn("run_id", F.lit(run_id)), place).parts

    def _n_asked(self, before: DataFrame) -> dict[str, int]:
        """Lines that were rejected for the reason, by file."""
        assert isinstance(self.plan.settings, ReplaySettings)
        asked = before.where(F.col("rejection") == self.plan.settings.reason)
        return {row["file_id"]: row["count"] for row in asked.groupBy("file_id").count().collect()}

    def _publish(self, source: Source, parts: Sequence[Part], before: DataFrame, n_asked: Mapping[str, int]) -> int:
        """Audit and commit the lines, bring their files' rows of the manifest up to date; return how many lines.

        Raises:
            AuditFailed: the audit failed, or a line came twice, or one that was not asked for.
        """
        lines = self.platform.store.read_parts(bronze.EVENTS, parts)
        of_file = lines.groupBy("file_id").agg(F.count("*").alias("n"), F.count_distinct("line_no").alias("n_lines"))
        counts = of_file.collect()
        wrong = [row["file_id"] for row in counts if not row["n"] == row["n_lines"] <= n_asked.get(row["file_id"], 0)]
        if wrong:
            raise AuditFailed(
                f"Of {len(wrong)} files a line was read twice, or one that nobody asked for. Nothing was published; "
                "this is a defect of the reader."
            )
        self.publication.check({bronze.EVENTS: lines}, empty_allowed=False)
        self.publication.publish_parts(bronze.EVENTS, parts)
        no_more = self._defects(
            before.join(lines.select("file_id", "line_no"), on=["file_id", "line_no"], how="left_semi")
        )
        now = self._defects(lines)
        taken = {row["file_id"] for row in counts}
        changed = [row for row in source.delivery.manifest if row["file_id"] in taken]
        self.publication.publish_manifest([_read_again(row, no_more, now) for row in changed])
        return sum(row["n"] for row in counts)

    @staticmethod
    def _defects(lines: DataFrame) -> dict[str, Counter[str]]:
        """Defects by file."""
        flags = lines.select("file_id", F.explode("defects").alias("defect")).groupBy("file_id", "defect").count()
        found: dict[str, Counter[str]] = {}
        for row in flags.collect():
            found.setdefault(row["file_id"], Counter())[row["defect"]] = row["count"]
        return found

    def _left_out(self, source: Source) -> list[str]:
        """Files that were not read, and why."""
        names = source.delivery.names
        refused = [f"{names[file_id]}: {fault}" for file_id, fault in source.refused.items()]
        missing = self.plan.inputs["missing"]
        told = {"files refused": refused, "files with such lines no longer lie in landing": missing}
        return [f"{len(names)} {what}: {_shown(names)}" for what, names in told.items() if names]


def _read_again(row: Row, no_more: Mapping[str, Counter[str]], now: Mapping[str, Counter[str]]) -> Row:
    """The manifest row of a file of which lines were taken: to be judged anew."""
    file_id = row["file_id"]
    defects = Counter(json.loads(row["defects"] or "{}"))
    defects.update(now.get(file_id, {}))
    defects.subtract(no_more.get(file_id, {}))
    return {
        **row,
        "state": str(FileState.INGESTED),
        "n_readings": (row["n_readings"] or 1) + 1,
        "defects": to_json({defect: n for defect, n in defects.items() if n}),
    }


def _shown(names: Sequence[str]) -> str:
    return "; ".join([*names[:_SHOWN], *(["…"] if len(names) > _SHOWN else [])])
