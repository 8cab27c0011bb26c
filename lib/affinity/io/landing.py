"""Landed files: what lies there, what of it is new, and its lines."""

import hashlib
import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from affinity.core.errors import BadInput
from affinity.core.source import SourceMapping
from affinity.core.vocabulary import FileState
from affinity.features.landed import header
from affinity.io.ops import Row

_WAITING_SUFFIXES = (".tmp", ".part", ".crdownload", ".inprogress")


@dataclass(frozen=True)
class LandedFile:
    """One file as it lies in landing; known by the digest of its bytes."""

    path: Path
    name: str
    file_id: str
    n_bytes: int
    file_date: date | None


@dataclass(frozen=True)
class Arrivals:
    """What landing holds that the manifest does not know: new files, corrections and other names of known files.

    ``supersedes`` maps the file_id of a file that is gone to the one that came under its name. ``names`` are all places
    where the same bytes lie, of files for which the manifest has to learn of one; the first is the file's path.
    """

    new: tuple[LandedFile, ...]
    supersedes: dict[str, str]
    names: dict[str, tuple[LandedFile, ...]]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to ingest or to note."""
        return not (self.new or self.supersedes or self.names)


def landed_files(landing: Path, mapping: SourceMapping) -> list[LandedFile]:
    """The finished files of a source, by name; hidden and unfinished ones wait.

    Raises:
        BadInput: the folder does not exist, or holds no file of the source.
    """
    if not landing.is_dir():
        raise BadInput(
            f"Landing folder {landing} does not exist. Expected the folder that holds {mapping.files.pattern}."
        )
    paths = sorted(path for path in landing.glob(mapping.files.pattern) if _is_finished(path, landing))
    if not paths:
        raise BadInput(
            f"Landing folder {landing} holds no file of source {mapping.name!r}. Expected files like "
            f"{mapping.files.pattern}; names that begin with . or _ or end in {', '.join(_WAITING_SUFFIXES)} wait."
        )
    pattern = re.compile(mapping.files.date_pattern)
    with ThreadPoolExecutor(max_workers=4) as pool:
        return list(pool.map(lambda path: _landed(path, landing, pattern), paths))


def _is_finished(path: Path, landing: Path) -> bool:
    parts = path.relative_to(landing).parts
    hidden = any(part.startswith((".", "_")) for part in parts)
    return path.is_file() and not hidden and not path.name.endswith(_WAITING_SUFFIXES)


def _landed(path: Path, landing: Path, pattern: re.Pattern[str]) -> LandedFile:
    found = pattern.search(path.name)
    try:
        file_date = date.fromisoformat(found["date"]) if found else None
    except ValueError:
        file_date = None
    facts = path.stat()
    digest = _digest(path, facts.st_size, facts.st_mtime_ns)
    return LandedFile(path, path.relative_to(landing).as_posix(), digest, facts.st_size, file_date)


@lru_cache(maxsize=100_000)
def _digest(path: Path, n_bytes: int, changed_ns: int) -> str:
    """SHA-256 of a file; a process that asks again of the same size and time does not read it again."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def arrivals(files: Sequence[LandedFile], manifest: Sequence[Row], *, are_kept: bool = True) -> Arrivals:
    """What ``files`` brings beyond the manifest rows of its source and feed.

    A file under a known name with other bytes is a correction, if the bytes known by that name are gone: a file that
    was moved or copied still counts, wherever it lies. An earlier content that is put back in place of its correction
    counts again; where the rows of superseded files are not kept (``are_kept``), it is new and read again.
    """
    known = {row["file_id"]: row for row in manifest}
    live_by_name = {row["path"]: row["file_id"] for row in manifest if row["state"] != FileState.SUPERSEDED}
    places: dict[str, list[LandedFile]] = {}
    for file in files:
        places.setdefault(file.file_id, []).append(file)
    supersedes = {
        live_by_name[file.name]: file.file_id
        for file in files
        if file.name in live_by_name and live_by_name[file.name] not in places
    }
    again = set() if are_kept else set(supersedes.values())
    new = tuple(found[0] for file_id, found in places.items() if file_id not in known or file_id in again)
    names = {file_id: _path_first(found, known.get(file_id)) for file_id, found in places.items()}
    unknown = {file_id: found for file_id, found in names.items() if _is_news(found, known.get(file_id))}
    return Arrivals(new, supersedes, unknown)


