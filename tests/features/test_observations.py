"""What catalogues and the CRM say, per day."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from affinity.core.source import SourceMapping
from affinity.core.vocabulary import Feed
from affinity.features.observations import customer_observations, item_observations
from affinity.tables import silver
from tests.features.sources import by, mapping, read

DAY = date(2025, 10, 6)
MIDNIGHT = "2025-10-06 00:00:00"


def _with_text_ts(seen: DataFrame) -> DataFrame:
    """Times as text of the session's zone, UTC: collected ones are those of the machine."""
    return seen.withColumn("observed_ts", F.col("observed_ts").cast("string"))


def catalogue(**items: Any) -> SourceMapping:
    feed = {
        "item_id": "item",
        "description": "name",
        "unit_price": "price",
        "brand": "brand",
        "categories": ["group"],
        "not_recommendable": ["FEE.*"],
        "not_recommendable_where": {"status": ["withdrawn"]},
    }
    columns = ["item", "name", "price", "brand", "group", "status", "at"]
    return mapping(currency="GBP", files={"columns": columns}, items={**feed, **items})


def test_a_catalogue_describes_each_item_on_the_date_of_its_file(spark: SparkSession, tmp_path: Path) -> None:
    lines = [
        {"item": "tea", "name": "Tea", "price": "2.50", "brand": "Acme", "group": "drinks", "status": "new"},
        {"item": "cup", "name": " ", "price": "dear", "status": "withdrawn"},
        {"item": "FEE1", "name": "Postage"},
        {"item": "", "name": "nothing"},
    ]
    rows = spark.createDataFrame(read(catalogue(), tmp_path, *map(json.dumps, lines), feed=Feed.ITEMS))
    seen = _with_text_ts(item_observations(rows, "GBP"))
    what = ("description", "unit_price", "brand", "category_1", "category_2", "is_recommendable")
    assert by(seen, "item_id", *what) == {
        "tea": ("Tea", Decimal("2.5"), "Acme", "drinks", None, True),
        "cup": (None, None, None, None, None, False),
        "FEE1": ("Postage", None, None, None, None, False),
    }
    assert set(by(seen, "item_id", "observed_date", "observed_ts", "currency").values()) == {(DAY, MIDNIGHT, "GBP")}


def test_a_catalogue_with_times_keeps_the_last_line_of_a_day(spark: SparkSession, tmp_path: Path) -> None:
    timed = catalogue(observed_ts="at")
    said = [("Tea", "2025-10-06T08:00Z"), ("Green tea", "2025-10-06T09:00Z"), ("Black tea", "2025-10-06T23:30Z")]
    lines = [json.dumps({"item": "tea", "name": name, "at": at}) for name, at in said]
    seen = item_observations(spark.createDataFrame(read(timed, tmp_path, *lines, feed=Feed.ITEMS)), "GBP")
    assert by(seen, "observed_date", "description") == {DAY: "Green tea", date(2025, 10, 7): "Black tea"}


def test_further_ids_of_all_lines_of_a_file_and_day_are_kept(spark: SparkSession) -> None:
    at = datetime(2025, 10, 6, 9, tzinfo=UTC)
    said = [
        ("one", "ann", ["card:2", "card:1"]),
        ("one", "ann", None),
        ("one", "ann", ["card:1", "email:3"]),
        ("one", "bob", None),
        ("two", "bob", ["card:9"]),
    ]
    columns = ("source", "subject_kind", "country", "tier", "file_id")
    rows = spark.createDataFrame(
        [("crm", "account", "GB", "gold", *each, DAY, at, n) for n, each in enumerate(said)],
        ", ".join(f"{name} string" for name in (*columns, "subject_key"))
        + ", linked array<string>, observed_date date, observed_ts timestamp, line_no bigint",
    )
    seen = customer_observations(rows)
    found = sorted(tuple(row) for row in seen.where("linked IS NOT NULL").select("subject_key", "linked").collect())
    assert found == [("ann", ["card:1", "card:2", "email:3"]), ("bob", ["card:9"])]
    assert by(seen.where("subject_key = 'bob'"), "file_id", "linked") == {"one": None, "two": ["card:9"]}
    assert set(seen.columns) == set(silver.CUSTOMERS.column_names) - {"run_id"}


def test_a_crm_states_country_and_tier_of_each_account(spark: SparkSession, tmp_path: Path) -> None:
    crm = mapping(
        files={"columns": ["account", "tier", "country"]},
        subject={"column": "account", "kind": "account", "canonical": "integer"},
        customers={"country": "country", "tier": "tier"},
    )
    lines = [
        {"account": "1", "tier": "gold", "country": "GB"},
        {"account": "2", "tier": ""},
        {"account": "", "tier": "gold"},
    ]
    rows = spark.createDataFrame(read(crm, tmp_path, *map(json.dumps, lines), feed=Feed.CUSTOMERS))
    seen = _with_text_ts(customer_observations(rows))
    stated = seen.select("tier", "country", "observed_date", "observed_ts").collect()
    assert sorted(map(tuple, stated), key=str) == [("gold", "GB", DAY, MIDNIGHT), (None, None, DAY, MIDNIGHT)]
