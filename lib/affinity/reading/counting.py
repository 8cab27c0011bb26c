"""Lines counted before anything is parsed, and files that nobody should try to read."""

from dataclasses import dataclass
from pathlib import Path

from affinity.reading.blocks import Unreadable, chunks, line_starts, parquet_blocks, told_lines
from affinity.reading.splits import Split

MAX_RATIO = 300
_SMALL = 64 * 1024 * 1024


@dataclass(frozen=True)
class Counted:
    """Lines of a split: all of them and those that say something; its bytes unpacked; why it cannot be read, if so."""

    file_id: str
    start: int
    n_lines: int
    n_told: int
    n_bytes: int
    fault: str | None = None


def counted(part: Split, *, is_parquet: bool) -> Counted:
    """Count the lines of a split, the header among them, or the rows of a Parquet file; nothing is kept of them.

    Packed files that come out more than ``MAX_RATIO`` times as long are refused on the way, unless small.
    """
    try:
        return _rows(part) if is_parquet else _lines(part)
    except Unreadable as unreadable:
        return Counted(part.file_id, part.start, 0, 0, 0, str(unreadable))


def _rows(part: Split) -> Counted:
    n_rows = sum(len(block) for block in parquet_blocks(part))
    return Counted(part.file_id, part.start, n_rows, n_rows, part.n_bytes)


def _lines(part: Split) -> Counted:
    n_lines = n_told = n_bytes = 0
    limit = max(_SMALL, MAX_RATIO * Path(part.path).stat().st_size)
    for data in chunks(part):
        n_bytes += len(data)
        if part.is_packed and n_bytes > limit:
            raise Unreadable(f"it comes out more than {MAX_RATIO} times as long as it is packed")
        starts = line_starts(data)
        n_lines += len(starts) - 1
        n_told += int(told_lines(data, starts).sum())
    return Counted(part.file_id, part.start, n_lines, n_told, n_bytes)