def _path_first(found: Sequence[LandedFile], row: Row | None) -> tuple[LandedFile, ...]:
    """The places of a file, the one that the manifest calls its path first, if the file is still there."""
    return tuple(sorted(found, key=lambda file: row is None or file.name != row["path"]))


def _is_news(found: Sequence[LandedFile], row: Row | None) -> bool:
    if row is None:
        return len(found) > 1
    noted = {row["path"], *other_names(row)}
    return found[0].name != row["path"] or any(file.name not in noted for file in found)


def other_names(row: Row) -> dict[str, str | None]:
    """Where else a file of the manifest was seen: name → nominal date of that name."""
    return dict(json.loads(row["also_seen_as"] or "{}"))


def landed_days(manifest: Sequence[Row]) -> list[date]:
    """The nominal dates of all files of the manifest, by every name under which they came."""
    named = [day for row in manifest for day in other_names(row).values() if day]
    return [row["file_date"] for row in manifest if row["file_date"]] + [date.fromisoformat(day) for day in named]


def check_headers(files: Sequence[LandedFile], mapping: SourceMapping) -> None:
    """Every file begins with the header of the mapping.

    Raises:
        BadInput: some do not; each is named with the columns that differ.
    """
    faults = [fault for file in files if (fault := _header_fault(file, mapping))]
    if faults:
        more = f"; and {len(faults) - 5} more files" if len(faults) > 5 else ""
        raise BadInput(
            f"Files of source {mapping.name!r} do not have its header: {'; '.join(faults[:5])}{more}. "
            f"Nothing was read. Mend the files, or `files.columns` of conf/sources/{mapping.name}.toml if the source "
            "has changed."
        )


def _header_fault(file: LandedFile, mapping: SourceMapping) -> str | None:
    with file.path.open(encoding="utf-8-sig", errors="replace") as lines:
        first = lines.readline().rstrip("\r\n")
    if first == header(mapping):
        return None
    got = first.split(mapping.files.delimiter)
    expected = f"(expected {list(mapping.files.columns)})"
    if 2 * len(set(got) & set(mapping.files.columns)) < len(got):  # a line of data is not repeated in any log
        return f"{file.name}: its first line, of {len(got)} fields, is no header {expected}"
    missing = [name for name in mapping.files.columns if name not in got]
    extra = [name for name in got if name not in mapping.files.columns]
    order = "columns in another order" if not (missing or extra) else ""
    parts = [f"missing {missing}" if missing else "", f"not expected {extra}" if extra else "", order]
    return f"{file.name}: {', '.join(part for part in parts if part)} {expected}"


def read_lines(spark: SparkSession, files: Sequence[LandedFile]) -> DataFrame:
    """The lines of the files, one pass over all of them: ``file_id, file_date, line``."""
    facts = spark.createDataFrame(
        [(f"file:{file.path.absolute()}", file.file_id, file.file_date) for file in files],
        "location string, file_id string, file_date date",
    )
    if not files:
        return facts.select("file_id", "file_date", F.col("location").alias("line"))
    text = spark.read.text([str(file.path.absolute()) for file in files])
    # Spark gives the path with percent escapes, in which a plus sign is itself.
    location = F.url_decode(F.replace("_metadata.file_path", F.lit("+"), F.lit("%2B")))
    lines = text.select(F.col("value").alias("line"), location.alias("location"))
    # A left join: a line whose file is not recognised must fail the audit, not vanish.
    return lines.join(F.broadcast(facts), on="location", how="left").select("file_id", "file_date", "line")
