"""Attributes of customers in gold: as files had stated them before the date."""

from dataclasses import replace
from datetime import date
from pathlib import Path

from pyspark.sql import SparkSession

from affinity.core.vocabulary import Status
from affinity.tables import gold
from tests.shop import Shop, line


def test_a_slice_has_what_was_stated_before_its_date(spark: SparkSession, tmp_path: Path) -> None:
    shop = Shop(tmp_path, spark)
    for day, country in (("2011-01-04", "France"), ("2011-01-05", "Norway"), ("2011-01-06", "Spain")):
        shop.land(f"{day}.csv", [line(day, InvoiceNo=day, Country=country)])
    shop.run("ingest_customers")
    shop.ingest()
    for as_of in (date(2011, 1, 5), date(2011, 1, 6)):
        assert shop.run("build_features", as_of).status is Status.DONE
    assert _countries(shop) == {date(2011, 1, 5): "France", date(2011, 1, 6): "Norway"}


def test_where_nothing_was_ever_stated_attributes_are_null(spark: SparkSession, tmp_path: Path) -> None:
    shop = Shop(tmp_path, spark)
    shop.land("2011-01-04.csv", [line("2011-01-04")])
    shop.ingest()
    assert shop.run("build_features", date(2011, 1, 5)).status is Status.DONE
    assert _countries(shop) == {date(2011, 1, 5): None}


def test_a_table_of_before_there_were_attributes_gains_them(spark: SparkSession, tmp_path: Path) -> None:
    shop = Shop(tmp_path, spark)
    spec = gold.CUSTOMER_FEATURES
    older = tuple(
        column for column in spec.columns if column.name not in ("country", "tier") and "categories" not in column.name
    )
    shop.platform.store.ensure(replace(spec, columns=older, version=1))
    shop.land("2011-01-04.csv", [line("2011-01-04")])
    shop.run("ingest_customers")
    shop.ingest()
    assert shop.run("build_features", date(2011, 1, 5)).status is Status.DONE
    assert _countries(shop) == {date(2011, 1, 5): "France"}


def _countries(shop: Shop) -> dict[date, str | None]:
    return {row["as_of_date"]: row["country"] for row in shop.read(gold.CUSTOMER_FEATURES).collect()}
