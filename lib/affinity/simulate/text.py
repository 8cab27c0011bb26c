"""Columns of numbers as columns of text, and columns of text as lines, without a Python object per value."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from affinity.simulate.draws import Bools, Floats, Ints, Keys

_DAY_SECS = 86_400
_EPOCH = date(1970, 1, 1)
_MONEY = pa.decimal128(18, 2)
Text: TypeAlias = pa.StringArray


def hexadecimal(keys: Keys | Ints, digits: int = 16) -> Text:
    """Integers as hexadecimal digits, zeros in front.

    >>> hexadecimal(np.array([255, 1], np.int64), 4).to_pylist()
    ['00ff', '0001']
    """
    values = np.ascontiguousarray(keys).view(np.uint64)
    octets = values.astype(">u8").view(np.uint8).reshape(-1, 8)[:, 8 - digits // 2 :]
    return _fixed(_hex_pairs()[octets].view(np.uint8).reshape(len(values), digits))


def number(values: Ints, digits: int = 0, prefix: str = "") -> Text:
    """Integers as decimal digits, with zeros in front up to ``digits``, and a common prefix.

    >>> number(np.array([7, 123]), 6, "I").to_pylist()
    ['I000007', 'I000123']
    """
    if not digits:
        plain = pc.cast(pa.array(values), pa.string())
        return pc.binary_join_element_wise(prefix, plain, "") if prefix else plain
    powers = 10 ** np.arange(digits - 1, -1, -1)
    places = (np.asarray(values)[:, None] // powers % 10 + ord("0")).astype(np.uint8)
    front = np.broadcast_to(np.frombuffer(prefix.encode(), np.uint8), (len(places), len(prefix)))
    return _fixed(np.concatenate([front, places], axis=1))


def money(pence: Ints) -> Text:
    """Pence as pounds with two places.

    >>> money(np.array([5, 1999, -250])).to_pylist()
    ['0.05', '19.99', '-2.50']
    """
    whole, rest = number(np.abs(pence) // 100), number(np.abs(pence) % 100, 2)
    sign = words(["", "-"], (pence < 0).astype(np.int64))
    return pc.binary_join_element_wise(sign, whole, ".", rest, "")


def few(known: Sequence[str], position: Ints) -> pa.DictionaryArray:
    """Words by their positions, for a table: each is stored once."""
    return coded(pa.array(known, pa.string()), position)


def coded(known: Text, position: Ints) -> pa.DictionaryArray:
    """Values by their positions, each stored once; a negative position is null."""
    indices = pa.array(position.astype(np.int32), mask=position < 0)
    return pa.DictionaryArray.from_arrays(indices, known, safe=False)


def words(known: Sequence[str | None], position: Ints) -> Text:
    """Words by their positions."""
    return pa.array(known, pa.string()).take(pa.array(position))


def dates(epoch: Ints, pattern: str = "%Y-%m-%d") -> Text:
    """The day of epoch seconds as text."""
    return words_of_few(epoch // _DAY_SECS, lambda day: format(_EPOCH + timedelta(days=day), pattern))


def clock(epoch: Ints, end: str = "") -> Text:
    """The time of day of epoch seconds, as in 07:12:33, and what ends it."""
    return _clock(end).take(pa.array(epoch % _DAY_SECS))


def words_of_few(values: Ints, spell: Callable[[int], str]) -> Text:
    """Integers that take few values, each spelled once."""
    distinct, position = np.unique(values, return_inverse=True)
    return words([spell(int(value)) for value in distinct], position)


def spaced(*parts: Text | str, by: str = "") -> Text:
    """Columns joined to one, a null as nothing."""
    return pc.binary_join_element_wise(*parts, by, null_handling="replace", null_replacement="")


def only(text: Text, where: Bools) -> Text:
    """The text where it is wanted, null elsewhere."""
    return pc.if_else(pa.array(where), text, None)


def replaced(text: Text, where: Bools, values: Sequence[str | None]) -> Text:
    """The text with other values where ``where`` holds, in order."""
    if not len(values):
        return text
    return pc.replace_with_mask(text, pa.array(where), pa.array(values, pa.string()))


def content(lines: Text, start: int, end: int) -> memoryview:
    """The bytes of consecutive lines, each of which ends in its own newline: no copy is made."""
    offsets = np.frombuffer(lines.buffers()[1], np.int32)[lines.offset : lines.offset + len(lines) + 1]
    return memoryview(lines.buffers()[2])[offsets[start] : offsets[end]]


def decimals(pence: Ints) -> pa.Decimal128Array:
    """Pence as decimal(18, 2), without a Python object per value."""
    halves = np.stack([pence, pence >> 63], axis=1)
    return pa.Decimal128Array.from_buffers(_MONEY, len(pence), [None, pa.py_buffer(np.ascontiguousarray(halves))])


def lists(values: Floats) -> pa.ListArray:
    """Rows of numbers as a column of lists of float."""
    offsets = np.arange(0, values.size + 1, values.shape[1], dtype=np.int32)
    return pa.ListArray.from_arrays(offsets, pa.array(values.astype(np.float32).ravel()))


def spaced_iso(epoch: Ints) -> Text:
    """Epoch seconds as in 2025-10-06 07:12:33."""
    return spaced(dates(epoch), " ", clock(epoch))


def _fixed(characters: Ints) -> Text:
    """Rows of equally many characters as text."""
    n, width = characters.shape
    offsets = np.arange(n + 1, dtype=np.int32) * np.int32(width)
    return pa.StringArray.from_buffers(n, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(characters)))


@lru_cache(maxsize=1)
def _hex_pairs() -> Ints:
    pairs = "".join(f"{value:02x}" for value in range(256)).encode()
    return np.frombuffer(pairs, np.uint16)


@lru_cache(maxsize=2)
def _clock(end: str) -> Text:
    every = np.arange(_DAY_SECS)
    hours, minutes, seconds = (number(part, 2) for part in (every // 3_600, every // 60 % 60, every % 60))
    return spaced(pc.binary_join_element_wise(hours, minutes, seconds, ":"), end)
