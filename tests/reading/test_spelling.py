"""How times, amounts and ids are read out of text."""

from decimal import Decimal
from pathlib import Path

import pytest

from affinity.core.source import Subject
from affinity.privacy.tokens import canonical as spelled
from affinity.privacy.tokens import token
from tests.reading.logs import KEY, log, read_lines, said, utc

LONDON, NEW_YORK = "Europe/London", "America/New_York"


def times(folder: Path, spelling: str, zone: str, *texts: str) -> list[object]:
    source = log(time_zone=zone, events__event_ts_format=spelling)
    return [row["event_ts"] for row in read_lines(source, folder, *(said(ts=text) for text in texts))]


@pytest.mark.parametrize(
    ("spelling", "zone", "text", "expected"),
    [
        ("iso8601", "UTC", "2025-07-01T12:00:00Z", "2025-07-01T12:00:00"),
        ("iso8601", LONDON, "2025-07-01T12:00:00Z", "2025-07-01T12:00:00"),
        ("iso8601", LONDON, "2025-07-01T12:00:00+02:00", "2025-07-01T10:00:00"),
        ("iso8601", LONDON, "2025-07-01T12:00:00-0330", "2025-07-01T15:30:00"),
        ("iso8601", LONDON, "2025-07-01T12:00+05", "2025-07-01T07:00:00"),
        ("iso8601", LONDON, "2025-07-01T12:00:00", "2025-07-01T11:00:00"),
        ("iso8601", LONDON, "2025-07-01 12:00", "2025-07-01T11:00:00"),
        ("iso8601", LONDON, "2025-07-01", "2025-06-30T23:00:00"),
        ("iso8601", LONDON, " 2025-07-01T12:00:00Z ", "2025-07-01T12:00:00"),
        ("iso8601", "UTC", "2025-07-01T12:00:00.5", "2025-07-01T12:00:00.500000"),
        ("iso8601", "UTC", "2025-07-01T12:00:00.123456789Z", "2025-07-01T12:00:00.123456"),
        ("iso8601", LONDON, "2025-03-30T01:30:00", "2025-03-30T01:30:00"),  # skipped by the clock: an hour on
        ("iso8601", LONDON, "2025-10-26T01:30:00", "2025-10-26T00:30:00"),  # comes twice: the first
        ("iso8601", LONDON, "2025-10-26T02:30:00", "2025-10-26T02:30:00"),
        ("iso8601", "UTC", "1970-01-03", "1970-01-03T00:00:00"),
        ("iso8601", "UTC", "2261-12-31", "2261-12-31T00:00:00"),
        ("epoch_seconds", LONDON, "1396437466", "2014-04-02T11:17:46"),
        ("epoch_seconds", "UTC", "1396437466.94", "2014-04-02T11:17:46.940000"),
        ("epoch_seconds", "UTC", "1396437466.1234567", "2014-04-02T11:17:46.123457"),
        ("epoch_seconds", "UTC", "1e9", "2001-09-09T01:46:40"),
        ("epoch_seconds", "UTC", "172800", "1970-01-03T00:00:00"),
        ("epoch_seconds", "UTC", "9214646399", "2261-12-31T23:59:59"),
        ("epoch_millis", "UTC", "1396437466940", "2014-04-02T11:17:46.940000"),
        ("epoch_millis", "UTC", "1396437466940.5", "2014-04-02T11:17:46.940500"),
        ("%Y-%m-%d %H:%M:%S", LONDON, "2025-07-01 12:00:00", "2025-07-01T11:00:00"),
        ("%Y-%m-%d %H:%M:%S", LONDON, "2025-7-1 1:2:3", "2025-07-01T00:02:03"),
        ("%Y-%m-%d %H:%M:%S", LONDON, "2025-03-30 01:30:00", "2025-03-30T01:30:00"),
        ("%Y-%m-%d %H:%M:%S", LONDON, "2025-10-26 01:30:00", "2025-10-26T00:30:00"),
        ("%Y-%m-%d %H:%M:%S UTC", "UTC", "2019-10-01 00:00:00 UTC", "2019-10-01T00:00:00"),
        ("%Y-%m-%d %H:%M:%S %z", LONDON, "2025-07-01 12:00:00 +0200", "2025-07-01T10:00:00"),
        ("%Y-%m-%d %H:%M:%S %z", LONDON, "2025-07-01 12:00:00 +02:00", "2025-07-01T10:00:00"),
        ("%Y-%m-%d %H:%M:%S %Z", LONDON, "2025-07-01 12:00:00 Europe/Paris", "2025-07-01T10:00:00"),
        ("%d/%m/%Y %I:%M %p", NEW_YORK, "1/2/2025 3:04 pm", "2025-02-01T20:04:00"),
        ("%d/%m/%Y %I:%M %p", NEW_YORK, "2/11/2025 1:30 AM", "2025-11-02T05:30:00"),
        ("%b %d %Y %H:%M:%S.%f", "UTC", "Jul 1 2025 12:00:00.25", "2025-07-01T12:00:00.250000"),
        ("%Y/%m/%dT%H:%M:%S", "UTC", "2015/06/09T19:39:37", "2015-06-09T19:39:37"),
    ],
)
def test_a_time_that_is_one(tmp_path: Path, spelling: str, zone: str, text: str, expected: str) -> None:
    assert times(tmp_path, spelling, zone, text) == [utc(expected)]


