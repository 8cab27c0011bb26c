"""A measured row as text, which is Markdown, and as JSON."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.harness import Detail, Row, Timing


def as_text(row: Row, timings: Sequence[Timing], machine: Mapping[str, object]) -> str:
    """The tables that are printed and go into docs/benchmarks.md."""
    head = {"variant": "", "median s": 0.0, "runs": 0, "least s": 0.0, "most s": 0.0}
    lines = [
        {
            **head,
            "variant": timing.name,
            "median s": timing.median,
            "runs": len(timing.seconds),
            "least s": min(timing.seconds),
            "most s": max(timing.seconds),
            **({} if timing.ratio is None else {f"{row.peer} / this": timing.ratio}),
        }
        for timing in timings
    ]
    parts = [f"## {row.name}", row.doc, table(lines)]
    parts += [f"{timing.name}:\n\n{table(timing.details)}" for timing in timings if timing.details]
    parts += [" · ".join(f"{name} {_cell(value)}" for name, value in {**row.notes, **machine}.items())]
    return "\n\n".join(parts) + "\n"


def write_json(folder: Path, row: Row, timings: Sequence[Timing], machine: Mapping[str, object]) -> Path:
    """Everything that was measured, in a file of its own."""
    at = datetime.now(UTC)
    measured = {
        "row": row.name,
        "doc": row.doc,
        "at_ts": at.isoformat(timespec="seconds"),
        "peer": row.peer,
        "notes": dict(row.notes),
        "machine": dict(machine),
        "variants": [
            {"name": t.name, "median": t.median, "seconds": t.seconds, "ratio": t.ratio, "details": list(t.details)}
            for t in timings
        ],
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{row.name}-{at:%Y%m%dT%H%M%SZ}.json"
    path.write_text(json.dumps(measured, indent=2) + "\n", encoding="utf-8")
    return path


def table(lines: Sequence[Detail]) -> str:
    """Lines with the same keys as a Markdown table; numbers to the right."""
    names = list(lines[0])
    cells = [[_cell(line[name]) for name in names] for line in lines]
    widths = [max(len(name), *(len(row[i]) for row in cells)) for i, name in enumerate(names)]
    is_number = [isinstance(lines[0][name], int | float) for name in names]
    rule = ["-" * (width - 1) + (":" if right else "-") for width, right in zip(widths, is_number, strict=True)]
    return "\n".join(_line(row, widths, is_number) for row in (names, rule, *cells))


def _line(cells: Sequence[str], widths: Sequence[int], is_number: Sequence[bool]) -> str:
    padded = [c.rjust(w) if right else c.ljust(w) for c, w, right in zip(cells, widths, is_number, strict=True)]
    return f"| {' | '.join(padded)} |"


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
