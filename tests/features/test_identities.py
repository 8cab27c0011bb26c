"""Whose ids are whose at a date, and how a change of that is dated."""

from datetime import date
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from affinity.features.identities import changed, dated, holding, known_before, of_customers
from affinity.tables.views import IDENTITIES
from tests.features.days import answered

CUT = date(2011, 6, 1)
BEFORE, LATER = date(2011, 5, 31), date(2011, 6, 2)
_FOUND = (
    "subject_key string, subject_id string, customer_id string, linked_date date, is_shared boolean, is_capped boolean"
)


def identities(spark: SparkSession, *rows: tuple[Any, ...], runs: bool = True) -> DataFrame:
    """Rows of one key each: customer, linked_date and, with ``runs``, valid_from_date and change_no."""
    made = [(key, f"c-{key}", customer, linked, False, False, *more) for key, customer, linked, *more in rows]
    of_runs = ", valid_from_date date, change_no int"
    return spark.createDataFrame(made, _FOUND + (of_runs if runs else ""))


def test_a_link_is_believed_from_the_day_after_it_was_seen(spark: SparkSession) -> None:
    known = holding(
        identities(
            spark,
            ("web", "c-ann", BEFORE, BEFORE, 1),
            ("card", "c-ann", CUT, CUT, 1),
            ("old", "c-bob", BEFORE, BEFORE, 1),
            ("old", "c-cat", BEFORE, BEFORE, 2),
            ("old", "c-old", None, CUT, 3),
            ("ann", "c-ann", None, BEFORE, 1),
        )
    )
    assert [tuple(row) for row in known_before(known, CUT).collect()] == [("c-web", "c-ann")]
    rows = spark.createDataFrame([("c-web",), ("c-card",), ("c-old",), (None,)], "subject_id string")
    whose = {row.subject_id: row.customer_id for row in of_customers(rows, known, CUT).collect()}
    assert whose == {"c-web": "c-ann", "c-card": "c-card", "c-old": "c-old", None: None}


@pytest.mark.parametrize(
    ("began", "expected"),
    [
        pytest.param(BEFORE, {("c-bob", BEFORE, CUT), ("c-ann", CUT, None)}, id="ends on the day of the change"),
        pytest.param(CUT, {("c-ann", CUT, None)}, id="began that day and is replaced"),
        pytest.param(LATER, {("c-ann", LATER, None)}, id="began later: files came out of order"),
    ],
)
def test_a_change_is_dated(spark: SparkSession, began: date, expected: set[tuple[Any, ...]]) -> None:
    before = identities(spark, ("web", "c-bob", BEFORE, began, 1))
    changes = before.unionByName(dated(identities(spark, ("web", "c-ann", CUT), runs=False), holding(before), CUT))
    assert [row.customer_id for row in holding(changes).collect()] == ["c-ann"]
    statement = IDENTITIES.statement.replace("silver.identity_changes", "changes").replace("found.subject_kind, ", "")
    shown = answered(statement, changes=changes.withColumn("run_id", F.lit("r")).toArrow()).to_pylist()
    assert {(row["customer_id"], row["valid_from_date"], row["valid_to_date"]) for row in shown} == expected


def test_what_is_told_first_begins_on_its_day(spark: SparkSession) -> None:
    made = dated(identities(spark, ("web", "c-ann", BEFORE), runs=False), identities(spark), CUT).collect()
    assert [(row.customer_id, row.valid_from_date, row.change_no) for row in made] == [("c-ann", CUT, 1)]


def test_only_what_differs_has_changed_and_an_id_without_links_is_its_own(spark: SparkSession) -> None:
    current = identities(
        spark, ("web", "c-ann", BEFORE), ("card", "c-ann", BEFORE), ("app", "c-ann", BEFORE), runs=False
    )
    found = identities(spark, ("web", "c-ann", BEFORE), ("card", "c-bob", CUT), runs=False)
    told = {row.subject_key: (row.customer_id, row.linked_date) for row in changed(found, current).collect()}
    assert told == {"card": ("c-bob", CUT), "app": ("c-app", None)}
