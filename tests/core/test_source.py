"""A mapping with faults is refused with all of them, each with the nearest right word."""

import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from affinity.core.errors import BadInput
from affinity.core.settings import Settings
from affinity.core.source import SourceMapping
from affinity.io.config import conf_dir, load_config, load_source, validated
from tests.features.sources import mapping

SOURCES = sorted(file.stem for file in (conf_dir() / "sources").glob("*.toml"))
PAGE = Path(__file__).resolve().parents[2] / "docs/sources.md"


def refusal(**sections: Any) -> str:
    """What is said of faulty changes to the website's mapping; a key may be None, which takes it out."""
    values = tomllib.loads((conf_dir() / "sources/shop_web.toml").read_text())
    for name, changes in sections.items():
        values[name] = {**values.get(name, {}), **changes} if isinstance(changes, dict) else changes
    kept = {name: _told(value) for name, value in values.items() if value is not None}
    with pytest.raises(BadInput) as refused:
        validated(SourceMapping, kept, where="web.toml")
    return str(refused.value)


def _told(value: Any) -> Any:
    return {key: told for key, told in value.items() if told is not None} if isinstance(value, dict) else value


@pytest.mark.parametrize("name", SOURCES)
def test_every_mapping_that_ships_can_be_used(name: str) -> None:
    assert load_source(load_config(), name).name == name


def test_columns_that_are_not_there_are_all_told_with_the_nearest() -> None:
    said = refusal(
        events={"item_id": "itm", "event_ts": "tss"},
        subject={"column": "acount"},
        items={"item_id": "item", "categories": ["rating", "querry"], "not_recommendable_where": {"typ": ["x"]}},
    )
    for key, column, near in (
        ("events.item_id", "itm", "item"),
        ("events.event_ts", "tss", "ts"),
        ("subject.column", "acount", "account"),
        ("items.categories", "querry", "query"),
        ("items.not_recommendable_where", "typ", "type"),
    ):
        assert f"{key} names '{column}', which is not in files.columns; did you mean \"{near}\"?" in said


def test_what_may_not_be_stored_names_no_feed() -> None:
    said = refusal(events={"item_id": "cookie", "order_id": "account"})
    assert "events.item_id names 'cookie', which is the id of the person or withheld" in said
    assert "events.order_id names 'account'" in said
    assert "files.withheld names 'account', of which subject or other_ids makes a token" in refusal(
        files={"withheld": ["account"]}
    )


def test_a_key_with_a_typo_is_told_with_the_nearest_wherever_it_is() -> None:
    said = refusal(events={"max_late_day": 3, "types": [{"type": "view", "colum": "type", "starts_with": "v"}]})
    assert "'events.max_late_day' is unknown; did you mean \"max_late_days\"?" in said
    assert "'events.types.0.colum' is unknown; did you mean \"column\"?" in said


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"events": None}, "there is nothing to read: expected [events], [items] or [customers]"),
        ({"customers": {"country": "query"}, "subject": None}, "[customers] needs [subject]"),
        ({"events": {"default_type": "view"}}, "either type_words or default_type"),
        (
            {"events": {"type_words": {"column": "type", "words": {"x": "purchase"}}}},
            "expected events.quantity, or default",
        ),
        (
            {"events": {"type_words": {"column": "type", "words": {"x": "return"}}}},
            "or events.amount of the whole line",
        ),
        ({"events": {"unit_price": "rating", "amount": "query"}}, "two prices: expected one of them"),
        ({"events": {"amount": "rating"}}, 'currency is missing: prices are in one, as in currency = "GBP"'),
        ({"events": {"event_ts": []}}, "events.event_ts is empty: expected the column of the time"),
        ({"events": {"event_ts": ["ts", "tss"]}}, "events.event_ts names 'tss', which is not in files.columns"),
        ({"events": {"event_ts_format": "yyyy-MM-dd"}}, "is no format; expected directives like %Y-%m-%d %H:%M:%S"),
        ({"events": {"event_ts_format": "iso8610"}}, 'is no format; did you mean "iso8601"?'),
        ({"events": {"event_ts_format": "%Y-%m-%d %Q"}}, "has the unknown directives ['%Q']"),
        ({"items": {"item_id": "item", "observed_ts_format": "dd.MM"}}, "items.observed_ts_format = 'dd.MM' is no"),
        ({"events": {"earliest": date(2025, 2, 1), "latest": date(2025, 1, 1)}}, "earliest = 2025-02-01 lies after"),
        ({"events": {"defects": {"unparsable": "accept"}}}, "events.defects.unparsable cannot be accepted"),
        ({"events": {"defects": {"price_invalid": "ignore"}}}, "should be 'accept', 'filter' or 'quarantine'"),
        ({"files": {"format": "csv", "header": False, "optional_columns": ["query"]}}, "without a header every column"),
        ({"events": {"unit_price": "rating"}}, 'currency is missing: prices are in one, as in currency = "GBP"'),
        ({"items": {"description": "query", "unit_price": "rating"}}, "items.unit_price is of a catalogue"),
        ({"items": {"description": "query"}, "events": None}, "[items] needs items.item_id, or [events]"),
        ({"files": {"optional_columns": ["qury"]}}, "files.optional_columns names 'qury'"),
        ({"items": {"item_id": "item"}, "events": None, "files": {"date_pattern": None}}, "date_pattern is missing"),
        ({"files": {"date_pattern": "[0-9]+"}}, "files.date_pattern has no group `date`"),
        ({"files": {"date_pattern": "("}}, "files.date_pattern is no regular expression"),
        ({"files": {"columns": ["id", "ID"]}}, "files.columns names a column twice"),
        ({"time_zone": "Mars/Base"}, "'Mars/Base' is no IANA time zone"),
    ],
)
def test_a_mapping_that_says_too_little_or_too_much(sections: dict[str, Any], words: str) -> None:
    assert words in refusal(**sections)


def test_purchases_without_a_price_are_purchases_where_the_mapping_says_so() -> None:
    values = tomllib.loads((conf_dir() / "sources/taobao.toml").read_text())
    assert validated(SourceMapping, values, where="taobao.toml").events
    del values["events"]["defects"]
    with pytest.raises(BadInput, match="where nothing says a price"):
        validated(SourceMapping, values, where="taobao.toml")


def test_the_time_may_be_told_by_several_columns() -> None:
    values = tomllib.loads((conf_dir() / "sources/shop_web.toml").read_text())
    values["events"]["event_ts"] = ["query", "ts"]
    events = validated(SourceMapping, values, where="web.toml").events
    assert events is not None
    assert events.ts_columns == ("query", "ts")


def test_a_source_of_items_or_of_customers_alone_is_one() -> None:
    items = mapping(files={"columns": ["sku"]}, items={"item_id": "sku"})
    people = mapping(
        files={"columns": ["who"]},
        subject={"column": "who", "kind": "account", "canonical": "verbatim"},
        customers={},
    )
    assert items.is_dated_by_name
    assert people.is_dated_by_name
    assert (items.kept_columns, people.kept_columns) == (("sku",), ())


def test_the_page_on_sources_has_every_key() -> None:
    keys: set[str] = set()
    sections: list[type[Settings]] = [SourceMapping]
    while sections:
        for name, field in sections.pop().model_fields.items():
            keys.add(name)
            found = [field.annotation, *getattr(field.annotation, "__args__", ())]
            sections += [part for part in found if isinstance(part, type) and hasattr(part, "model_fields")]
    assert keys <= set(re.findall(r"`(\w+)`", PAGE.read_text()))
