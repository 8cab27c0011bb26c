"""What a line says, column by column; and which lines say nothing that can be read."""

import json
from pathlib import Path

import pytest

from affinity.core.source import SourceMapping
from affinity.core.vocabulary import Feed
from affinity.reading.splits import Split
from tests.reading.logs import landed, log, read, read_lines, said, whole

FIELDS = ("ts", "what", "item", "n", "price")


def csv(**changes: object) -> SourceMapping:
    """Lines of a time, a word, an item, a number and a price; of nobody."""
    plain: dict[str, object] = {
        "files__format": "csv",
        "files__columns": FIELDS,
        "files__withheld": (),
        "subject": None,
    }
    return log(**(plain | changes))


def line(item: bytes) -> bytes:
    return b"2025-01-01,look," + item + b",1,2"


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (b"a", "a"),
        (b"", None),
        (b'""', None),
        (b" a ", " a "),
        (b'"a,b"', "a,b"),
        (b'"a ""q"" b"', 'a "q" b'),
        (b'a"b', 'a"b'),
        (b"'a", "'a"),
        (b"a\\b", "a\\b"),
        (b"caf\xc3\xa9", "café"),
        (b'"caf\xc3\xa9"', "café"),
        (b"a\xe2\x80\xa8b", "a\u2028b"),  # a line separator of Unicode ends no line
        (b"a\x0b\x0c\x1eb", "a\x0b\x0c\x1eb"),
        (b'"a\rb"', "a\rb"),
        (b"a\x00b", "a\x00b"),
        (b'"' + b"a" * 200_000 + b'"', "a" * 200_000),
        (b"a" * 200_000, "a" * 200_000),
    ],
)
def test_a_field_of_csv(tmp_path: Path, item: bytes, expected: str | None) -> None:
    (row,) = read_lines(csv(), tmp_path, line(item))
    assert (row["item_id"], row["rejection"], row["amount"]) == (expected, None, 2)


@pytest.mark.parametrize(
    ("broken", "got"),
    [
        (b"2025-01-01,look,a,1", "4 fields"),
        (b"2025-01-01,look,a,1,2,3", "6 fields"),
        (b"2025-01-01,look,a,b,1,2", "6 fields"),
        (b'2025-01-01,look,"a,b",1', "4 fields"),
        (b"2025-01-01", "1 fields"),
        (line(b"a\\,b"), "6 fields"),  # the escape is a doubled quote
        (line(b'"a'), "broken quotes"),
        (line(b'"a"b'), "broken quotes"),
        (line(b"\xff"), "bytes that are no UTF-8"),
        (line(b'"\xc3"'), "bytes that are no UTF-8"),
    ],
)
def test_a_line_of_csv_that_cannot_be_read(tmp_path: Path, broken: bytes, got: str) -> None:
    good = [line(b"first"), line(b'"la,st"')]
    first, row, last = read_lines(csv(), tmp_path, good[0], broken, good[1])
    assert (first["item_id"], last["item_id"]) == ("first", "la,st")
    assert (row["rejection"], row["rejected_as"], row["column_name"]) == ("unparsable", "quarantined", None)
    assert (row["expected"], row["got"]) == ("as many fields as the header, in UTF-8", got)
    values = ("event_type", "event_ts", "item_id", "quantity", "unit_price", "amount", "currency")
    assert [row[name] for name in values] == [None] * len(values)


def test_escapes_with_a_mark_of_their_own(tmp_path: Path) -> None:
    items = [b'"a \\"q\\" b"', b"a\\,b", b"a\\\\b", b"a\\"]
    rows = read_lines(csv(files__escape="\\"), tmp_path, *map(line, items))
    assert [row["item_id"] for row in rows] == ['a "q" b', "a,b", "a\\b", None]
    assert [row["rejection"] for row in rows] == [None, None, None, "unparsable"]


