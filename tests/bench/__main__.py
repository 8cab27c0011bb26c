"""``python -m tests.bench [row …]``: measure the named rows, or all of them."""

import importlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.bench import machine, report
from tests.bench.harness import RowFile, Unequal, measure

ROWS = Path(__file__).with_name("rows")
OUT = Path(__file__).resolve().parents[2] / "build" / "bench"


def main(names: Sequence[str]) -> int:
    """Measure rows by name; 0 if all were, 1 if outputs differed, 2 if a name is unknown."""
    known = sorted(file.stem for file in ROWS.glob("[a-z]*.py"))
    unknown = [name for name in names if name not in known]
    if unknown:
        print(f"No benchmark row {', '.join(unknown)}; there are: {', '.join(known)}.", file=sys.stderr)
        return 2
    files = [importlib.import_module(f"tests.bench.rows.{name}").row for name in names or known]
    return bench(files, machine.facts(OUT), OUT)


def bench(rows: Sequence[RowFile], facts: Mapping[str, object], out: Path) -> int:
    """Measure rows one after the other; one whose outputs differ prints no time, and the others still run."""
    n_unequal = 0
    for open_row in rows:
        with open_row() as row:
            try:
                timings = measure(row)
            except Unequal as error:
                print(f"{error}. No time is given.", file=sys.stderr)
                n_unequal += 1
                continue
            here = {**facts, "load_after": machine.load()}
            print(report.as_text(row, timings, here))
            print(f"Written to {report.write_json(out, row, timings, here)}", file=sys.stderr)
    return 1 if n_unequal else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
