"""The lines of a split, block by block: a few megabytes at a time, whatever the size of the file."""

import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from affinity.reading.splits import Split

BLOCK_BYTES = 64 * 1024 * 1024
MAX_LINE_BYTES = 16 * 1024 * 1024
PARQUET_ROWS = 50_000
_BEGINNING = 64 * 1024
_NEWLINE = 10
_PIECE_BYTES = 256 * 1024
_BLANKS = b" \t\r\n\x0b\x0c"
_IS_BLANK = np.isin(np.arange(256), np.frombuffer(_BLANKS, np.uint8))
_BOM = b"\xef\xbb\xbf"
_TOO_LONG = f"it has a line of more than {MAX_LINE_BYTES // 2**20} MB"


class Unreadable(Exception):
    """A file that cannot be read to its end; the message says why and holds nothing of it."""


def chunks(part: Split) -> Iterator[bytes]:
    """The bytes of a split of text, unpacked, cut after line ends; the last may lack one.

    A range begins after the first line end at or behind its start and goes to the first line end at or behind its end,
    so that every line is in one of them.

    Raises:
        Unreadable: the packing is broken, or a line is longer than any log's.
    """
    with closing(_opened(part)) as stream:
        left = None if part.end is None else part.end - part.start
        if part.start:
            stream.seek(part.start - 1)
            skipped = len(_rest_of_line(stream)) - 1
            left = None if left is None else left - skipped
        rest, is_first = b"", part.start == 0
        while left is None or left > 0:
            wanted = BLOCK_BYTES if left is None else min(BLOCK_BYTES, left)
            data = _read(stream, wanted)
            is_end = len(data) < wanted
            if left is not None:
                left -= len(data)
                if left <= 0 and not data.endswith(b"\n"):
                    data += _rest_of_line(stream)
            if is_first:  # some programs put a mark of byte order before UTF-8
                data, is_first = data.removeprefix(_BOM), False
            cut = len(data) if is_end else data.rfind(b"\n") + 1
            if rest + data[:cut] and cut:
                yield rest + data[:cut]
                rest = b""
            rest += data[cut:]
            if len(rest) > MAX_LINE_BYTES:
                raise Unreadable(_TOO_LONG)
            if is_end:
                break
        if rest:
            yield rest


def beginning(path: Path) -> bytes:
    """The first kilobytes of a file, unpacked.

    Raises:
        Unreadable: it cannot be opened or unpacked.
    """
    part = Split(str(path), "", None, 0, ())
    try:
        with closing(_opened(part)) as stream:
            return _read(stream, _BEGINNING)
    except OSError as error:
        raise Unreadable("it cannot be opened") from error


def _rest_of_line(stream: BinaryIO) -> bytes:
    rest = stream.readline(MAX_LINE_BYTES)
    if len(rest) == MAX_LINE_BYTES:
        raise Unreadable(_TOO_LONG)
    return rest


def _opened(part: Split) -> BinaryIO:
    if part.path.endswith(".gz"):
        return cast(BinaryIO, gzip.open(part.path, "rb"))
    if part.path.endswith(".zst"):
        return cast(BinaryIO, io.BufferedReader(pa.input_stream(part.path, compression="zstd")))
    return open(part.path, "rb")  # noqa: PTH123  # closed by the caller


def _read(stream: BinaryIO, n_bytes: int) -> bytes:
    try:
        return stream.read(n_bytes)
    except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
        raise Unreadable("it cannot be unpacked: it is cut, or its bytes are damaged") from error


def line_starts(data: bytes) -> np.ndarray:
    """Where each line of a chunk begins, and at last where the chunk ends.

    Raises:
        Unreadable: a line is longer than any log's.
    """
    raw = np.frombuffer(data, np.uint8)
    pieces = range(0, max(len(raw), 1), _PIECE_BYTES)  # which a cache holds
    ends = np.concatenate([np.flatnonzero(raw[at : at + _PIECE_BYTES] == _NEWLINE) + (at + 1) for at in pieces])
    if not len(ends) or ends[-1] != len(data):
        ends = np.append(ends, len(data))
    starts = np.concatenate(([0], ends))
    if np.diff(starts).max(initial=0) > MAX_LINE_BYTES:
        raise Unreadable(_TOO_LONG)
    return starts


def told_lines(data: bytes, starts: np.ndarray) -> np.ndarray:
    """Which lines of a chunk say something: all but blank ones."""
    first = np.frombuffer(data, np.uint8)[starts[:-1]]
    told = np.ones(len(first), bool)
    for number in np.flatnonzero(_IS_BLANK[first]):
        told[number] = bool(data[starts[number] : starts[number + 1]].strip(_BLANKS))
    return told


def text_blocks(part: Split, *, has_header: bool, encoding: str = "utf-8") -> Iterator[pa.Table]:
    """The lines of a split of text that say something: ``line_no`` (from 1), ``line`` and ``is_text``.

    The header is no line. ``is_text`` is false where bytes are no UTF-8; such a line comes with replacements.
    """
    line_no = part.first_line
    for landed in chunks(part):
        data = landed if encoding == "utf-8" else landed.decode(encoding, "replace").encode()
        starts = line_starts(data)
        numbers = np.arange(line_no, line_no + len(starts) - 1)
        line_no += len(numbers)
        told = told_lines(data, starts)
        if has_header and part.start == 0 and numbers[0] == 1:
            told[_first(told)] = False
        lines, is_text = _as_text(data, starts)
        block = pa.table({"line_no": numbers, "line": lines, "is_text": is_text})
        yield block if told.all() else block.filter(pa.array(told))


def _first(told: np.ndarray) -> slice:
    """The header: the first line that says something, and blank ones before it."""
    return slice(0, int(np.argmax(told)) + 1)


def _as_text(data: bytes, starts: np.ndarray) -> tuple[pa.Array, pa.Array]:
    try:
        if not data.isascii():
            data.decode("utf-8")
    except UnicodeDecodeError:
        return _each_as_text(data, starts)
    offsets = pa.py_buffer(starts.astype(np.int32))
    lines = pa.StringArray.from_buffers(len(starts) - 1, offsets, pa.py_buffer(data))
    return lines, pa.array(np.ones(len(lines), bool))


def _each_as_text(data: bytes, starts: np.ndarray) -> tuple[pa.Array, pa.Array]:
    raw = [data[a:b] for a, b in pairwise(starts)]
    lines = [line.decode("utf-8", "replace") for line in raw]
    return pa.array(lines, pa.string()), pa.array([_is_text(line) for line in raw])


def _is_text(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def parquet_blocks(part: Split) -> Iterator[pa.Table]:
    """The rows of a split of Parquet with the wanted columns that it has, and ``line_no`` (from 1).

    Raises:
        Unreadable: the bytes of a page are damaged.
    """
    row_no = part.first_line
    try:
        with pq.ParquetFile(part.path) as file:
            groups = range(part.start, file.num_row_groups if part.end is None else part.end)
            for batch in file.iter_batches(PARQUET_ROWS, row_groups=list(groups), columns=list(part.columns)):
                numbers = np.arange(row_no, row_no + batch.num_rows)
                row_no += batch.num_rows
                yield pa.table(
                    {"line_no": numbers}
                    | {f"c{number}": batch.column(name) for number, name in enumerate(part.columns)}
                )
    except (OSError, pa.ArrowException) as error:
        raise Unreadable("a page of it is damaged") from error