def test_other_delimiters_and_quotes(tmp_path: Path) -> None:
    tabs = read_lines(
        csv(files__delimiter="\t"), tmp_path, b'2025-01-01\tlook\t"a\tb",c"\t1\t2', b"2025-01-01\tlook\ta,b\t1\t2"
    )
    bars = read_lines(
        csv(files__delimiter="|", files__quote="'", files__escape="'"), tmp_path, b"2025-01-01|look|'a|''b'''|1|2"
    )
    assert [row["item_id"] for row in tabs] == [None, "a,b"]
    assert [row["item_id"] for row in bars] == ["a|'b'"]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_ends_of_lines_marks_of_byte_order_and_blank_lines(tmp_path: Path, end: bytes, mark: bytes) -> None:
    lines = [b"", b"price,n,item,what,ts", b"  \t", b"2,1,a,look,2025-01-01", b"", b'2,1,"b",look,2025-01-01']
    for last in (b"", end, end + end):
        path = landed(tmp_path, mark + end.join(lines) + last)
        rows = read(csv(), [whole(path, csv())], tmp_path)
        assert [(row["line_no"], row["item_id"], row["amount"]) for row in rows] == [(4, "a", 2), (6, "b", 2)]


def test_columns_are_found_by_name_in_any_order_and_others_are_not_looked_at(tmp_path: Path) -> None:
    source = csv(files__optional_columns=["n"])
    path = landed(tmp_path, b"new,item,price,what,ts,newer\n9,a,2,look,2025-01-01,9\n9,a,2,look,2025-01-01\n")
    first, second = read(source, [whole(path, source)], tmp_path)
    assert (first["item_id"], first["unit_price"], first["quantity"]) == ("a", 2, None)
    assert json.loads(first["payload"]) == {"ts": "2025-01-01", "what": "look", "item": "a", "price": "2"}
    assert second["got"] == "5 fields"


def test_without_a_header_the_first_line_is_one(tmp_path: Path) -> None:
    source = csv(files__header=False)
    path = landed(tmp_path, line(b"a") + b"\n" + b"2025-01-01,look,b\n")
    first, second = read(source, [whole(path, source)], tmp_path)
    assert (first["line_no"], first["item_id"]) == (1, "a")
    assert (second["expected"], second["got"]) == ("5 fields, in UTF-8", "3 fields")


BASE = said()[:-1]


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        (b"}", None),
        (b"} \t\r", None),
        (b', "item": null}', None),
        (b', "item": ""}', None),
        (b', "item": " a "}', " a "),
        (b', "item": 7}', "7"),
        (b', "item": 12345678901234567890123456789}', "12345678901234567890123456789"),
        (b', "item": true}', "true"),
        (b', "item": [1, {"a": 2}]}', '[1,{"a":2}]'),
        (b', "item": {"x": [1, 2]}}', '{"x":[1,2]}'),
        (b', "item": "a\\"b\\\\c\\/d"}', 'a"b\\c/d'),
        (b', "item": "caf\\u00e9 \\ud83d\\ude00"}', "café 😀"),
        (b', "item": "caf\xc3\xa9"}', "café"),
        (b', "item": "a\\u0000b"}', "a\x00b"),
        (b', "item": "a", "item": "b"}', "a"),
        (b', "item": "a", "Item": "b"}', "a"),
        (b', "item": "a",}', "a"),  # a comma too much harms nobody
        (b', "item": ' + b"[" * 10_000 + b"]" * 10_000 + b"}", "[" * 10_000 + "]" * 10_000),
    ],
)
def test_a_key_of_a_json_line(tmp_path: Path, rest: bytes, expected: str | None) -> None:
    (row,) = read_lines(log(), tmp_path, BASE + rest)
    assert (row["item_id"], row["rejection"]) == (expected, None)


