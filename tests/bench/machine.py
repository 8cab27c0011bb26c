"""What the machine can do, measured beside the rows: a time means little without it."""

import os
import platform
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryFile

import numpy as np

MATRIX = 4096
TRIAD_BYTES = 10**9
WRITTEN_BYTES = 2**30
_BLOCK = 2**24


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load() -> float:
    """Processes that ran or waited in the last minute, on average; above the cores the times are not worth quoting."""
    return round(os.getloadavg()[0], 2)


def facts(scratch: Path) -> dict[str, object]:
    """Cores, load, and three physical limits: arithmetic, memory and disk below ``scratch``."""
    loaded = load()  # before we load it ourselves
    return {
        "processor": _processor(),
        "cores": cores(),
        "load": loaded,
        "python": platform.python_version(),
        "S_sgemm_gflops": round(sgemm_gflops(), 1),
        "B_triad_gb_per_s": round(triad_gb_per_s(), 1),
        "W_write_mb_per_s": round(write_mb_per_s(scratch)),
    }


def sgemm_gflops(n: int = MATRIX) -> float:
    """Single precision matrix product by numpy's BLAS on all threads it takes, best of three."""
    left = np.random.default_rng(0).random((n, n), dtype=np.float32)
    return 2 * n**3 / _best(lambda: left @ left) / 1e9


def triad_gb_per_s(n_bytes: int = TRIAD_BYTES) -> float:
    """a = b + s·c over three arrays, a thread per core; in numpy two passes, five arrays read or written."""
    n = n_bytes // 24
    a, b, c = np.zeros(n), np.ones(n), np.ones(n)
    bounds = [(n * i // cores(), n * (i + 1) // cores()) for i in range(cores())]

    def part(bound: tuple[int, int]) -> None:
        here = slice(*bound)
        np.multiply(c[here], 3.0, out=a[here])
        np.add(a[here], b[here], out=a[here])

    with ThreadPoolExecutor(cores()) as pool:
        return 5 * 8 * n / _best(lambda: list(pool.map(part, bounds))) / 1e9


def write_mb_per_s(folder: Path, n_bytes: int = WRITTEN_BYTES) -> float:
    """Sequential write with fsync."""
    block = os.urandom(_BLOCK)
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryFile(dir=folder, buffering=0) as file:
        begun = time.perf_counter()
        for _ in range(n_bytes // _BLOCK):
            file.write(block)
        os.fsync(file.fileno())
        return n_bytes / (time.perf_counter() - begun) / 1e6


def _best(work: Callable[[], object]) -> float:
    times = []
    for _ in range(3):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return min(times)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
