"""What a benchmark row is, and how its variants are measured: interleaved, compared first, medians last."""

import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

Detail = Mapping[str, Any]


class Unequal(Exception):
    """Two variants gave different outputs: their times say nothing."""


@dataclass(frozen=True)
class Sample:
    """What one call of a variant gave: the output that is compared, and lines worth printing below the times."""

    output: Any
    details: Sequence[Detail] = ()


@dataclass(frozen=True)
class Variant:
    """One way to do the work of a row; ``run`` has to force it, and starts from data that is at hand."""

    name: str
    run: Callable[[], Sample]


@dataclass(frozen=True)
class Row:
    """One benchmark: ours is the first variant, the others are its peers.

    ``difference`` says in words how two outputs differ, or gives None where they are equal enough; what that means
    belongs into ``doc``, as do objective and settings. ``notes`` are facts of the set-up, such as a start that is not
    timed.
    """

    name: str
    doc: str
    variants: Sequence[Variant]
    difference: Callable[[Any, Any], str | None]
    peer: str | None = None
    n_runs: int = 5
    n_warm_ups: int = 1
    notes: Mapping[str, Any] = field(default_factory=dict)


RowFile = Callable[[], AbstractContextManager[Row]]


@dataclass(frozen=True)
class Timing:
    """The times of one variant."""

    name: str
    seconds: tuple[float, ...]
    ratio: float | None
    details: Sequence[Detail]

    @property
    def median(self) -> float:
        """The figure that is quoted."""
        return statistics.median(self.seconds)


def measure(row: Row) -> list[Timing]:
    """Time all variants of a row in turns, each round beginning with another one.

    Raises:
        Unequal: an output, of a warm-up or of any run, differs from that of the first variant.
        ValueError: the peer of the row is none of its variants.
    """
    if row.peer is not None and row.peer not in [variant.name for variant in row.variants]:
        raise ValueError(f"row {row.name}: peer {row.peer!r} is none of its variants")
    expected: list[Any] = []
    for variant in [variant for variant in row.variants for _ in range(row.n_warm_ups)]:
        _check(row, expected, variant, variant.run())
    seconds: dict[str, list[float]] = {variant.name: [] for variant in row.variants}
    details: dict[str, Sequence[Detail]] = {}
    for number in range(row.n_runs):
        first = number % len(row.variants)
        for variant in [*row.variants[first:], *row.variants[:first]]:
            begun = time.perf_counter()
            sample = variant.run()
            seconds[variant.name].append(time.perf_counter() - begun)
            details[variant.name] = sample.details
            _check(row, expected, variant, sample)
    return _timings(row, seconds, details)


def _check(row: Row, expected: list[Any], variant: Variant, sample: Sample) -> None:
    if not expected:
        expected.append(sample.output)
        return
    difference = row.difference(expected[0], sample.output)
    if difference is not None:
        raise Unequal(f"row {row.name}: {variant.name} differs from what was found first: {difference}")


def _timings(row: Row, seconds: Mapping[str, list[float]], details: Mapping[str, Sequence[Detail]]) -> list[Timing]:
    peer = statistics.median(seconds[row.peer]) if row.peer else None
    return [
        Timing(name, tuple(times), None if peer is None else peer / statistics.median(times), details[name])
        for name, times in seconds.items()
    ]


def told(lines: Iterable[Detail]) -> list[Detail]:
    """Details of a row that takes long, each said as soon as it is there."""
    kept: list[Detail] = []
    for line in lines:
        print(", ".join(f"{name}: {value}" for name, value in line.items()), file=sys.stderr, flush=True)
        kept.append(line)
    return kept


def equal(ours: Any, theirs: Any) -> str | None:
    """The plainest comparison."""
    return None if ours == theirs else f"expected {str(ours)[:200]}, got {str(theirs)[:200]}"
