"""Landed files: what lies there, and what of it is new; ``files`` reads them."""

import hashlib
import json
import os
import re
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from fnmatch import fnmatchcase
from functools import lru_cache, partial
from pathlib import Path
from stat import S_ISREG

from affinity.core.errors import BadInput
from affinity.core.source import SourceMapping
from affinity.core.vocabulary import COUNTING, FileState
from affinity.io.ops import Row

_WAITING_SUFFIXES = (".tmp", ".part", ".crdownload", ".inprogress")


@dataclass(frozen=True)
class LandedFile:
    """One file as it lies in landing; known by the digest of its bytes, or of a snapshot, of its date and bytes."""

    path: Path
    name: str
    file_id: str
    n_bytes: int
    file_date: date | None
    modified_ns: int


@dataclass(frozen=True)
class Arrivals:
    """What landing holds that the manifest does not know: new files, corrections and other names of known files.

    ``supersedes`` maps the file_id of a file that is gone to the one that came under its name; ``back`` are superseded
    files that count again. ``names`` are all places where the same bytes lie, of files for which the manifest has to
    learn of one; the first is the file's path.
    """

    new: tuple[LandedFile, ...]
    supersedes: dict[str, str]
    back: frozenset[str]
    names: dict[str, tuple[LandedFile, ...]]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to ingest or to note."""
        return not (self.new or self.supersedes or self.back or self.names)

    def without(self, refused: Collection[str]) -> "Arrivals":
        """The same but for files that cannot be read: they are not new, correct nothing, and have no other names."""
        return Arrivals(
            tuple(file for file in self.new if file.file_id not in refused),
            {file_id: by for file_id, by in self.supersedes.items() if by not in refused},
            self.back - set(refused),
            {file_id: names for file_id, names in self.names.items() if file_id not in refused},
        )


def landed_files(landing: Path, mapping: SourceMapping, manifest: Sequence[Row] = ()) -> list[LandedFile]:
    """The finished files of a source, by name; hidden and unfinished ones wait.

    A file that the manifest knows by name, size and time of change is not read to know it again.

    Raises:
        BadInput: the folder does not exist, or holds no file of the source.
    """
    known = {(row["path"], row["n_bytes"], row["modified_ns"]): row["file_id"] for row in manifest}
    files = [_landed(path, name, facts, mapping) for name, (path, facts) in _finished_files(landing, mapping).items()]
    named = [known.get((file.name, file.n_bytes, file.modified_ns)) for file in files]
    with ThreadPoolExecutor(max_workers=4) as pool:
        digests = pool.map(
            partial(_file_id, mapping), [f for f, file_id in zip(files, named, strict=True) if not file_id]
        )
        return [replace(f, file_id=file_id or next(digests)) for f, file_id in zip(files, named, strict=True)]


def landed_dates(landing: Path, mapping: SourceMapping) -> list[date]:
    """The nominal dates of the finished files of a source, by their names alone.

    Raises:
        BadInput: the folder does not exist, or holds no file of the source.
    """
    days = (_nominal_date(name, mapping) for name in _finished_files(landing, mapping))
    return [day for day in days if day]


def _finished_files(landing: Path, mapping: SourceMapping) -> dict[str, tuple[Path, os.stat_result]]:
    """The finished files of a source by their names below landing, in order, with what the file system says of them."""
    if not landing.is_dir():
        raise BadInput(
            f"Landing folder {landing} does not exist. Expected the folder that holds the files of source "
            f"{mapping.name!r} ({mapping.files.pattern}): pass it with --landing."
        )
    depth = len(landing.parts)
    paths = {path.parts[depth:]: path for path in landing.glob(mapping.files.pattern)}
    found = {"/".join(parts): (path, _facts(path)) for parts, path in sorted(paths.items()) if _is_finished(parts)}
    files = {name: (path, facts) for name, (path, facts) in found.items() if facts and S_ISREG(facts.st_mode)}
    if not files:
        raise BadInput(
            f"Landing folder {landing} holds no file of source {mapping.name!r}. Expected files like "
            f"{mapping.files.pattern}; names that begin with . or _ or end in {', '.join(_WAITING_SUFFIXES)} wait."
        )
    return files


def _nominal_date(name: str, mapping: SourceMapping) -> date | None:
    """``said_date`` as a date; null where it says none."""
    said = said_date(name, mapping)
    try:
        return date.fromisoformat(said) if said else None
    except ValueError:
        return None


def said_date(name: str, mapping: SourceMapping) -> str | None:
    """What stands for a date in the name of a file, or else in those of its folders below landing."""
    pattern = mapping.files.date_pattern
    found = (re.search(pattern, name.rpartition("/")[2]) or re.search(pattern, name)) if pattern else None
    return found["date"] if found else None


def waiting_files(landing: Path, mappings: Sequence[SourceMapping]) -> list[str]:
    """The names of files of some sources that are hidden or not finished yet."""
    suffixes = "|".join(map(re.escape, _WAITING_SUFFIXES))
    folders = ((Path(folder).relative_to(landing), files) for folder, _, files in os.walk(landing))
    names = ((folder, (*folder.parts, name)) for folder, files in folders for name in files)
    found = [folder / parts[-1] for folder, parts in names if not _is_finished(parts)]
    plain = {name: Path(re.sub(rf"(?:{suffixes})$", "", name.as_posix())) for name in found}
    bare = {name: path.with_name(path.name.lstrip("._")) for name, path in plain.items()}
    return sorted(name.as_posix() for name, path in bare.items() if any(_fits(path, mapping) for mapping in mappings))


def _fits(name: Path, mapping: SourceMapping) -> bool:
    """Whether a path is like the source's, however deep below the folders that its pattern names."""
    return fnmatchcase(name.as_posix(), mapping.files.pattern.replace("**/", "*"))


