"""The command that shows what was not accepted: a root written from the specifications, no JVM."""

import contextlib
import io
import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from affinity.core.errors import ExitCode
from affinity.io.config import load_config
from affinity.io.quarantine import Wanted, sections
from affinity.io.root import Root, open_root
from affinity.jobs import cli
from affinity.tables import ops, silver
from tests.io.published import release, write

DAY, UNREADABLE = date(2026, 1, 4), date(1970, 1, 1)
PRICE = {"source": "tills", "event_date": DAY, "disposition": "quarantined", "reason": "price_invalid"}
TYPE = {**PRICE, "reason": "event_type_unknown"}
CORRECTION = {**PRICE, "source": "web", "disposition": "filtered", "reason": "stock_correction"}
AGAIN = {**PRICE, "disposition": "duplicate", "reason": "same_event_id"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Root:
    """Three files of two sources: five lines quarantined, one filtered, one a duplicate; a fourth file refused."""
    made = open_root(load_config(overrides=[f"store.root={tmp_path_factory.mktemp('q') / 'root'}"]), create=True)
    said = {"column_name": "Price", "expected": "a number"}
    lines: list[dict[str, Any]] = [
        {**PRICE, **said, "file_id": "f1", "line_no": 7, "got": "9,99"},
        {**PRICE, **said, "file_id": "f1", "line_no": 4, "got": "9,99"},
        {**PRICE, **said, "file_id": "f2", "line_no": 2, "got": "n/a"},
        {**PRICE, **said, "file_id": "f2", "line_no": 9, "got": "9,99"},
        {**TYPE, "file_id": "f2", "line_no": 3, "event_date": UNREADABLE, "column_name": "Kind", "got": "X"},
        {**CORRECTION, "file_id": "f3", "line_no": 5, "got": "-9"},
        {**AGAIN, "file_id": "f1", "line_no": 8},
    ]
    write(made, silver.QUARANTINE, *lines)
    release(made, silver.QUARANTINE, 0, DAY)
    counted = [{name: line[name] for name in (*PRICE, "file_id")} | {"n_rows": 1} for line in lines]
    write(made, ops.DISPOSITIONS, *counted, {**PRICE, "file_id": "f1", "disposition": "accepted", "reason": "-"})
    release(made, ops.DISPOSITIONS, 0, DAY)
    paths = {"f1": ("tills", "tills-1.csv"), "f2": ("tills", "tills-2.csv"), "f3": ("web", "web-1.csv")}
    known = {"feed": "events", "state": "cleaned"}
    noted = [{**known, "source": source, "path": path, "file_id": f} for f, (source, path) in paths.items()]
    refused = {
        **known,
        "source": "web",
        "path": "web-2.csv",
        "file_id": "f4",
        "state": "refused",
        "reason": "no Parquet",
    }
    write(made, ops.FILES, *noted, refused)
    release(made, ops.FILES, 0, None)
    return made


def quarantine(root: Path | Root, *arguments: str) -> tuple[int, str]:
    """Run the command in this process; exit code and all it said."""
    said = io.StringIO()
    path = root.path if isinstance(root, Root) else root
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_HOME", "/nonexistent")
        patch.setattr(sys, "argv", ["affinity", "quarantine", *arguments, "--root", str(path)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    return int(ended.value.code or 0), said.getvalue()


def test_lines_are_counted_by_reason_and_by_file(root: Root) -> None:
    found = sections(root, Wanted())
    assert [tuple(row.values()) for row in found["counts"]] == [
        ("tills", "price_invalid", "quarantined", 4, 2, DAY, DAY),
        ("tills", "event_type_unknown", "quarantined", 1, 1, None, None),
        ("web", "stock_correction", "filtered", 1, 1, DAY, DAY),
    ]
    assert [tuple(row.values()) for row in found["files"]] == [
        ("tills", "tills-1.csv", "price_invalid", "quarantined", 2),
        ("tills", "tills-2.csv", "price_invalid", "quarantined", 2),
        ("tills", "tills-2.csv", "event_type_unknown", "quarantined", 1),
        ("web", "web-1.csv", "stock_correction", "filtered", 1),
    ]
    assert [(row["path"], row["reason"]) for row in found["refused"]] == [("web-2.csv", "no Parquet")]
    with_duplicates = sections(root, Wanted(with_duplicates=True))["counts"]
    assert {row["reason"]: row["n_lines"] for row in with_duplicates}["same_event_id"] == 1


def test_every_text_that_stood_there_is_shown_before_one_comes_twice(root: Root) -> None:
    def lines(n: int) -> list[tuple[object, ...]]:
        rows = sections(root, Wanted(source="tills", reason="price_invalid", n_samples=n))["samples"]
        return [(row["path"], row["line_no"], row["got"], row["n_alike"]) for row in rows]

    commonest, other = ("tills-1.csv", 4, "9,99", 3), ("tills-2.csv", 2, "n/a", 1)
    assert lines(1) == [commonest]
    assert lines(2) == [commonest, other]
    assert lines(9) == [commonest, other, ("tills-1.csv", 7, "9,99", 3), ("tills-2.csv", 9, "9,99", 3)]


def test_the_command_tells_what_to_do_next(root: Root) -> None:
    code, said = quarantine(root)
    assert code == ExitCode.DONE
    for word in ("Lines by reason", "By file", "Samples", "Files refused whole", "n/a", "a number", "no Parquet"):
        assert word in said
    assert "`affinity quarantine replay --reason price_invalid --source tills --landing DIR`" in said
    assert "same_event_id" not in said
    assert "same_event_id" in quarantine(root, "--duplicates")[1]


def test_json_has_all_sections_and_csv_the_samples(root: Root) -> None:
    told = json.loads(quarantine(root, "--format", "json", "--source", "web")[1])
    assert {name: len(rows) for name, rows in told.items()} == {"counts": 1, "files": 1, "samples": 1, "refused": 1}
    assert quarantine(root, "--format", "csv", "--reason", "event_type_unknown")[1].splitlines() == [
        "source,reason,disposition,path,line_no,column_name,expected,got,event_date,n_alike",
        "tills,event_type_unknown,quarantined,tills-2.csv,3,Kind,,X,,1",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--source", "till"), 'did you mean "tills"'),
        (("--reason", "price_unvalid"), 'did you mean "price_invalid"'),
        (("replay", "--reason", "price_unvalid", "--source", "online_retail", "--landing", "."), '"price_invalid"'),
        (("replay", "--reason", "price_invalid", "--source", "online", "--landing", "."), "'online' is unknown"),
        (("replay", "--reason", "price_invalid", "--source", "rees46", "--landing", "nowhere"), "does not exist"),
    ],
)
def test_an_unknown_word_is_told(root: Root, arguments: tuple[str, ...], said: str) -> None:
    code, text = quarantine(root, *arguments)
    assert (code, said in text) == (ExitCode.BAD_INPUT, True), text


def test_a_root_where_nothing_was_ingested_has_nothing(tmp_path: Path) -> None:
    open_root(load_config(overrides=[f"store.root={tmp_path / 'root'}"]), create=True)
    assert quarantine(tmp_path / "root") == (ExitCode.DONE, "No line was rejected.\n")


def test_asking_imports_neither_spark_nor_mlflow_nor_gx(root: Root) -> None:
    script = (
        "import sys\n"
        "from affinity.jobs import cli\n"
        f"sys.argv = ['affinity', 'quarantine', '--root', {str(root.path)!r}]\n"
        "try:\n    cli.main()\nexcept SystemExit:\n    pass\n"
        "found = {'pyspark', 'delta', 'mlflow', 'great_expectations', 'py4j'} & set(sys.modules)\n"
        "sys.exit(f'imported {found}' if found else 0)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