@pytest.mark.parametrize(
    ("spelling", "texts"),
    [
        ("iso8601", ["2025-02-30", "2025-07-01T23:59:60", "2025-07-01T12", "20250701T120000Z", "2025-07-01Z"]),
        ("iso8601", ["2025-07-01T12:00:00 +02:00", "2025-07-01T12:00:00+24:00", "2025-07-01T12:00:00,5", "now"]),
        ("iso8601", ["infinity", "epoch", "12025-01-01", "-2025-01-01", "0001-01-01", "9999-12-31", "2262-01-01", ""]),
        ("iso8601", ["1970-01-01", "1970-01-02T23:59:59Z", "1396437466", "2025-07-01T12:00:00Z and more"]),
        ("epoch_seconds", ["1396437466940", "1" * 40, "-5", "0", "172799", "9214646400", "NaN", "inf", "1_396_437"]),
        ("epoch_seconds", ["1,5", "0x10", "", " ", "2025-07-01", "1e300", "-1e300"]),
        ("epoch_millis", ["abc", "1" * 40, "0", "9214646400000"]),
        ("%Y-%m-%d %H:%M:%S", ["2025-10-26", "2025-10-26 01:30:00.5", "2025-10-26 01:30:00 UTC", "25-10-26 01:30:00"]),
        ("%Y-%m-%d %H:%M:%S", ["99999-01-01 00:00:00", "9999-01-01 00:00:00", "1969-12-31 23:00:00", "now"]),
        ("%Y-%m-%d %H:%M:%S %z", ["2025-07-01 12:00:00", "2025-07-01 12:00:00 here"]),
    ],
)
def test_a_time_that_is_none(tmp_path: Path, spelling: str, texts: list[str]) -> None:
    assert times(tmp_path, spelling, "UTC", *texts, *texts) == [None] * 2 * len(texts)


def test_an_unreadable_time_among_good_ones_takes_none_with_it(tmp_path: Path) -> None:
    texts = ["2025-07-01 12:00:00", "soon"] * 3_000  # more than one chunk of the query's engine
    found = times(tmp_path, "%Y-%m-%d %H:%M:%S", "UTC", *texts)
    assert found == [utc("2025-07-01T12:00:00"), None] * 3_000


def test_a_date_and_a_time_of_day_in_two_columns(tmp_path: Path) -> None:
    source = log(events__event_ts=["ts", "item"], events__event_ts_format="%d.%m.%Y %H:%M", time_zone=LONDON)
    lines = [said(ts="1.7.2025", item="9:05"), said(ts="1.7.2025"), said(ts="", item="9:05")]
    rows = read_lines(source, tmp_path, *lines)
    assert [row["event_ts"] for row in rows] == [utc("2025-07-01T08:05:00"), None, None]
    assert [row["column_name"] for row in rows] == [None, "ts", "ts"]