@pytest.mark.parametrize(
    "broken",
    [
        BASE,
        BASE + b', "item": "a',
        BASE + b'} "and more"',
        BASE + b"}" + BASE + b"}",
        BASE + b"}\r" + BASE + b"}",
        BASE + b"}\x00",
        BASE + b', "item": "a\x00b"}',
        BASE + b', "item": "a\tb"}',
        BASE + b', "item": "a\\ud800b"}',
        BASE + b', "who": "\\udc00"}',
        BASE + b', "item": "a\\qb"}',
        BASE + b', "item": ' + b"[" * 10_000,
        BASE + b"/* so */}",
        b"[" + BASE + b"}]",
        b"{'ts': 1}",
        b'"text"',
        b"null",
        b"5",
        b"{",
        b"what the server said",
    ],
)
def test_a_line_that_is_no_json_object(tmp_path: Path, broken: bytes) -> None:
    first, row, last = read_lines(log(), tmp_path, said(item="first"), broken, said(item="last"))
    assert (first["item_id"], last["item_id"]) == ("first", "last")
    assert (row["rejection"], row["expected"], row["got"]) == (
        "unparsable",
        "one JSON object in UTF-8",
        "no JSON object",
    )
    assert (row["item_id"], row["subject_key"], row["line_no"]) == (None, None, 2)


def test_broken_lines_among_thousands_take_none_with_them(tmp_path: Path) -> None:
    rows = read_lines(log(), tmp_path, *[said(item="a"), said(item="a"), BASE, b"\xff\xfe"] * 1_500)
    assert [row["item_id"] for row in rows] == ["a", "a", None, None] * 1_500
    assert [row["got"] for row in rows[:4]] == [None, None, "no JSON object", "bytes that are no UTF-8"]


def test_bytes_that_are_no_utf8_spoil_their_own_line_only(tmp_path: Path) -> None:
    rows = read_lines(log(), tmp_path, said(item="é"), BASE + b', "item": "\xe9"}', said(item="ü"))
    assert [(row["line_no"], row["item_id"], row["got"]) for row in rows] == [
        (1, "é", None),
        (2, None, "bytes that are no UTF-8"),
        (3, "ü", None),
    ]


def test_a_dot_leads_into_an_object(tmp_path: Path) -> None:
    columns = ["ts", "what", "basket.item.sku", "a.b"]
    source = log(
        files__columns=columns, files__withheld=(), subject=None, events__item_id="basket.item.sku",
        events__quantity=None, events__unit_price=None, currency=None,
        events__type_words={"column": "what", "words": {"look": "view"}},
    )  # fmt: skip
    nested = said(basket={"item": {"sku": "x1"}}, a={"b": {"c": 1}})
    rows = read_lines(source, tmp_path, nested, said(basket={"item": 3}), said(**{"basket.item.sku": "y"}))
    assert [row["item_id"] for row in rows] == ["x1", None, None]
    assert json.loads(rows[0]["payload"])["a.b"] == '{"c":1}'


def test_an_unreadable_line_is_kept_as_its_shape_and_names_nobody(tmp_path: Path) -> None:
    secret = b'{"who": "Ann-17850", "mail": "ann@x.org"'
    (row,) = read_lines(log(), tmp_path, secret)
    assert row["payload"] == '{"aaa": "aaa-99999", "aaaa": "aaa@a.aaa"'
    for feed_row in read_lines(csv(), tmp_path, b"ann@x.org,17850"):
        assert feed_row["payload"] == "aaa@a.aaa,99999"


def test_items_are_described_by_whole_lines_alone(tmp_path: Path) -> None:
    source = csv(items={"item_id": "item", "brand": "what", "not_recommendable_where": {"n": ["1", "2", "3", "4"]}})
    path = landed(
        tmp_path, b"ts,what,item,n,price\n" + b"\n".join([line(b"a"), b"2025-01-01,look,b,5,2", b"x", line(b"")])
    )
    part = Split(str(path), "log", None, path.stat().st_size, FIELDS)
    rows = read(source, [part], tmp_path, Feed.ITEMS)
    assert [(row["item_id"], row["brand"], row["is_recommendable"]) for row in rows] == [
        ("a", "look", False),
        ("b", "look", True),
    ]
