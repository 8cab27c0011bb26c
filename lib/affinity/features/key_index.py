"""Rows of files that never change, found by their keys: beside each file lies a copy in which tokens are in order."""

import os
import shutil
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from affinity.features.grouped import ARRIVED, Files, is_of_system, with_each

if TYPE_CHECKING:
    import duckdb

Key = tuple[str, ...]
"""Columns of tokens; rows are found by one column, or by the pair of two."""
_PIECE_ROWS = 1_000_000
_TAIL = 8
_Tails = npt.NDArray[np.uint64]
_Places = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Kept:
    """What a copy has of a file: columns, those of few values as dictionaries, and keys by which rows are found."""

    columns: pa.Schema
    keys: Sequence[Key]

    @property
    def plain(self) -> pa.Schema:
        """The columns of what is found."""
        return pa.schema([(column.name, _plain(column.type)) for column in self.columns])


@dataclass(frozen=True)
class _Copy:
    """Rows of a file, and of some columns which words of their dictionaries are allowed."""

    rows: pa.RecordBatch
    allowed: Mapping[str, npt.NDArray[np.bool_]]

    @staticmethod
    def opened(path: Path, among: Mapping[str, Collection[str]]) -> "_Copy":
        rows = pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0)
        words = {name: rows[name].dictionary.to_pylist() for name in among}
        return _Copy(rows, {name: np.array([word in among[name] for word in words[name]], bool) for name in among})

    def places(self, key: Key, tails: _Tails) -> _Places:
        """Where rows lie that are allowed and whose keys end like these."""
        in_order = self.rows[_tail_column(key)].to_numpy()
        first, after = np.searchsorted(in_order, tails, "left"), np.searchsorted(in_order, tails, "right")
        n_each = after - first
        at = np.arange(n_each.sum()) + np.repeat(first - np.cumsum(n_each) + n_each, n_each)
        places: _Places = self.rows[_place_column(key)].to_numpy()[at]
        for name, is_allowed in self.allowed.items():
            places = places[is_allowed[self.rows[name].indices.to_numpy()[places]]]
        return places


@dataclass(frozen=True)
class KeyIndex:
    """Copies of files, as Arrow reads them from where they lie.

    Beside its rows a copy has the last characters of the tokens of each key, which are random, in order, and the places
    of their rows: who asks for a thousand keys reads a few pages for each of them, however many rows there are.
    """

    kept: Kept
    copies: Sequence[_Copy]

    def rows(self, key: Key, values: pa.Table, *, most: int | None = None) -> pa.Table:
        """All rows that count with these values of a key; of each value at most ``most``, whichever come first."""
        found = self.kept.plain.empty_table()
        asked = values.select(key).cast(found.select(key).schema).group_by(list(key)).aggregate([])
        tails = np.unique(_tails(asked, key))
        for copy in self.copies:
            if len(places := copy.places(key, tails)):
                rows = pa.Table.from_batches([copy.rows.take(pa.array(places))]).select(found.column_names)
                exact = rows.cast(found.schema).join(asked, list(key), join_type="left semi")
                found = _at_most(pa.concat_tables([found, exact.select(found.column_names)]), key, most)
        return found


def indexed(files: Files, kept: Kept, folder: Path, among: Mapping[str, Collection[str]]) -> KeyIndex:
    """Make the copies that are missing in a folder, one below the name of each file; those of other files are removed.

    Rows count whose values are ``among`` some, by columns that are kept as dictionaries. A copy follows from its file
    alone, may be removed at any time, and is made again where it cannot be read.
    """
    try:
        return _indexed(files, kept, folder, among)
    except (pa.ArrowInvalid, OSError) as error:  # what a disk kept of them after a loss of power, say
        if is_of_system(error):
            raise
        shutil.rmtree(folder)
        return _indexed(files, kept, folder, among)


def _indexed(files: Files, kept: Kept, folder: Path, among: Mapping[str, Collection[str]]) -> KeyIndex:
    names = {Path(path).name: path for path in files.paths}
    folder.mkdir(parents=True, exist_ok=True)
    there = {path.name for path in folder.iterdir()}
    for name in there - names.keys():
        shutil.rmtree(folder / name)
    missing = replace(files, paths=[path for name, path in names.items() if name not in there])
    with_each(missing, partial(_copy, kept, folder))
    paths = [path for name in sorted(names) for path in sorted((folder / name).iterdir())]
    return KeyIndex(kept, [_Copy.opened(path, among) for path in paths])


def _copy(kept: Kept, folder: Path, asked: "duckdb.DuckDBPyConnection", path: str) -> None:
    unfinished, made = folder / uuid.uuid4().hex, folder / Path(path).name
    unfinished.mkdir()
    rows = asked.sql(f"SELECT {', '.join(kept.columns.names)} FROM {ARRIVED}").to_arrow_reader(_PIECE_ROWS)
    for number, batch in enumerate(rows):
        copied = _with_order(batch, kept)
        with (unfinished / f"{number:05}.arrow").open("wb") as file:
            with pa.ipc.new_file(file, copied.schema) as writer:
                writer.write_batch(copied)
            file.flush()
            os.fsync(file.fileno())  # the name of the folder says that all of it is there
    try:
        unfinished.rename(made)
    except OSError:  # a second try of a task: both say the same
        if not made.is_dir():
            raise
        shutil.rmtree(unfinished)


def _with_order(rows: pa.RecordBatch, kept: Kept) -> pa.RecordBatch:
    arrays = {column.name: _as(column.type, rows[column.name]) for column in kept.columns}
    for key in kept.keys:
        tails = _tails(rows, key)
        order = np.argsort(tails, kind="stable")
        arrays |= {_tail_column(key): pa.array(tails[order]), _place_column(key): pa.array(order.astype(np.int32))}
    return pa.RecordBatch.from_pydict(arrays)


def _as(kind: pa.DataType, column: pa.Array) -> pa.Array:
    return column.dictionary_encode() if pa.types.is_dictionary(kind) else column.cast(kind)


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _tail_column(key: Key) -> str:
    return f"{' '.join(key)} in order"


def _place_column(key: Key) -> str:
    return f"{' '.join(key)} places"


def _tails(rows: pa.RecordBatch | pa.Table, key: Key) -> _Tails:
    """A number of each row: the last characters of its token, or of both."""
    made = np.zeros(rows.num_rows, np.uint64)
    for name in key if rows.num_rows else ():
        tails = pc.utf8_lpad(pc.utf8_slice_codeunits(rows[name], -_TAIL), _TAIL)
        whole = tails.combine_chunks() if isinstance(tails, pa.ChunkedArray) else tails
        made ^= np.frombuffer(whole.cast(pa.binary()).cast(pa.binary(_TAIL)).buffers()[1], np.uint64)[: len(made)]
    return made


def _at_most(rows: pa.Table, key: Key, most: int | None) -> pa.Table:
    if most is None or rows.num_rows <= most:
        return rows
    codes = rows[key[0]].combine_chunks().dictionary_encode().indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], codes[order], "left")
    return rows.take(pa.array(np.sort(order[np.arange(len(order)) - starts < most])))
