"""Whether a table is all there: some readers take a damaged log for a shorter one, and tell nobody."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from affinity.core.errors import Infrastructure
from affinity.io.root import Root
from affinity.tables.spec import TableSpec

_SHOWN = 3
_HELP = "Nothing was released. Put the folder of the table back as it was, from a backup."


def check_intact(root: Root, spec: TableSpec, version: int) -> None:
    """Open a version's log and look for every file that it names.

    Raises:
        Infrastructure: a commit or a file of rows is missing, cut or damaged; table and file are named.
    """
    check_log(root, spec)
    with named(root, spec, version):
        try:
            actions = DeltaTable(str(root.table(spec)), version=version).get_add_actions(flatten=True)
        except TableNotFoundError:
            raise damaged(spec, f"its log {_log(root, spec)} is missing") from None
    sizes = zip(actions["path"].to_pylist(), actions["size_bytes"].to_pylist(), strict=True)
    faults = [fault for path, n_bytes in sizes if (fault := _file_fault(root.table(spec) / unquote(path), n_bytes))]
    if faults:
        raise damaged(spec, f"{len(faults)} of {len(actions['path'])} files: {'; '.join(sorted(faults)[:_SHOWN])}")


def check_log(root: Root, spec: TableSpec) -> None:
    """Look for commits without a word, as a loss of power leaves them: no reader of Delta minds one.

    Raises:
        Infrastructure: there is one.
    """
    if empty := [path for path in _log(root, spec).glob("*.json") if _is_empty(path)]:
        raise damaged(spec, f"{min(empty)} is empty")


@contextmanager
def named(root: Root, spec: TableSpec, version: int | None = None) -> Iterator[None]:
    """Tell of the table and the file, where a library only says that something (of a version) cannot be read.

    Raises:
        Infrastructure: in place of such an error; commits that met another one and missing tables are told as they are.
    """
    try:
        yield
    except (CommitFailedError, TableNotFoundError):
        raise
    except (DeltaError, OSError, pa.ArrowException) as error:
        raise damaged(spec, _log_fault(_log(root, spec), version) or _first_line(error)) from error


def damaged(spec: TableSpec, fault: str) -> Infrastructure:
    """The error of a table that is not all there."""
    return Infrastructure(f"Table {spec.full_name} is damaged: {fault}. {_HELP}")


def _log(root: Root, spec: TableSpec) -> Path:
    return root.table(spec) / "_delta_log"


def _is_empty(path: Path) -> bool:
    try:
        return not path.stat().st_size
    except FileNotFoundError:  # an old commit that upkeep removed meanwhile
        return False


def _log_fault(log: Path, version: int | None) -> str | None:
    """The first commit, up to a version, that is missing or cannot be read; null where all are whole."""
    commits = {int(path.stem): path for path in log.glob("*.json") if path.stem.isdigit()}
    for number in range(min(commits, default=0), max([*commits, version or 0]) + 1):
        if number not in commits:
            return f"{log / f'{number:020}.json'} is missing"
        try:
            [json.loads(line) for line in commits[number].read_bytes().splitlines()]
        except ValueError:
            return f"{commits[number]} is no list of JSON objects"
    return None


def _file_fault(path: Path, n_bytes: int) -> str | None:
    if not path.exists():
        return f"{path} is missing"
    found = path.stat().st_size
    return None if found == n_bytes else f"{path} has {found} bytes, expected {n_bytes}"


def _first_line(error: Exception) -> str:
    """What a library says of files of ours; what follows the first line is its own code."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
