"""What an ingest run does: each landed file becomes rows exactly once."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from pyspark.sql import functions as F

from affinity.core.errors import AuditFailed, Infrastructure
from affinity.core.source import SourceMapping
from affinity.core.vocabulary import Feed, FileState
from affinity.io.files import Batch, Place, Reading, Written, batch, refusal, written
from affinity.io.job import Inputs, Outputs
from affinity.io.kinds import Done, Work
from affinity.io.landing import Arrivals, LandedFile, changed_since, noted, waiting_files
from affinity.io.ops import Row, now, to_json
from affinity.io.publication import days_of
from affinity.io.suppression import suppressed_files
from affinity.reading.parts import FileTally, Part
from affinity.reading.splits import Split
from affinity.tables import bronze, ops

_SHOWN = 3


@dataclass
class Counts:
    """What was read, by file_id: lines that say something, and defects of events by name."""

    n_lines: Mapping[str, int] = field(default_factory=dict)
    defects: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


class IngestWork(Work):
    """New files: read once, counted, appended or upserted, noted in the manifest; files that cannot be read apart."""

    def run(self) -> Done:
        """Read what is new, publish it, bring the manifest up to date, release.

        Raises:
            BadInput: no file could be read; the manifest knows them now, and the next run passes them by.
        """
        assert self.plan.arrivals is not None
        self._refused = {file_id: own.fault for file_id, own in self.plan.layouts.items() if own.fault}
        counts, arrivals = Counts(), self.plan.arrivals
        if readable := arrivals.without(self._refused).new:  # else other names, or an earlier content put back
            try:
                found = self._batch(readable)
                arrivals = arrivals.without(self._refused)
                counts = self._events(found) if self.job.feed is Feed.EVENTS else self._statements(found, arrivals)
            except Exception:  # what a reader says of a file that was taken away, or is another one half-way
                self._check_unchanged(readable)
                raise
            self._check_unchanged(arrivals.new)
        self._publish_manifest(arrivals.without(self._refused), counts)
        metrics = {
            "n_files": float(len(arrivals.without(self._refused).new)),
            "n_files_refused": float(len(self._refused)),
            "n_rows": float(sum(counts.n_lines.values())),
        }
        self.track(Outputs(), metrics)
        released = self.publication.release()
        if self._refused and arrivals.without(self._refused).is_empty:
            raise refusal(self._named(self._refused), self._mapping)
        is_recovered = self.publication.is_recovered
        return Done(released, self.publication.rows, metrics, reason=self._told(), is_recovered=is_recovered)

    def _named(self, faults: Mapping[str, str]) -> dict[str, str]:
        """Faults by the names of the files instead of their ids."""
        assert self.plan.arrivals is not None
        names = {file.file_id: file.name for file in self.plan.arrivals.new}
        return {names[file_id]: fault for file_id, fault in faults.items()}

    @property
    def _mapping(self) -> SourceMapping:
        assert self.plan.mapping is not None
        return self.plan.mapping

    def _batch(self, files: Sequence[LandedFile]) -> Batch:
        """How the files are read; those that are damaged join the refused."""
        assert self.job.feed is not None
        found = batch(self.platform.spark, files, self.plan.layouts, self._mapping, self.job.feed)
        self._refused |= found.faults
        return found

    def _reading(self) -> Reading:
        assert self.job.feed is not None
        root = self.platform.root
        listed = suppressed_files(root)
        return Reading(self._mapping, self.job.feed, root.business_zone, str(root.key_file), listed)

    def _events(self, found: Batch) -> Counts:
        """Let tasks write the rows of events, audit them where they lie, and commit them.

        Raises:
            AuditFailed: the audit failed, or lines and rows of a file differ.
        """
        spark, store = self.platform.spark, self.platform.store
        folder = store.parts_folder(bronze.EVENTS, self.plan.run_id)
        place = Place(folder, self.plan.run_id, store.part_schema(bronze.EVENTS))
        has_ids = self._mapping.events is not None and self._mapping.events.event_id is not None
        whole = [*found.whole, *found.in_parts] if has_ids else found.whole
        parts: list[Part] = []
        n_told = Counter(found.n_lines)
        if whole:
            wrote = self._files_written(whole, place)
            parts += wrote.parts
            whole = [part for part in whole if part.file_id not in self._refused]
            n_told = Counter(wrote.n_told) | n_told  # of a file that was counted before, the count holds
        if not has_ids and found.in_parts:
            rows = self._reading().rows(spark, found.in_parts, numbers_lines=False)
            numbered = self.transform(Inputs({"rows": rows}, mapping=self._mapping)).tables[bronze.EVENTS]
            stamps = {"run_id": F.lit(self.plan.run_id), "reading": F.lit(1)}
            parts += written(numbered.withColumns(stamps), place).parts
        defects = self._reconciled(parts, n_told, {part.file_id for part in whole})
        self.publication.check({bronze.EVENTS: store.read_parts(bronze.EVENTS, parts)}, empty_allowed=not +n_told)
        self.publication.publish_parts(bronze.EVENTS, parts)
        return Counts(n_told, defects)

    def _files_written(self, splits: Sequence[Split], place: Place) -> Written:
        """Let tasks write the rows of the splits; where a file turns out to be damaged, of all others anew."""
        while (wrote := self._reading().written(self.platform.spark, splits, place)).faults:
            self._refused |= wrote.faults
            splits = [part for part in splits if part.file_id not in self._refused]
            if not splits:
                return Written([], {}, {})
        return wrote

    def _reconciled(
        self, parts: Sequence[Part], n_told: Mapping[str, int], in_order: Collection[str]
    ) -> dict[str, dict[str, int]]:
        """Defects by file, after a look that every line became one row, and no two rows are of one line.

        ``in_order`` are the files whose rows come as they were read; others were numbered, which doubles no row.

        Raises:
            AuditFailed: some file has fewer or more rows than lines, or a line twice.
        """
        tallies: dict[str, list[FileTally]] = {}
        for part in parts:
            for file_id, tally in part.tallies.items():
                tallies.setdefault(file_id, []).append(tally)
        n_rows = {file_id: sum(tally.n_rows for tally in found) for file_id, found in tallies.items()}
        wrong = [f for f in {*n_rows, *n_told} if n_rows.get(f, 0) != n_told.get(f, 0)]
        wrong += [file_id for file_id in in_order if not _is_each_line_once(tallies.get(file_id, []))]
        if wrong:
            raise AuditFailed(
                f"Lines and rows differ in {len(wrong)} files: {sum(n_told.values())} lines landed, "
                f"{sum(n_rows.values())} rows staged. Nothing was published; this is a defect of the reader."
            )
        by_file = {
            file_id: sum((Counter(t.defects) for t in found), Counter[str]()) for file_id, found in tallies.items()
        }
        return {file_id: dict(by_file.get(file_id, {})) for file_id in {*n_told, *in_order}}

    def _statements(self, found: Batch, arrivals: Arrivals) -> Counts:
        """Read what the files say of items or customers, and upsert the last word of each day."""
        rows = self._reading().rows(self.platform.spark, [*found.whole, *found.in_parts])
        outputs = self.transform(Inputs({"rows": rows}, mapping=self._mapping))
        staged = self.stage(outputs, empty_allowed=not sum(found.n_lines.values()))
        slices = {spec: days_of(frame, spec) for spec, frame in staged.items()}
        self.publication.publish(staged, slices, replaced=list(arrivals.supersedes))
        return Counts(found.n_lines)

    def _check_unchanged(self, files: Sequence[LandedFile]) -> None:
        """Raises Infrastructure: a file was written to, or taken away, while it was read."""
        if changed := changed_since(files):
            raise Infrastructure(
                f"Files changed while they were read: {changed[:_SHOWN]}. Nothing was released; run again when they "
                "are whole, or let them land under a name that ends in .tmp and rename them."
            )

    def _told(self) -> str | None:
        """Files that were not read and why, for the run's record and whoever watches."""
        assert self.plan.request.landing is not None
        waiting = waiting_files(self.plan.request.landing, self._mapping)
        names = {file.file_id: file.name for file in self.plan.arrivals.new} if self.plan.arrivals else {}
        refused = [f"{names.get(file_id, file_id[:12])}: {fault}" for file_id, fault in self._refused.items()]
        told = [_listed(f"{len(refused)} files refused", refused), _listed(f"{len(waiting)} files wait", waiting)]
        return ". ".join(text for text in told if text) or None

    def _publish_manifest(self, arrivals: Arrivals, counts: Counts) -> None:
        plan = self.plan
        assert plan.arrivals is not None
        known = {row["file_id"]: row for row in plan.manifest}
        blank: Row = dict.fromkeys(ops.FILES.column_names)
        stamp = {"source": self._mapping.name, "feed": str(self.job.feed), "ingested_ts": now(), "run_id": plan.run_id}
        fresh = [
            {
                **blank,
                **stamp,
                **_facts(file),
                "also_seen_as": known.get(file.file_id, blank)["also_seen_as"],
                "state": str(FileState.REFUSED if file.file_id in self._refused else FileState.INGESTED),
                "n_readings": None if file.file_id in self._refused else 1,
                "n_rows": counts.n_lines.get(file.file_id, 0),
                "defects": to_json(counts.defects[file.file_id]) if file.file_id in counts.defects else None,
                "drift": own.drift if (own := plan.layouts.get(file.file_id)) else None,
                "reason": self._refused.get(file.file_id),
            }
            for file in plan.arrivals.new
        ]
        self.publication.publish_manifest(noted(plan.manifest, arrivals, fresh))


def _facts(file: LandedFile) -> Row:
    return {
        "file_id": file.file_id,
        "path": file.name,
        "file_date": file.file_date,
        "n_bytes": file.n_bytes,
        "modified_ns": file.modified_ns,
    }


def _is_each_line_once(tallies: Sequence[FileTally]) -> bool:
    """Whether the runs of lines of a file are in order and apart from each other."""
    runs = sorted(tuple(run) for tally in tallies for run in tally.runs)
    is_apart = all(one[1] < other[0] for one, other in pairwise(runs))
    return is_apart and all(tally.is_ordered for tally in tallies)


def _listed(what: str, names: Sequence[str]) -> str:
    more = "" if len(names) <= _SHOWN else "; …"
    return f"{what}: {'; '.join(names[:_SHOWN])}{more}" if names else ""
