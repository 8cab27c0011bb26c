"""What a file says of itself: a header, a schema, or the keys of its first lines."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from affinity.reading.blocks import Unreadable
from affinity.reading.layouts import own_layout
from affinity.reading.splits import Split
from tests.reading.logs import landed, log, read, said, utc, whole

CSV = {"files__format": "csv", "files__columns": ("ts", "what", "item"), "files__withheld": (), "subject": None}
VIEWS = {"default_type": "view", "event_ts": "ts", "event_ts_format": "iso8601", "item_id": "item"}


@pytest.mark.parametrize(
    ("header", "missing", "extra", "fault"),
    [
        (b"ts,what,item", (), (), None),
        (b"\n\nitem,ts,what\r\n", (), (), None),
        (b' ts ,"what",item', (), (), None),
        (b"ts,what,item,new,new,,", (), ("new", "new", "", ""), None),  # what is not wanted may come twice
        (b"ts,what", ("item",), (), "missing ['item'] (expected ['ts', 'what', 'item'], got ['ts', 'what'])"),
        (b"ts,what,Item", ("item",), ("Item",), "missing ['item'] (expected"),
        (b"ts,what,item,ITEM", (), ("ITEM",), "['ITEM', 'item'] are one name but for upper and lower case"),
        (b"2025-01-01,look,tea", (), (), "its first line, of 3 fields, is no header"),
        (b"ts;what;item", (), (), "its first line, of 1 fields, is no header"),
        ("ts,what,item\n".encode("utf-16"), (), (), "it is no UTF-8"),
        (b"", (), (), None),
    ],
)
def test_a_header(
    tmp_path: Path, header: bytes, missing: tuple[str, ...], extra: tuple[str, ...], fault: str | None
) -> None:
    own = own_layout(landed(tmp_path, header), log(**CSV, events=VIEWS))
    assert (own.missing, own.extra) == (missing, extra)
    assert own.fault is None if fault is None else fault in str(own.fault)


def test_columns_that_may_be_missing(tmp_path: Path) -> None:
    own = own_layout(landed(tmp_path, b"ts,item"), log(**CSV, events=VIEWS, files__optional_columns=["what"]))
    assert (own.columns, own.missing, own.fault) == (("ts", "item"), ("what",), None)
    assert own.drift == '{"missing": ["what"]}'


def test_keys_of_json_lines(tmp_path: Path) -> None:
    own = own_layout(landed(tmp_path, said(new=1) + b"\nno json\n" + said(who="Ann")), log())
    assert (own.missing, own.extra, own.fault) == (("item", "n", "price", "cookie"), ("new",), None)
    twice = own_layout(landed(tmp_path, said()[:-1] + b', "item": 1, "Item": 2}'), log())
    assert "a line has ['item'] twice" in str(twice.fault)
    other = own_layout(landed(tmp_path, b'{"at": 1}\n' * 5), log())
    assert other.fault == "none of its first 5 lines has ['ts'] (got ['at'])"


def test_rows_of_parquet_read_like_the_json_lines_that_say_the_same(tmp_path: Path) -> None:
    noon = datetime(2025, 7, 1, 12, 0, 0, 250_000)  # noqa: DTZ001 - the wall clock's
    columns = {
        "unwanted": pa.array([0, 0, 0]),
        "price": pa.array([Decimal("1.50"), None, Decimal("-0.01")], pa.decimal128(9, 2)),
        "item": pa.array([[1, 2], None, []], pa.list_(pa.int32())),
        "n": pa.array([2.0, 0.5, None], pa.float64()),
        "who": pa.array([17850.0, None, 1.5]),
        "what": pa.array(["look", "look", "jump"]).dictionary_encode(),
        "ts": pa.array([noon, None, noon], pa.timestamp("ns")),
    }
    source = log(files__format="parquet", files__optional_columns=["cookie"], time_zone="Europe/London")
    path = tmp_path / "log.parquet"
    pq.write_table(pa.table(columns), path)
    first, second, third = read(source, [whole(path, source)], tmp_path)
    assert (first["line_no"], first["event_ts"]) == (1, utc("2025-07-01T11:00:00.25"))
    assert (first["item_id"], first["amount"], first["rejection"]) == ("[1,2]", 3, None)
    assert (second["item_id"], second["subject_key"], second["rejection"]) == (None, None, "event_ts_invalid")
    assert (third["got"], third["column_name"]) == ("jump", "what")


def test_times_of_parquet_that_name_a_zone(tmp_path: Path) -> None:
    noon = [datetime(2025, 7, 1, 12, tzinfo=UTC)]
    path = tmp_path / "log.parquet"
    pq.write_table(pa.table({"ts": pa.array(noon, pa.timestamp("ms", "Asia/Tokyo")), "what": ["look"]}), path)
    optional = ["who", "item", "n", "price", "cookie"]
    source = log(files__format="parquet", files__optional_columns=optional, time_zone="Europe/London")
    (row,) = read(source, [whole(path, source)], tmp_path)
    assert row["event_ts"] == noon[0]


def test_parquet_in_row_groups_and_damaged(tmp_path: Path) -> None:
    source = log(files__format="parquet", files__optional_columns=["who", "n", "price", "cookie"])
    path = tmp_path / "log.parquet"
    items = [f"i{number}" for number in range(10)]
    pq.write_table(pa.table({"ts": ["2025-01-01"] * 10, "what": ["look"] * 10, "item": items}), path, row_group_size=4)
    one = whole(path, source)
    parts = [
        Split(one.path, "log", None, 1, one.columns, 0, 1, 1),
        Split(one.path, "log", None, 1, one.columns, 1, 3, 5),
    ]
    rows = read(source, parts, tmp_path)
    assert [(row["line_no"], row["item_id"]) for row in rows] == list(enumerate(items, 1))
    data = bytearray(path.read_bytes())
    data[20:200] = bytes(180)
    path.write_bytes(data)
    with pytest.raises(Unreadable, match="a page of it is damaged"):
        read(source, [one], tmp_path)
    cut = landed(tmp_path, bytes(data[:-9]), "cut.parquet")
    assert own_layout(cut, source).fault == "it is no whole Parquet file"