def test_the_day_is_that_of_the_business_zone(tmp_path: Path) -> None:
    (row,) = read_lines(log(), tmp_path, said(ts="2025-06-30T23:30:00Z"))
    assert str(row["event_date"]) == "2025-07-01"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", "1"),
        ("-1.5", "-1.5"),
        ("+5", "5"),
        (".5", "0.5"),
        ("5.", "5"),
        (" 2 ", "2"),
        ("00012.50", "12.5"),
        ("1e3", "1000"),
        ("1E-2", "0.01"),
        ("1.00004999", "1"),
        ("1.00005", "1.0001"),
        ("0.00005", "0.0001"),
        ("-0.00005", "-0.0001"),
        ("99999999999.9999", "99999999999.9999"),
        *((text, None) for text in ("1_000", "1,5", "1.000,00", "1 000", "£5", "5 GBP", "--5", "0x10", "true", "٣")),
        *((text, None) for text in ("NaN", "Infinity", "-inf", "1e11", "1e400", "100000000000", "9" * 60, "", " ")),
    ],
)
def test_an_amount(tmp_path: Path, text: str, expected: str | None) -> None:
    (row,) = read_lines(log(), tmp_path, said(price=text))
    assert row["unit_price"] == (None if expected is None else Decimal(expected))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9,90", "9.9"),
        ("1.299,00", "1299"),
        ("1.234.567,5", "1234567.5"),
        ("1.000", "1000"),
        (",5", "0.5"),
        ("-12", "-12"),
        ("1 299,00 €", "1299"),
        *((text, None) for text in ("9.9", "4.25", "12.3456", "1.29,00", "1.2345,00", "1,2,3", "1,234.5", ",", "€")),
    ],
)
def test_an_amount_with_a_comma_takes_points_for_thousands_alone(
    tmp_path: Path, text: str, expected: str | None
) -> None:
    (row,) = read_lines(log(files__decimal=","), tmp_path, said(price=text))
    assert row["unit_price"] == (None if expected is None else Decimal(expected))


@pytest.mark.parametrize(
    ("canonical", "text", "expected"),
    [
        ("integer", "17850", "17850"),
        ("integer", "17850.0", "17850"),
        ("integer", "17850.", "17850"),
        ("integer", " 17850.00 ", "17850"),
        ("integer", "17850.5", "17850.5"),
        ("integer", "017850", "017850"),
        ("integer", "1.785e4", "1.785e4"),
        ("lowercase", " Ann@X.org ", "ann@x.org"),
        ("lowercase", "ÉLODIE", "Élodie"),
        ("lowercase", "17850.0", "17850.0"),
        ("verbatim", " Ann ", "Ann"),
        ("verbatim", "17850.0", "17850.0"),
    ],
)
def test_an_id_has_one_spelling(tmp_path: Path, canonical: str, text: str, expected: str) -> None:
    (row,) = read_lines(log(subject__canonical=canonical), tmp_path, said(who=text))
    assert row["subject_key"] == token(KEY, "account", expected)
    subject = Subject.model_validate({"column": "who", "kind": "account", "canonical": canonical})
    assert spelled(text, subject) == expected


def test_numbers_of_json_are_ids_like_their_text(tmp_path: Path) -> None:
    rows = read_lines(log(subject__canonical="integer"), tmp_path, said(who=17850), said(who=17850.0))
    assert {row["subject_key"] for row in rows} == {token(KEY, "account", "17850")}


@pytest.mark.parametrize("text", ["", "  ", "null", "NULL", "None", "nan", "NaN", " undefined ", None])
@pytest.mark.parametrize("canonical", ["integer", "lowercase", "verbatim"])
def test_blank_ids_are_nobody(tmp_path: Path, canonical: str, text: str | None) -> None:
    (row,) = read_lines(log(subject__canonical=canonical), tmp_path, said(who=text))
    assert (row["subject_key"], row["defects"], row["rejection"]) == (None, ["customer_missing"], None)
