"""What a source brings to a run: its landed files, what each says of its layout, and what the manifest knew."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from affinity.core.source import SourceMapping
from affinity.core.vocabulary import Feed, FileState
from affinity.io.landing import Arrivals, LandedFile, arrivals, landed_files, said_date
from affinity.io.ops import Row
from affinity.reading.layouts import OwnLayout, own_layout

_SHOWN = 5
OTHERS = "the same bytes are a file of source"
"""Begins the fault of a file that is another source's: whether it is, each run sees anew."""


@dataclass(frozen=True)
class Delivery:
    """The files of one source, ``layouts`` by file_id; ``manifest`` has its rows of the job's feed."""

    mapping: SourceMapping
    arrivals: Arrivals
    layouts: Mapping[str, OwnLayout]
    manifest: Sequence[Row]

    @property
    def faults(self) -> dict[str, str]:
        """Why files cannot be read, by file_id."""
        return {file_id: layout.fault for file_id, layout in self.layouts.items() if layout.fault}

    @property
    def is_unreadable(self) -> bool:
        """Whether nothing of a source that was never read can be: its mapping is wrong, most likely."""
        return bool(self.faults) and len(self.faults) == len(self.arrivals.new) and not self.manifest

    @property
    def names(self) -> dict[str, str]:
        """The names of the new files, by file_id."""
        return {file.file_id: file.name for file in self.arrivals.new}

    def refusing(self, others: Mapping[str, str]) -> "Delivery":
        """The same, of which files cannot be read that another source has brought: ``others`` are file_id → source.

        Empty files are all alike.
        """
        layouts = dict(self.layouts)
        for file in self.arrivals.new:
            if file.n_bytes and (source := others.get(file.file_id)):
                layouts[file.file_id] = replace(
                    layouts[file.file_id],
                    fault=f"{OTHERS} {source!r}; land them for one source",
                )
        return replace(self, layouts=layouts)

    def without(self, file_ids: Collection[str]) -> "Delivery":
        """The same but for some files."""
        left = {file_id: layout for file_id, layout in self.layouts.items() if file_id not in file_ids}
        return replace(self, arrivals=self.arrivals.without(file_ids), layouts=left)


def delivery(landing: Path, mapping: SourceMapping, feed: Feed, manifest: Sequence[Row]) -> Delivery:
    """What lies in landing of a source that its rows of the manifest do not know.

    Raises:
        BadInput: the folder does not exist, or holds no file of the source.
    """
    known = [row for row in manifest if row["state"] != FileState.REFUSED]  # a refused file is looked at again
    found = arrivals(landed_files(landing, mapping, manifest), known, are_kept=feed is Feed.EVENTS)
    return Delivery(mapping, found, layouts(found.new, mapping), manifest)


def layouts(files: Sequence[LandedFile], mapping: SourceMapping) -> dict[str, OwnLayout]:
    """What each file says of its layout, by file_id; a fault says why it is refused."""
    found = {file.file_id: own_layout(file.path, mapping) for file in files}
    for file in files:
        if fault := _date_fault(file, mapping):
            found[file.file_id] = replace(found[file.file_id], fault=fault)
    return found


def _date_fault(file: LandedFile, mapping: SourceMapping) -> str | None:
    if file.file_date is not None:
        return None
    if said := said_date(file.name, mapping):
        return f"its name says {said!r} for a date (expected YYYY-MM-DD or YYYYMMDD)"
    if not mapping.is_dated_by_name:
        return None
    return f"its name has no date, which is the time of what it says (expected {mapping.files.date_pattern})"


def refusal(found: Delivery, faults: Mapping[str, str]) -> str:
    """What is said where no file of a source can be read: why, by file_id."""
    names = found.names
    told = sorted(f"{names[file_id]}: {fault}" for file_id, fault in faults.items())
    more = f"; and {len(told) - _SHOWN} more files" if len(told) > _SHOWN else ""
    name = found.mapping.name
    return (
        f"Files of source {name!r} are not as its mapping says: {'; '.join(told[:_SHOWN])}{more}. "
        f"Nothing was read of them. Mend the files, or `files` of conf/sources/{name}.toml if the source has changed; "
        f"`affinity source check FILE --source {name}` shows what it makes of one."
    )
