"""A mapping is tried on a file before anything is ingested: what it makes of the lines, or what does not fit."""

import contextlib
import gzip
import io
import json
import re
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from affinity.core.errors import ExitCode
from affinity.io.config import load_config, source_names
from affinity.jobs import cli
from tests.reading.logs import landed

TILLS = b"LineRef,Receipt,Store,LocalTime,Card,SKU,Qty,Price,Kind"
GOOD = b"t1,r1,Leeds,01/07/2025 12:00:00,012345678901,tea,2,1.50,S"


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without a root, and no Java."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAVA_HOME", "/nonexistent")


def affinity(*arguments: str) -> tuple[int, str]:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["affinity", *arguments])
        try:
            cli.app(standalone_mode=False)
        except SystemExit as ended:
            return int(ended.code or 0), said.getvalue()
        except cli.AffinityError as error:
            return int(error.exit_code), str(error)
    return 0, said.getvalue()


def check(path: Path, source: str, *more: str) -> str:
    code, said = affinity("source", "check", str(path), "--source", source, *more)
    assert code == ExitCode.DONE, said
    return said


def refusal(path: Path, source: str) -> str:
    code, said = affinity("source", "check", str(path), "--source", source)
    assert code == ExitCode.BAD_INPUT, said
    return said


def rows_of(said: str) -> list[str]:
    """Lines of tables with one blank between cells."""
    return [re.sub(r" {2,}", " | ", line).strip(" |") for line in said.splitlines()]


def test_field_by_field(tmp_path: Path) -> None:
    said = check(landed(tmp_path, b"\n".join([TILLS, GOOD]), "tills-2025-07-01.csv"), "shop_tills")
    rows = rows_of(said)
    for row in (
        "accepted as purchase | 1 | line 2",
        "person | Card | 999999999999 | a token, of the kind card",
        "event_ts | LocalTime | 01/07/2025 12:00:00 | 2025-07-01T11:00:00Z",
        "event_type | Kind | S | purchase",
        "order_id | Receipt | r1 | r1",
        "quantity | Qty | 2 | 2.0000",
        "amount | 3.0000",
        "currency | GBP",
    ):
        assert row in rows, said
    assert "012345678901" not in said
    assert not re.search(r"[0-9a-f]{64}", said)
    assert [path.name for path in tmp_path.iterdir()] == ["tills-2025-07-01.csv"]


def test_what_becomes_of_bad_lines(tmp_path: Path) -> None:
    bad = [
        GOOD.replace(b"01/07/2025", b"2025-07-01"),
        GOOD.replace(b",2,", b",two,"),
        GOOD.replace(b",2,", b",three,"),
        b"t1,r1",
        b'"' + GOOD,
        GOOD.replace(b",2,", b",-2,"),
        GOOD.replace(b"012345678901", b""),
        GOOD.replace(b"2025", b"2026"),
    ]
    said = check(landed(tmp_path, b"\n".join([TILLS, *bad]), "tills-2025-07-01.csv"), "shop_tills")
    rows = rows_of(said)
    expected = "%d/%m/%Y %H:%M:%S in Europe/London"
    for row in (
        f"quarantined: event_ts_invalid | 1 | line 2 | LocalTime | {expected} | 2025-07-01 12:00:00",
        "quarantined: quantity_invalid | 2 | line 3 | Qty | a number but 0; below 0 for a return | two",
        "quarantined: unparsable | 2 | line 5 | as many fields as the header, in UTF-8 | 2 fields",
        "filtered: stock_correction | 1 | line 7 | Qty | above 0, but for a return | -2",
        "accepted as purchase | 1 | line 8",
        "of these flagged customer_missing | 1 | line 8",
    ):
        assert row in rows, said
    assert any(row.startswith("quarantined: event_ts_future | 1 | line 9 | LocalTime") for row in rows), said
    assert "events, line 8: accepted as purchase" in said
    assert "person | Card | nobody" in rows


def test_only_the_first_lines_are_looked_at(tmp_path: Path) -> None:
    lines = b"\n".join([TILLS, *[GOOD] * 20, b"x"])
    for name, data in {"tills-2025-07-01.csv": lines, "tills-2025-07-02.csv.gz": gzip.compress(lines)}.items():
        path = landed(tmp_path, data, name)
        said = check(path, "shop_tills", "--lines", "5")
        assert ": 5 lines from its beginning" in said
        assert "accepted as purchase | 5 | line 2" in rows_of(said)
        assert "unparsable" in check(path, "shop_tills")


def test_blank_lines_are_lines_of_the_file(tmp_path: Path) -> None:
    path = landed(tmp_path, b"\n" * 10 + TILLS + b"\n" * 5 + GOOD + b"\n\n" + GOOD, "tills-2025-07-01.csv")
    assert "accepted as purchase | 2 | line 16" in rows_of(check(path, "shop_tills"))
    assert "accepted as purchase | 1 | line 16" in rows_of(check(path, "shop_tills", "--lines", "16"))


def test_json_lines_and_the_columns_that_they_lack(tmp_path: Path) -> None:
    lines = [
        {"event": "e1", "epoch": 1751371200, "action": "find", "user": 17850, "device": "d", "new": 1},
        {"event": "e2"},
    ]
    path = landed(tmp_path, "\n".join(map(json.dumps, lines)).encode(), "app-2025-07-01.jsonl")
    said = check(path, "shop_app")
    rows = rows_of(said)
    assert "- not looked at: new" in rows
    assert "- not in the file, and null: sku, text, stars" in rows
    assert "linked | device | a | a token, of the kind device" in rows
    assert "event_ts | epoch | 1751371200 | 2025-07-01T12:00:00Z" in rows
    assert "quarantined: event_ts_invalid | 1 | line 2 | epoch | epoch_seconds in UTC" in rows
    assert "17850" not in said


