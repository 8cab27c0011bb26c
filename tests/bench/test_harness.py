"""The harness on toys: no time without equal outputs, turns, medians, ratios and files."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.bench import __main__ as command
from tests.bench.__main__ import bench
from tests.bench.harness import Row, RowFile, Sample, Timing, Unequal, Variant, equal, measure
from tests.bench.machine import sgemm_gflops, triad_gb_per_s, write_mb_per_s
from tests.bench.report import as_text, table

FACTS = {"cores": 2}


def variant(name: str, *outputs: object, calls: list[str] | None = None) -> Variant:
    """A toy that gives its outputs one after the other, then the last one for ever."""
    left = list(outputs)

    def run() -> Sample:
        if calls is not None:
            calls.append(name)
        return Sample(left.pop(0) if len(left) > 1 else left[0], [{"step": "only", "n": 1}])

    return Variant(name, run)


def toy(*variants: Variant, n_runs: int = 3, n_warm_ups: int = 1, peer: str | None = "theirs") -> Row:
    return Row("toy", "A toy.", variants, equal, peer, n_runs, n_warm_ups)


def opened(row: Row, closed: list[str] | None = None) -> RowFile:
    @contextmanager
    def open_row() -> Iterator[Row]:
        yield row
        if closed is not None:
            closed.append(row.name)

    return open_row


def test_equal_outputs_print_times_and_write_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert bench([opened(toy(variant("ours", 1), variant("theirs", 1)))], FACTS, tmp_path) == 0
    printed = capsys.readouterr().out
    assert "| ours " in printed
    assert "theirs / this" in printed
    (file,) = tmp_path.glob("toy-*.json")
    measured = json.loads(file.read_text(encoding="utf-8"))
    assert [len(one["seconds"]) for one in measured["variants"]] == [3, 3]
    assert measured["variants"][1]["ratio"] == 1.0
    assert measured["machine"]["cores"] == 2


@pytest.mark.parametrize("theirs", [(2,), (1, 1, 1, 2)], ids=["from the first", "in the last run"])
def test_unequal_outputs_print_no_time(
    theirs: Sequence[int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    closed: list[str] = []
    rows = [opened(toy(variant("ours", 1), variant("theirs", *theirs)), closed)]
    assert bench(rows, FACTS, tmp_path) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "theirs differs from what was found first: expected 1, got 2" in printed.err
    assert list(tmp_path.iterdir()) == []
    assert closed == ["toy"]


def test_rows_after_an_unequal_one_are_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unequal = opened(toy(variant("ours", 1), variant("theirs", 2)))
    assert bench([unequal, opened(toy(variant("ours", 1), peer=None))], FACTS, tmp_path) == 1
    assert "| ours " in capsys.readouterr().out


def test_variants_take_turns_and_each_round_begins_with_another() -> None:
    calls: list[str] = []
    measure(toy(variant("ours", 1, calls=calls), variant("theirs", 1, calls=calls)))
    assert calls == ["ours", "theirs", *("ours", "theirs"), *("theirs", "ours"), *("ours", "theirs")]


def test_first_output_is_compared_even_without_warm_up() -> None:
    with pytest.raises(Unequal):
        measure(toy(variant("ours", 1), variant("theirs", 2), n_runs=1, n_warm_ups=0))


def test_a_peer_that_does_not_run_is_refused() -> None:
    with pytest.raises(ValueError, match="none of its variants"):
        measure(toy(variant("ours", 1)))


def test_median_and_ratio_are_printed() -> None:
    timings = [Timing("ours", (1.0, 9.0, 2.0), 8 / 2, []), Timing("theirs", (8.0, 7.0, 9.0), 1.0, [])]
    text = as_text(toy(variant("ours", 1), variant("theirs", 1)), timings, FACTS)
    assert "| ours    |     2.00 |    3 |    1.00 |   9.00 |          4.00 |" in text


def test_table_is_markdown() -> None:
    assert table([{"job": "a", "n": 1000}]) == "| job |     n |\n| --- | ----: |\n| a   | 1,000 |"


def test_unknown_row_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["hole_chain"]) == 2
    files = (Path(command.__file__).parent / "rows").glob("[!_]*.py")
    known = ", ".join(sorted(file.stem for file in files))
    assert "whole_chain" in known
    assert f"there are: {known}" in capsys.readouterr().err


def test_limits_of_the_machine_are_positive(tmp_path: Path) -> None:
    assert sgemm_gflops(64) > 0
    assert triad_gb_per_s(2**20) > 0
    assert write_mb_per_s(tmp_path, 2**24) > 0