def changed_since(files: Sequence[LandedFile]) -> list[str]:
    """The names of files that are not as they were when they were listed."""
    return [file.name for file in files if not _is_unchanged(file)]


def _is_unchanged(file: LandedFile) -> bool:
    try:
        facts = file.path.stat()
    except OSError:
        return False
    return (facts.st_size, facts.st_mtime_ns) == (file.n_bytes, file.modified_ns)


def _facts(path: Path) -> os.stat_result | None:
    """What the file system says of a path; null where nothing is there, as where a link leads nowhere."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _is_finished(name: Sequence[str]) -> bool:
    """Whether a file is whole, by the parts of its name below landing."""
    return not name[-1].endswith(_WAITING_SUFFIXES) and not any(part.startswith((".", "_")) for part in name)


def _landed(path: Path, name: str, facts: os.stat_result, mapping: SourceMapping) -> LandedFile:
    """A file as it lies there, its content not looked at yet."""
    return LandedFile(path, name, "", facts.st_size, _nominal_date(name, mapping), facts.st_mtime_ns)


def _file_id(mapping: SourceMapping, file: LandedFile) -> str:
    digest = _digest(file.path, file.n_bytes, file.modified_ns)
    if not mapping.is_dated_by_name:
        return digest
    # else a third day that is as the first would be the first once more, and say nothing
    return hashlib.sha256(f"{file.file_date} {digest}".encode()).hexdigest()


@lru_cache(maxsize=100_000)
def _digest(path: Path, n_bytes: int, changed_ns: int) -> str:
    """SHA-256 of a file; a process that asks again of the same size and time does not read it again."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def arrivals(files: Sequence[LandedFile], manifest: Sequence[Row], *, are_kept: bool = True) -> Arrivals:
    """What ``files`` brings beyond the manifest rows of its source and feed.

    A file under a known name with other bytes is a correction, if the bytes known by that name are gone and were never
    the file of another day: what was moved or copied still counts, wherever it lies. An earlier content counts again
    when it is put back in place of its correction, or comes as the file of another day; where the rows of superseded
    files are not kept (``are_kept``), it is new and read again.
    """
    known = {row["file_id"]: row for row in manifest}
    places: dict[str, list[LandedFile]] = {}
    for file in files:
        places.setdefault(file.file_id, []).append(file)
    live = [row for row in manifest if row["state"] in COUNTING]
    by_name = {name: row for row in live for name in other_names(row)} | {row["path"]: row for row in live}
    supersedes = {
        by_name[file.name]["file_id"]: file.file_id
        for file in files
        if file.name in by_name and _is_replaced(by_name[file.name], file, places)
    }
    back = {file_id for file_id in supersedes.values() if file_id in known}
    back |= {
        file_id for file_id, found in places.items() if file_id in known and _is_of_another_day(found, known[file_id])
    }
    new = tuple(
        found[0] for file_id, found in places.items() if file_id not in known or (file_id in back and not are_kept)
    )
    names = {file_id: _path_first(found, known.get(file_id)) for file_id, found in places.items()}
    unknown = {file_id: found for file_id, found in names.items() if _is_news(found, known.get(file_id))}
    return Arrivals(new, supersedes, frozenset(back), unknown)


