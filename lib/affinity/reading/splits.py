"""What one task reads: whole files, or byte ranges of large ones."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from heapq import heapify, heapreplace
from typing import Any

SPLIT_BYTES = 64 * 1024 * 1024
# Packed text comes out several times as long; the work is in what comes out.
_PACKED = 5


@dataclass(frozen=True)
class Split:
    """A range of one file: bytes of text, or row groups of Parquet; ``end`` is None where it is read to its end.

    ``columns`` are those that the file itself has, in its order; ``is_whole`` where no other split has lines of it.
    """

    path: str
    file_id: str
    file_date: date | None
    n_bytes: int
    columns: tuple[str, ...]
    start: int = 0
    end: int | None = None
    first_line: int = 1

    @property
    def is_whole(self) -> bool:
        """Whether this is all of the file."""
        return self.start == 0 and self.end is None

    @property
    def is_packed(self) -> bool:
        """Whether the text has to be unpacked, and so read from its beginning."""
        return self.path.endswith((".gz", ".zst"))


def split(file: Split, *, size: int = SPLIT_BYTES) -> list[Split]:
    """A whole file of plain text as byte ranges of about ``size``; a packed or small one as it is."""
    if file.is_packed or file.n_bytes <= 2 * size:
        return [file]
    starts = range(0, file.n_bytes, size)
    return [replace(file, start=start, end=min(start + size, file.n_bytes), n_bytes=size) for start in starts]


def packed_evenly(splits: Sequence[Split], n_tasks: int) -> list[list[Split]]:
    """The splits over so many tasks, the longest first to the least loaded; those of one task in the given order."""
    order = {id(part): number for number, part in enumerate(splits)}
    tasks: list[tuple[int, int, list[Split]]] = [(0, number, []) for number in range(min(n_tasks, len(splits)))]
    heapify(tasks)
    for part in sorted(splits, key=_work, reverse=True):
        load, number, mine = tasks[0]
        mine.append(part)
        heapreplace(tasks, (load + _work(part) + 10_000, number, mine))
    return [
        sorted(mine, key=lambda part: order[id(part)]) for _load, _number, mine in sorted(tasks, key=lambda t: t[1])
    ]


def _work(part: Split) -> int:
    return part.n_bytes * (_PACKED if part.is_packed else 1)


def n_tasks(splits: Iterable[Split], at_least: int) -> int:
    """Tasks for so much text: one per ``SPLIT_BYTES`` or so, and enough for every core."""
    return max(work_of(splits) // (2 * SPLIT_BYTES) + 1, at_least)


def work_of(splits: Iterable[Split]) -> int:
    """How much text the splits have, in bytes, those of packed files unpacked."""
    return sum(map(_work, splits))


def shares(works: Sequence[int], n_cores: int) -> list[int]:
    """How many cores each of several works keeps busy, at least one, where all of them are done side by side.

    >>> shares([900, 50, 50], 4)
    [4, 1, 1]
    """
    return [max(1, round(n_cores * work / max(1, sum(works)))) for work in works]


def dumped(splits: Sequence[Split]) -> str:
    """Splits as JSON, on their way to a task."""
    return json.dumps([asdict(part) for part in splits], default=str)


def loaded(text: str) -> list[Split]:
    """``dumped`` splits."""
    return [_loaded(part) for part in json.loads(text)]


def _loaded(part: dict[str, Any]) -> Split:
    day = part["file_date"]
    given = {"columns": tuple(part["columns"]), "file_date": date.fromisoformat(day) if day else None}
    return Split(**(part | given))
