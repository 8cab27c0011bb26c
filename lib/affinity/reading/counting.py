"""Lines counted before anything is parsed, and files that nobody should try to read."""

from dataclasses import dataclass
from pathlib import Path

from affinity.reading.blocks import Unreadable, chunks, line_starts, told_lines
from affinity.reading.splits import Split

MAX_RATIO = 300
_SMALL = 64 * 1024 * 1024


@dataclass(frozen=True)
class Counted:
    """Lines of a split: all of them, those that say something, and why the file cannot be read (None if it can)."""

    file_id: str
    start: int
    n_lines: int
    n_told: int
    fault: str | None = None


def counted(part: Split) -> Counted:
    """Count the lines of a split of text, the header among them; nothing is kept of them.

    Packed files that come out more than ``MAX_RATIO`` times as long are refused on the way, unless small.
    """
    n_lines = n_told = n_bytes = 0
    limit = max(_SMALL, MAX_RATIO * Path(part.path).stat().st_size)
    try:
        for data in chunks(part):
            n_bytes += len(data)
            if part.is_packed and n_bytes > limit:
                raise Unreadable(f"it comes out more than {MAX_RATIO} times as long as it is packed")
            starts = line_starts(data)
            n_lines += len(starts) - 1
            n_told += int(told_lines(data, starts).sum())
    except Unreadable as unreadable:
        return Counted(part.file_id, part.start, 0, 0, str(unreadable))
    return Counted(part.file_id, part.start, n_lines, n_told)