def test_a_parquet_catalogue_and_its_items(tmp_path: Path) -> None:
    columns = [
        "item",
        "name",
        "description",
        "category_1",
        "category_2",
        "category_3",
        "brand",
        "price",
        "stock",
        "status",
    ]
    table = pa.table(
        {name: ["a", None, "c"] for name in columns} | {"price": [1.5, 2.0, None], "status": ["on", "on", "withdrawn"]}
    )
    path = tmp_path / "catalogue-2025-07-01.parquet"
    pq.write_table(table, path)
    rows = rows_of(check(path, "shop_catalogue"))
    for row in (
        "one of the items | 1 | line 1",
        "left out: no item is named | 1 | line 2 | item | an id",
        "an item that is never recommended | 1 | line 3",
        "unit_price | price | 1.5 | 1.5000",
        "observed_date | 2025-07-01",
        "is_recommendable | status | on | yes",
    ):
        assert row in rows, rows


def test_customers_and_a_name_without_a_date(tmp_path: Path) -> None:
    path = landed(tmp_path, b"household_id,age\n1,65+\n,65+\n", "households.csv")
    said = check(path, "completejourney_demographics")
    assert "one of the customers | 1 | line 2" in rows_of(said)
    assert "left out: no person is named | 1 | line 3 | household_id | an id" in rows_of(said)
    assert "- its name does not fit files.pattern = '**/demographics*.csv*': an ingest would not find it" in said
    assert "an ingest would refuse it; read here as of today" in said
    assert "65+" not in said


def test_a_mapping_that_is_being_written(tmp_path: Path) -> None:
    mapping = tmp_path / "mine.toml"
    mapping.write_text(
        'name = "mine"\ntime_zone = "UTC"\n[files]\nformat = "csv"\npattern = "*.log"\n'
        'columns = ["at", "sku", "line_no"]\n'
        '[events]\nevent_ts = "at"\nevent_ts_format = "iso8601"\nitem_id = "sku"\ndefault_type = "view"\n'
    )
    path = landed(tmp_path, b"line_no,sku,at\n7,tea,2025-07-01\n", "a.log")
    assert "event_ts | at | 2025-07-01 | 2025-07-01T00:00:00Z" in rows_of(check(path, str(mapping)))
    mapping.write_text(mapping.read_text().replace('item_id = "sku"', 'itm_id = "sku"'))
    assert "'events.itm_id' is unknown; did you mean \"item_id\"?" in refusal(path, str(mapping))
    assert "Mapping other.toml does not exist" in refusal(path, "other.toml")


@pytest.mark.parametrize(
    ("source", "data", "words"),
    [
        (
            "shop_tills",
            TILLS.replace(b"Qty", b"Quantity") + b"\n" + GOOD,
            ["missing ['Qty']", "expected [", "got ['LineRef'"],
        ),
        ("shop_tills", GOOD, ["its first line, of 9 fields, is no header"]),
        ("shop_tills", TILLS, ["has no line but a header or blank ones"]),
        ("shop_tills", b"", ["has no line but a header or blank ones"]),
        ("shop_tills", "é".encode("utf-16"), ["it is no UTF-8"]),
        (
            "taobao",
            GOOD,
            ["none of its first 1 lines can be read", "Line 1 has 9 fields; expected 5 fields", "Mend [files]"],
        ),
        ("shop_web", GOOD, ["Line 1 has no JSON object; expected one JSON object in UTF-8"]),
        ("shop_orders", GOOD, ["it is no whole Parquet file"]),
        ("shop_til", GOOD, ["Source 'shop_til' is unknown; did you mean \"shop_tills\"?"]),
    ],
)
def test_what_does_not_fit_is_told_with_what_to_do(tmp_path: Path, source: str, data: bytes, words: list[str]) -> None:
    said = refusal(landed(tmp_path, data, "tills.csv"), source)
    for word in words:
        assert word in said


def test_files_that_are_not_there_or_damaged(tmp_path: Path) -> None:
    landed(tmp_path, TILLS, "tills-2025-07-01.csv")
    assert 'does not exist; did you mean "tills-2025-07-01.csv"?' in refusal(
        tmp_path / "tills-2025-07-1.csv", "shop_tills"
    )
    assert "is a folder; expected one landed file" in refusal(tmp_path, "shop_tills")
    packed = gzip.compress(b"\n".join([TILLS, GOOD]))
    assert "cannot be unpacked" in refusal(landed(tmp_path, packed[:-20], "tills-2.csv.gz"), "shop_tills")


def test_all_sources_are_listed(tmp_path: Path) -> None:
    code, said = affinity("source", "list", "--format", "json")
    listed = json.loads(said)
    assert code == ExitCode.DONE
    assert [row["source"] for row in listed] == source_names(load_config())
    (tills,) = (row for row in listed if row["source"] == "shop_tills")
    assert (tills["format"], tills["feeds"], tills["time_zone"]) == ("csv", "events", "Europe/London")


def test_trying_a_mapping_needs_no_spark_and_no_time(tmp_path: Path) -> None:
    path = landed(tmp_path, b"\n".join([TILLS, *[GOOD] * 2_000]), "tills-2025-07-01.csv")
    program = (
        "import sys\n"
        "from affinity.jobs import cli\n"
        f"sys.argv = ['affinity', 'source', 'check', {str(path)!r}, '--source', 'shop_tills']\n"
        "cli.app(standalone_mode=False)\n"
        "found = {'pyspark', 'mlflow', 'great_expectations'} & set(sys.modules)\n"
        "sys.exit(f'imported {found}' if found else 0)\n"
    )
    started = datetime.now().astimezone()
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert (datetime.now().astimezone() - started).total_seconds() < 10  # far from it where nothing else runs
