"""How much memory this process and all below it take, sampled while something runs."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_EVERY_SECS = 0.5
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Peak:
    """The most that was seen, in bytes: resident pages, of which forked workers share some."""

    n_bytes: int = 0


@contextmanager
def watched() -> Iterator[Peak]:
    """Sample until the block ends."""
    peak, over = Peak(), threading.Event()

    def sample() -> None:
        while not over.wait(_EVERY_SECS):
            peak.n_bytes = max(peak.n_bytes, _resident())

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def _resident() -> int:
    """Resident bytes of this process and its descendants."""
    pages = 0
    for process in descendants():
        with suppress(OSError):  # it has ended meanwhile
            pages += int((process / "statm").read_text().split()[1])
    return pages * _PAGE


def descendants() -> list[Path]:
    """This process and all below it, as folders of /proc."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    return [Path("/proc") / str(pid) for pid in parents if _is_below(pid, parents)]


def _is_below(pid: int, parents: dict[int, int]) -> bool:
    me = os.getpid()
    while pid and pid != me:
        pid = parents.get(pid, 0)
    return pid == me
