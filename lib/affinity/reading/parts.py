"""Files of a table written by the tasks themselves, and what each tells of the rows in it."""

import json
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

_DAYS = ("file_date", "event_date")
_ALL_DIFFERENT = ("event_id", "line_no", "payload", "order_keys", "session_starts", "session_ends")


@dataclass
class FileTally:
    """The rows of one landed file in one part: how many, first and last line of each run of them, defects by name.

    ``is_ordered`` where the lines of every run are in order.
    """

    n_rows: int = 0
    runs: list[tuple[int, int]] = field(default_factory=list)
    is_ordered: bool = True
    defects: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """A file of the table: its path, size, statistics as Delta keeps them, and a tally per landed file."""

    path: str
    n_bytes: int
    stats: str
    n_rows: int
    tallies: Mapping[str, FileTally]

    def dumped(self) -> str:
        """As JSON, on its way to the driver."""
        return json.dumps(asdict(self))

    @staticmethod
    def loaded(text: str) -> "Part":
        """A ``dumped`` part."""
        told = json.loads(text)
        tallies = {name: FileTally(**tally) for name, tally in told["tallies"].items()}
        return Part(**{**told, "tallies": tallies})


def write(tables: Iterable[pa.Table], folder: str, schema: pa.Schema) -> Part | None:
    """Write the rows of a task as one new file in ``folder``; None where there are none. A second try writes anew.

    Columns in: those of ``schema``, with ``file_id, line_no, defects`` and the days among them.
    """
    path = Path(folder) / f"part-{uuid.uuid4().hex}.parquet"
    tallies: defaultdict[str, FileTally] = defaultdict(FileTally)
    days = {name: _Days() for name in _DAYS}
    writer, n_rows = None, 0
    try:
        for table in tables:
            if writer is None:
                path.parent.mkdir(parents=True, exist_ok=True)
                writer = pq.ParquetWriter(path, schema, compression="snappy", use_dictionary=repeated_columns(schema))
            writer.write_table(table.select(schema.names).cast(schema))
            n_rows += len(table)
            _tally(table, tallies)
            for name, found in days.items():
                found.add(table[name])
    finally:
        if writer is not None:
            writer.close()
    if writer is None:
        return None
    return Part(str(path), path.stat().st_size, _stats(n_rows, days), n_rows, dict(tallies))


def repeated_columns(schema: pa.Schema) -> list[str]:
    """The columns whose values come again, so that a dictionary of them is worth while."""
    names = [field.name for field in schema if field.name not in _ALL_DIFFERENT]
    return [f"{name}.list.element" if pa.types.is_list(schema.field(name).type) else name for name in names]


class _Days:
    """The first and the last day of a column, and how many rows have none."""

    def __init__(self) -> None:
        self.first: Any = None
        self.last: Any = None
        self.n_null = 0

    def add(self, column: pa.ChunkedArray) -> None:
        found = pc.min_max(column).as_py()
        self.n_null += column.null_count
        if found["min"] is not None:
            self.first = found["min"] if self.first is None else min(self.first, found["min"])
            self.last = found["max"] if self.last is None else max(self.last, found["max"])


def _stats(n_rows: int, days: Mapping[str, _Days]) -> str:
    known = {name: found for name, found in days.items() if found.first is not None}
    return json.dumps(
        {
            "numRecords": n_rows,
            "minValues": {name: str(found.first) for name, found in known.items()},
            "maxValues": {name: str(found.last) for name, found in known.items()},
            "nullCount": {name: found.n_null for name, found in days.items()},
        }
    )


def _tally(table: pa.Table, tallies: defaultdict[str, FileTally]) -> None:
    """Count rows and defects per landed file; the rows of a file come together."""
    files = table["file_id"].combine_chunks().dictionary_encode()
    codes = files.indices.to_numpy(zero_copy_only=False)
    lines = table["line_no"].to_numpy()
    defects = table["defects"].combine_chunks()
    flags, of_row = defects.flatten().dictionary_encode(), pc.list_parent_indices(defects).to_numpy()
    starts = np.concatenate(([0], np.flatnonzero(np.diff(codes)) + 1, [len(codes)]))
    for start, end in pairwise(starts):
        tally = tallies[files.dictionary[int(codes[start])].as_py()]
        mine = lines[start:end]
        tally.is_ordered &= bool(np.all(np.diff(mine) > 0))
        tally.runs.append((int(mine[0]), int(mine[-1])))
        tally.n_rows += int(end - start)
        low, high = np.searchsorted(of_row, (start, end))
        if high > low:
            counted = pc.value_counts(flags.slice(int(low), int(high - low)).dictionary_decode())
            for pair in counted.to_pylist():
                tally.defects[pair["values"]] = tally.defects.get(pair["values"], 0) + pair["counts"]
