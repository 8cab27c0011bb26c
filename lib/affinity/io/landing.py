"""Landed files: what lies there, what of it is new, and its lines."""

import hashlib
import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
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

    ``supersedes`` maps a known file_id to the new one that came under its name.
    """

    new: tuple[LandedFile, ...]
    supersedes: dict[str, str]
    renamed: dict[str, tuple[str, ...]]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to ingest or to note."""
        return not (self.new or self.supersedes or self.renamed)


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
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    found = pattern.search(path.name)
    try:
        file_date = date.fromisoformat(found["date"]) if found else None
    except ValueError:
        file_date = None
    return LandedFile(path, path.relative_to(landing).as_posix(), digest, path.stat().st_size, file_date)


def arrivals(files: Sequence[LandedFile], manifest: Sequence[Row]) -> Arrivals:
    """What ``files`` brings beyond the manifest rows of its source and feed.

    A file under a known name with other bytes is a correction; known bytes under another name are the same file.
    """
    known = {row["file_id"]: row for row in manifest}
    live_by_name = {row["path"]: row["file_id"] for row in manifest if row["state"] != FileState.SUPERSEDED}
    new: dict[str, LandedFile] = {}
    renamed: dict[str, list[str]] = {}
    for file in files:
        if file.file_id not in known and file.file_id not in new:
            new[file.file_id] = file
        elif file.name != (known[file.file_id]["path"] if file.file_id in known else new[file.file_id].name):
            renamed.setdefault(file.file_id, []).append(file.name)
    supersedes = {
        live_by_name[file.name]: file.file_id
        for file in files
        if file.name in live_by_name and live_by_name[file.name] != file.file_id
    }
    fresh = {
        file_id: tuple(names)
        for file_id, names in renamed.items()
        if file_id in new or not set(names) <= set(_names(known[file_id]))
    }
    return Arrivals(tuple(new.values()), supersedes, fresh)


def _names(row: Row) -> list[str]:
    return list(json.loads(row["also_seen_as"] or "[]"))


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
    missing = [name for name in mapping.files.columns if name not in got]
    extra = [name for name in got if name not in mapping.files.columns]
    order = "columns in another order" if not (missing or extra) else ""
    parts = [f"missing {missing}" if missing else "", f"not expected {extra}" if extra else "", order]
    return f"{file.name}: {', '.join(part for part in parts if part)} (expected {list(mapping.files.columns)})"


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
