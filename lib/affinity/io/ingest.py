"""What an ingest run does: each landed file becomes rows exactly once."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from affinity.core.errors import AuditFailed, BadInput, Infrastructure
from affinity.core.source import SourceMapping
from affinity.core.vocabulary import Feed, FileState
from affinity.io.deliveries import Delivery, refusal
from affinity.io.files import Batch, Place, Reading, Written, batches, read_into, written
from affinity.io.job import Inputs, Outputs
from affinity.io.kinds import Done, Work
from affinity.io.landing import LandedFile, changed_since, noted, waiting_files
from affinity.io.ops import Row, now, to_json
from affinity.io.publication import Slices, days_of
from affinity.io.readings import of_files
from affinity.io.suppression import suppressed_files
from affinity.reading.parts import FileTally, Part
from affinity.reading.splits import Split
from affinity.tables import bronze, ops
from affinity.tables.spec import TableSpec

if TYPE_CHECKING:
    from affinity.io.runner import Attempt

_SHOWN = 3


@dataclass
class Source:
    """One source of a run: its delivery, which of its files are refused, and what was counted in the others.

    ``n_lines`` are lines that say something, ``defects`` those of events by name, both by file_id.
    """

    delivery: Delivery
    refused: dict[str, str] = field(default_factory=dict)
    n_lines: dict[str, int] = field(default_factory=dict)
    defects: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def mapping(self) -> SourceMapping:
        """How its files are read."""
        return self.delivery.mapping

    @property
    def left(self) -> Delivery:
        """The delivery but for what is refused."""
        return self.delivery.without(self.refused)

    @property
    def is_refused(self) -> bool:
        """Whether nothing of it could be read."""
        return bool(self.refused) and self.left.arrivals.is_empty

    @property
    def numbers_lines(self) -> bool:
        """Whether its events have no ids of their own, so that equal lines of a file are told apart by their number."""
        return self.mapping.events is None or self.mapping.events.event_id is None


class IngestWork(Work):
    """New files: read once, counted, their rows added, noted in the manifest; files that cannot be read apart."""

    def __init__(self, attempt: "Attempt") -> None:
        super().__init__(attempt)
        self.sources = [Source(delivery, delivery.faults) for delivery in self.plan.deliveries]

    def run(self) -> Done:
        """Read what is new, publish it, bring the manifest up to date, release.

        Raises:
            BadInput: of some source no file could be read; what of them could be noted the manifest knows now, and the
                next run passes it by.
        """
        # else other names, or an earlier content put back
        if readable := [source for source in self.sources if source.left.arrivals.new]:
            files = [file for source in readable for file in source.left.arrivals.new]
            try:
                batches = self._batches(readable)
                if self.job.feed is Feed.EVENTS:
                    self._events(readable, batches)
                else:
                    self._statements(readable, batches)
            except Exception:  # what a reader says of a file that was taken away, or is another one half-way
                check_unchanged(files)
                raise
            check_unchanged(files)
        self.publication.publish_manifest([row for source in self.sources for row in self._noted(source)])
        metrics = {
            "n_files": float(sum(len(source.left.arrivals.new) for source in self.sources)),
            "n_files_refused": float(sum(len(source.refused) for source in self.sources)),
            "n_rows": float(sum(sum(source.n_lines.values()) for source in self.sources)),
        }
        self.track(Outputs(), metrics)
        released = self.publication.release()
        refused = [refusal(source.delivery, source.refused) for source in self.sources if source.is_refused]
        if refused := [*self.plan.faults, *refused]:
            raise BadInput(" ".join(refused))
        is_recovered = self.publication.is_recovered
        return Done(released, self.publication.rows, metrics, reason=self._told(), is_recovered=is_recovered)

    def _batches(self, sources: Sequence[Source]) -> list[Batch]:
        """How the files of each source are read; those that are damaged join the refused."""
        assert self.job.feed is not None
        found = batches(self.platform.spark, [source.left for source in sources], self.job.feed)
        for source, batch in zip(sources, found, strict=True):
            source.refused |= batch.faults
        return found

    def _reading(self, source: Source) -> Reading:
        assert self.job.feed is not None
        root = self.platform.root
        listed = suppressed_files(root)
        return Reading(source.mapping, self.job.feed, root.business_zone, str(root.key_file), listed)

    def _events(self, sources: Sequence[Source], batches: Sequence[Batch]) -> None:
        """Let tasks write the rows of events, audit them where they lie, and commit them.

        Raises:
            AuditFailed: the audit failed, or lines and rows of a file differ.
        """
        store = self.platform.store
        folder = store.parts_folder(bronze.EVENTS, self.plan.run_id)
        place = Place(folder, self.plan.run_id, store.part_schema(bronze.EVENTS))
        whole = [[*b.whole, *([] if s.numbers_lines else b.in_parts)] for s, b in zip(sources, batches, strict=True)]
        parts: list[Part] = []
        for source, batch, splits, wrote in zip(
            sources, batches, whole, self._written(sources, whole, place), strict=True
        ):
            mine = wrote.parts + (self._numbered(source, batch, place) if source.numbers_lines else [])
            # of a file that was counted before, the count holds
            source.n_lines = Counter(batch.n_lines) | wrote.n_told if splits else dict(batch.n_lines)
            source.defects = _reconciled(mine, source.n_lines, {part.file_id for part in splits} - set(source.refused))
            parts += mine
        is_empty = not any(+Counter(source.n_lines) for source in sources)
        self.publication.check({bronze.EVENTS: store.read_parts(bronze.EVENTS, parts)}, empty_allowed=is_empty)
        self.publication.publish_parts(bronze.EVENTS, parts)

    def _written(self, sources: Sequence[Source], splits: Sequence[Sequence[Split]], place: Place) -> list[Written]:
        """Let tasks write the rows of the splits; of a source with a file that turns out to be damaged, of its others
        anew."""
        found = read_into(self.platform.spark, list(zip(map(self._reading, sources), splits, strict=True)), place)
        faulty = [number for number, wrote in enumerate(found) if wrote.faults]
        if not faulty:
            return found
        for number in faulty:
            sources[number].refused |= found[number].faults
        left = [[p for p in splits[number] if p.file_id not in sources[number].refused] for number in faulty]
        again = self._written([sources[number] for number in faulty], left, place)
        for number, wrote in zip(faulty, again, strict=True):
            found[number] = wrote
        return found

    def _numbered(self, source: Source, batch: Batch, place: Place) -> list[Part]:
        """The rows of files that are read in parts, their equal lines numbered by Spark."""
        if not batch.in_parts:
            return []
        rows = self._reading(source).rows(self.platform.spark, batch.in_parts, numbers_lines=False)
        numbered = self.transform(Inputs({"rows": rows}, mapping=source.mapping)).tables[bronze.EVENTS]
        return written(numbered.withColumns({"run_id": F.lit(self.plan.run_id), "reading": F.lit(1)}), place).parts

    def _statements(self, sources: Sequence[Source], batches: Sequence[Batch]) -> None:
        """Read what the files say of items or customers, in place of what corrected ones said."""
        tables: dict[TableSpec, DataFrame] = {}
        for source, batch in zip(sources, batches, strict=True):
            source.n_lines = dict(batch.n_lines)
            rows = self._reading(source).rows(self.platform.spark, [*batch.whole, *batch.in_parts])
            found = self.transform(Inputs({"rows": rows}, mapping=source.mapping)).tables
            tables = {spec: tables[spec].unionByName(rows) if spec in tables else rows for spec, rows in found.items()}
        staged = self.stage(Outputs(tables), empty_allowed=not any(sum(b.n_lines.values()) for b in batches))
        brought = [source.left.arrivals for source in sources]
        replaced = sorted({file_id for each in brought for file_id in (*each.supersedes, *each.back)})
        slices = {spec: self._days_touched(frame, spec, replaced) for spec, frame in staged.items()}
        self.publication.publish(staged, slices, replaced=replaced)

    def _days_touched(self, fresh: DataFrame, spec: TableSpec, replaced: Sequence[str]) -> Slices:
        """The slices that get rows, and those that lose the rows of files."""
        lost = days_of(of_files(self.pinned(spec), replaced), spec) if replaced else []
        return list({*days_of(fresh, spec), *lost})

    def _told(self) -> str | None:
        """Files that were not read and why, for the run's record and whoever watches."""
        assert self.plan.request.landing is not None
        waiting = waiting_files(self.plan.request.landing, [source.mapping for source in self.sources])
        refused = [
            f"{names.get(file_id, file_id[:12])}: {fault}"
            for source, names in ((source, source.delivery.names) for source in self.sources)
            for file_id, fault in source.refused.items()
        ]
        told = [_listed(f"{len(refused)} files refused", refused), _listed(f"{len(waiting)} files wait", waiting)]
        return ". ".join(text for text in told if text) or None

    def _noted(self, source: Source) -> list[Row]:
        """The rows of the manifest that change by a source."""
        before = {row["file_id"]: row for row in source.delivery.manifest}
        blank: Row = dict.fromkeys(ops.FILES.column_names)
        new = source.delivery.arrivals.new
        fresh = [blank | self._row_of(source, file, before.get(file.file_id, blank)) for file in new]
        known = [row for row in before.values() if row["state"] != FileState.REFUSED]
        return noted(known, source.left.arrivals, fresh)

    def _row_of(self, source: Source, file: LandedFile, before: Row) -> Row:
        """The row of a new file; one that is refused keeps what it was, and one that counts was read once more."""
        is_refused = file.file_id in source.refused
        own = source.delivery.layouts.get(file.file_id)
        return _facts(file) | {
            "source": source.mapping.name,
            "feed": str(self.job.feed),
            "ingested_ts": now(),
            "run_id": self.plan.run_id,
            "also_seen_as": before["also_seen_as"],
            "state": str(FileState.REFUSED if is_refused else FileState.INGESTED),
            "n_readings": (before["n_readings"] or 0) + (not is_refused),
            "superseded_by": before["superseded_by"] if is_refused else None,
            "n_rows": source.n_lines.get(file.file_id, 0),
            "defects": to_json(source.defects[file.file_id]) if file.file_id in source.defects else None,
            "drift": own.drift if own else None,
            "reason": source.refused.get(file.file_id),
        }


def _reconciled(
    parts: Sequence[Part], n_told: Mapping[str, int], in_order: Collection[str]
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
    by_file = {file_id: sum((Counter(t.defects) for t in found), Counter[str]()) for file_id, found in tallies.items()}
    return {file_id: dict(by_file.get(file_id, {})) for file_id in {*n_told, *in_order}}


def check_unchanged(files: Sequence[LandedFile]) -> None:
    """Look whether files are as they were when they were listed, also those that could not be read.

    Raises:
        Infrastructure: one was written to, or taken away.
    """
    if changed := changed_since(files):
        raise Infrastructure(
            f"Files changed while they were read: {changed[:_SHOWN]}. Nothing was released; run again when they "
            "are whole, or let them land under a name that ends in .tmp and rename them."
        )


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