def _is_replaced(row: Row, by: LandedFile, places: Mapping[str, object]) -> bool:
    """Whether a file of the manifest is gone and stood for no other day than the one that came under its name."""
    return row["file_id"] not in places and _days(row) <= {by.file_date}


def _is_of_another_day(found: Sequence[LandedFile], row: Row) -> bool:
    """Whether a superseded file lies there as the file of a day that it never stood for."""
    days = {file.file_date for file in found if file.file_date}
    return row["state"] == FileState.SUPERSEDED and bool(days - _days(row))


def _days(row: Row) -> set[date]:
    return set(landed_days([row]))


def _path_first(found: Sequence[LandedFile], row: Row | None) -> tuple[LandedFile, ...]:
    """The places of a file, the one that the manifest calls its path first, if the file is still there."""
    return tuple(sorted(found, key=lambda file: row is None or file.name != row["path"]))


def _is_news(found: Sequence[LandedFile], row: Row | None) -> bool:
    if row is None:
        return len(found) > 1
    noted = {row["path"], *other_names(row)}
    return found[0].name != row["path"] or any(file.name not in noted for file in found)


def other_names(row: Row) -> dict[str, str | None]:
    """Where else a file of the manifest was seen: name → nominal date of that name; its path where that is another."""
    return dict(json.loads(row["also_seen_as"] or "{}"))


def landed_days(manifest: Sequence[Row]) -> list[date]:
    """The nominal dates of all files of the manifest, by every name under which they came."""
    named = [day for row in manifest for day in other_names(row).values() if day]
    return [row["file_date"] for row in manifest if row["file_date"]] + [date.fromisoformat(day) for day in named]


def noted(manifest: Sequence[Row], found: Arrivals, fresh: Sequence[Row]) -> list[Row]:
    """The rows of the manifest that change: ``fresh`` ones of new files, and what became of those that it knew."""
    known = {row["file_id"]: row for row in manifest}
    mentioned = {*found.names, *found.supersedes, *found.back}
    changed = {file_id: dict(known[file_id]) for file_id in mentioned if file_id in known}
    changed |= {row["file_id"]: dict(row) for row in fresh}
    for file_id, by in found.supersedes.items():
        changed[file_id] |= {"state": str(FileState.SUPERSEDED), "superseded_by": by}
    for file_id in found.back:
        changed[file_id] |= {"state": str(FileState.INGESTED), "superseded_by": None}
    for file_id, places in found.names.items():
        changed[file_id] |= _names_of(changed[file_id], places)
    return list(changed.values())


def _names_of(row: Row, places: Sequence[LandedFile]) -> Row:
    """The path of a file and its other names, old and new, each with its nominal date.

    Its own date stays that of the name under which it came first: by it its lines lie in bronze, and were judged.
    """
    own = row["file_date"] and str(row["file_date"])
    seen = {row["path"]: own} | other_names(row)
    seen |= {place.name: place.file_date and str(place.file_date) for place in places}
    path = places[0]
    others = {name: day for name, day in seen.items() if (name, day) != (path.name, own)}
    return {
        "path": path.name,
        "n_bytes": path.n_bytes,
        "modified_ns": path.modified_ns,
        "also_seen_as": json.dumps(others, sort_keys=True) if others else None,
    }


def replaced_by(manifest: Sequence[Row], by: set[str]) -> set[str]:
    """Files that were superseded by one of ``by``, also by way of corrections that were themselves corrected."""
    found: set[str] = set()
    while more := {row["file_id"] for row in manifest if row["superseded_by"] in by | found} - found:
        found |= more
    return found
