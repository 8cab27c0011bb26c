"""Every line of a file comes once, however the file is cut, packed or damaged."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from affinity.reading import blocks
from affinity.reading.blocks import Unreadable, chunks, line_starts, text_blocks, told_lines
from affinity.reading.counting import counted
from affinity.reading.splits import Split, dumped, loaded, n_tasks, packed_evenly, split
from tests.reading.logs import landed

TEXTS = {
    "plain": b"h1,h2\na,1\nbb,22\nccc,333\n",
    "no end": b"h1,h2\na,1\nbb,22",
    "blank lines": b"\n\nh\n\n  \na\n\t\nbb\n\n",
    "windows": b"h\r\na\r\n\r\nbb\r\n",
    "mark": b"\xef\xbb\xbfh\na\nbb\n",
    "no utf-8": b"h\n\xe9\xe9\na\n\xc3\xa9\n",
    "one line": b"h",
    "many bytes": "h\nüüüü\n€\n😀😀\n".encode(),
}
Line = tuple[int, str]


def part_of(path: Path, start: int = 0, end: int | None = None, first_line: int = 1) -> Split:
    return Split(str(path), "log", None, path.stat().st_size, (), start, end, first_line)


def lines_of(part: Split, *, has_header: bool = False) -> list[Line]:
    tables = [block.to_pydict() for block in text_blocks(part, has_header=has_header)]
    return [pair for table in tables for pair in zip(table["line_no"], table["line"], strict=True)]


def expected(text: bytes) -> list[Line]:
    """By hand: lines end with a newline, blank ones say nothing, a mark of byte order is none of them."""
    lines = text.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    whole = [line + b"\n" for line in lines[:-1]] + lines[-1:]
    return [(n, line.decode("utf-8", "replace")) for n, line in enumerate(whole, 1) if line.strip()]


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return bytes(sink.getvalue())


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_cut_at_every_byte(tmp_path: Path, text: bytes) -> None:
    path = landed(tmp_path, text)
    assert lines_of(part_of(path)) == expected(text)
    for cut in range(1, len(text)):
        before = counted(part_of(path, 0, cut), is_parquet=False)
        found = lines_of(part_of(path, 0, cut)) + lines_of(part_of(path, cut, None, before.n_lines + 1))
        assert found == expected(text), cut


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_cut_into_many(tmp_path: Path, text: bytes, size: int) -> None:
    path = landed(tmp_path, text)
    found, line_no, n_told = [], 1, 0
    for start in range(0, len(text), size):
        part = part_of(path, start, min(start + size, len(text)), line_no)
        count = counted(part, is_parquet=False)
        found += lines_of(part)
        line_no, n_told = line_no + count.n_lines, n_told + count.n_told
    assert found == expected(text)
    assert n_told == len(expected(text))


@pytest.mark.parametrize("block", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_read_in_blocks_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: bytes, block: int) -> None:
    monkeypatch.setattr(blocks, "BLOCK_BYTES", max(block, 3))  # a mark of byte order comes in one
    assert lines_of(part_of(landed(tmp_path, text))) == expected(text)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_the_header_is_no_line_and_only_the_first_split_has_one(tmp_path: Path, text: bytes) -> None:
    path = landed(tmp_path, text)
    assert lines_of(part_of(path), has_header=True) == expected(text)[1:]
    for cut in range(1, len(text)):
        assert lines_of(part_of(path, cut), has_header=True) == lines_of(part_of(path, cut))


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".zst", zstd)])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_packed_text_is_text(tmp_path: Path, text: bytes, suffix: str, pack: Callable[[bytes], bytes]) -> None:
    path = landed(tmp_path, pack(text), f"log{suffix}")
    assert lines_of(part_of(path)) == expected(text)
    count = counted(part_of(path), is_parquet=False)
    assert (count.n_told, count.n_bytes, count.fault) == (
        len(expected(text)),
        len(text.removeprefix(b"\xef\xbb\xbf")),
        None,
    )


@pytest.mark.parametrize(("suffix", "pack"), [(".gz", gzip.compress), (".zst", zstd)])
def test_packed_text_that_is_cut_or_damaged_is_refused(
    tmp_path: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    whole = pack(b"".join(b"%d,%d\n" % (n, n * n) for n in range(2_000)))
    middle = len(whole) // 2
    broken = [whole[:middle], whole[:-1], whole[:3], whole + b"more", b"no such packing"]
    if suffix == ".gz":  # which always has a checksum
        broken.append(
            whole[:middle] + bytes(byte ^ 0xFF for byte in whole[middle : middle + 40]) + whole[middle + 40 :]
        )
    for number, data in enumerate(broken):
        path = landed(tmp_path, data, f"log{number}{suffix}")
        with pytest.raises(Unreadable, match="it cannot be unpacked"):
            lines_of(part_of(path))
        count = counted(part_of(path), is_parquet=False)
        assert (count.n_lines, count.n_told) == (0, 0)
        assert count.fault is not None


def test_several_packed_pieces_in_one_file_are_all_read(tmp_path: Path) -> None:
    gz = landed(tmp_path, gzip.compress(b"a\n") + gzip.compress(b"b\n"), "log.gz")
    zst = landed(tmp_path, zstd(b"a\n") + zstd(b"b\n"), "log.zst")
    assert lines_of(part_of(gz)) == lines_of(part_of(zst)) == [(1, "a\n"), (2, "b\n")]


def test_text_that_comes_out_hundreds_of_times_as_long_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("affinity.reading.counting._SMALL", 1_000)
    path = landed(tmp_path, gzip.compress(b"aaaaaaa\n" * 1_000_000), "log.gz")
    count = counted(part_of(path), is_parquet=False)
    assert count.fault == "it comes out more than 300 times as long as it is packed"


def test_a_line_longer_than_any_log_has_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "MAX_LINE_BYTES", 100)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 50)
    path = landed(tmp_path, b"short\n" + b"x" * 90 + b"\n" + b"y" * 300 + b"\n")
    with pytest.raises(Unreadable, match="it has a line of more than"):
        list(chunks(part_of(path)))
    with pytest.raises(Unreadable, match="it has a line of more than"):
        list(chunks(part_of(path, 0, 120)))


def test_empty_files_say_nothing(tmp_path: Path) -> None:
    for number, data in enumerate([b"", b"\n", b"\r\n \t\r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n"]):
        path = landed(tmp_path, data, f"log{number}")
        assert lines_of(part_of(path)) == lines_of(part_of(path), has_header=True) == []
        assert counted(part_of(path), is_parquet=False).n_told == 0


def test_starts_of_lines_and_which_of_them_say_something() -> None:
    data = b"a\n\n \r\n b\nc"
    starts = line_starts(data)
    assert starts.tolist() == [0, 2, 3, 6, 9, 10]
    assert told_lines(data, starts).tolist() == [True, False, False, True, True]


def test_large_files_are_cut_and_others_are_not(tmp_path: Path) -> None:
    path = landed(tmp_path, b"x" * 100)
    whole = part_of(path)
    assert split(whole, size=50) == [whole]
    assert [(part.start, part.end) for part in split(whole, size=40)] == [(0, 40), (40, 80), (80, 100)]
    packed = part_of(landed(tmp_path, b"x" * 100, "log.gz"))
    assert split(packed, size=1) == [packed]


def test_tasks_share_the_bytes_and_lose_no_split(tmp_path: Path) -> None:
    parts = [Split(f"{n}", f"{n}", None, size, ()) for n, size in enumerate([900_000, 10, 500_000, 400_000, 20])]
    tasks = packed_evenly(parts, 2)
    assert sorted(part.file_id for task in tasks for part in task) == ["0", "1", "2", "3", "4"]
    assert sorted(sum(part.n_bytes for part in task) // 100_000 for task in tasks) == [9, 9]
    assert packed_evenly(parts, 9) != []
    assert loaded(dumped(parts)) == parts
    assert n_tasks(parts, 4) == 4
