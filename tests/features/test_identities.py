"""Whose ids are whose at a date, and how a change of that is dated."""

from datetime import date
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from affinity.features.identities import changed, dated, known_before, of_customers

CUT = date(2011, 6, 1)
BEFORE, LATER = date(2011, 5, 31), date(2011, 6, 2)
_FOUND = (
    "subject_key string, subject_id string, customer_id string, linked_date date, is_shared boolean, is_capped boolean"
)


def identities(spark: SparkSession, *rows: tuple[Any, ...], days: bool = True) -> DataFrame:
    """Rows of one key each: customer, linked_date and, with ``days``, valid_from_date and valid_to_date."""
    made = [(key, f"c-{key}", customer, linked, False, False, *more) for key, customer, linked, *more in rows]
    return spark.createDataFrame(made, _FOUND + (", valid_from_date date, valid_to_date date" if days else ""))


def test_a_link_is_believed_from_the_day_after_it_was_seen(spark: SparkSession) -> None:
    known = identities(
        spark,
        ("web", "c-ann", BEFORE, BEFORE, None),
        ("card", "c-ann", CUT, CUT, None),
        ("old", "c-bob", BEFORE, BEFORE, CUT),
        ("ann", "c-ann", None, BEFORE, None),
    )
    assert [tuple(row) for row in known_before(known, CUT).collect()] == [("c-web", "c-ann")]
    rows = spark.createDataFrame([("c-web",), ("c-card",), (None,)], "subject_id string")
    whose = {row.subject_id: row.customer_id for row in of_customers(rows, known, CUT).collect()}
    assert whose == {"c-web": "c-ann", "c-card": "c-card", None: None}


@pytest.mark.parametrize(
    ("began", "expected"),
    [
        pytest.param(BEFORE, {("c-bob", BEFORE, CUT), ("c-ann", CUT, None)}, id="ends on the day of the change"),
        pytest.param(CUT, {("c-ann", CUT, None)}, id="began that day and is replaced"),
        pytest.param(LATER, {("c-ann", LATER, None)}, id="began later: files came out of order"),
    ],
)
def test_a_change_is_dated(spark: SparkSession, began: date, expected: set[tuple[Any, ...]]) -> None:
    found = identities(spark, ("web", "c-ann", CUT), days=False)
    made = dated(found, identities(spark, ("web", "c-bob", BEFORE, began, None)), CUT).collect()
    written = {(row.customer_id, row.valid_from_date, row.valid_to_date) for row in made}
    assert written == expected


def test_what_is_told_first_begins_on_its_day(spark: SparkSession) -> None:
    made = dated(identities(spark, ("web", "c-ann", BEFORE), days=False), identities(spark), CUT).collect()
    assert [(row.customer_id, row.valid_from_date, row.valid_to_date) for row in made] == [("c-ann", CUT, None)]


def test_only_what_differs_has_changed_and_an_id_without_links_is_its_own(spark: SparkSession) -> None:
    current = identities(
        spark, ("web", "c-ann", BEFORE), ("card", "c-ann", BEFORE), ("app", "c-ann", BEFORE), days=False
    )
    found = identities(spark, ("web", "c-ann", BEFORE), ("card", "c-bob", CUT), days=False)
    told = {row.subject_key: (row.customer_id, row.linked_date) for row in changed(found, current).collect()}
    assert told == {"card": ("c-bob", CUT), "app": ("c-app", None)}
