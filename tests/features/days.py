"""From events to days, as the tables between them are made."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import reduce
from types import SimpleNamespace
from typing import Any

import duckdb
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from affinity.features import daily
from affinity.features.grouped import ARRIVED, mapped
from affinity.features.identities import of_customers
from affinity.tables import silver, views

LONDON = "Europe/London"
LATER = date(2030, 1, 1)


def contributions(*batches: DataFrame, zone: str = "UTC") -> DataFrame:
    """silver.subject_daily after a run for each batch of events, whose customer_id is that of a subject."""
    named = [events.withColumnRenamed("customer_id", "subject_id").coalesce(1) for events in batches]
    columns = {column.name: column.type for column in silver.SUBJECT_DAILY.columns if column.name != "run_id"}
    frames = [mapped(events, daily.contributions(ARRIVED, zone), columns) for events in named]
    runs = [frame.withColumn("run_id", F.lit(f"r{run}")) for run, frame in enumerate(frames)]
    return reduce(DataFrame.unionByName, runs)


def days(*batches: DataFrame, identities: DataFrame | None = None, zone: str = "UTC") -> list[SimpleNamespace]:
    """silver.customer_daily of batches of events, by customer and day."""
    made = contributions(*batches, zone=zone)
    mapped = of_themselves(made) if identities is None else of_customers(made, identities, LATER)
    return by_day(mapped.toArrow())


def by_day(rows: pa.Table, items: pa.Table | None = None) -> list[SimpleNamespace]:
    """silver.customer_daily of contributions, and of what was said of items."""
    return asked(views.customer_daily("rows", "items"), rows, items=described() if items is None else items)


def described(*said: tuple[str, str | None, date]) -> pa.Table:
    """Rows of silver.items: an item, its category and the day on which somebody said so."""
    schema = pa.schema({"item_id": pa.string(), "category_1": pa.string(), "observed_date": pa.date32()})
    rows = pa.Table.from_pylist([dict(zip(schema.names, row, strict=True)) for row in said], schema)
    place = {"source": "'shop'", "file_id": "'f'", "observed_ts": "observed_date::TIMESTAMPTZ"}
    return answered(
        f"SELECT *, {', '.join(f'{value} AS {name}' for name, value in place.items())} FROM said", said=rows
    )


def asked(statement: str, rows: pa.Table, **more: pa.Table) -> list[SimpleNamespace]:
    """What a statement over ``rows`` gives, in the order of its columns."""
    found = answered(f"SELECT * FROM ({statement}) ORDER BY ALL", rows=rows, **more)
    return [SimpleNamespace(**row) for row in found.to_pylist()]


def answered(statement: str, **tables: pa.Table) -> pa.Table:
    """What a statement over some tables gives."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name, table in tables.items():
            connection.register(name, table)
        return connection.sql(statement).to_arrow_table()


def belonging(spark: SparkSession, who: Mapping[str, str]) -> DataFrame:
    """Subjects and whose they are, known for long."""
    rows = [(subject, customer, date(2000, 1, 1)) for subject, customer in who.items()]
    return spark.createDataFrame(rows, "subject_id string, customer_id string, linked_date date")


def of_themselves(made: DataFrame) -> DataFrame:
    """Contributions of subjects that are each a customer."""
    return made.withColumnRenamed("subject_id", "customer_id")


def at(text: str) -> dict[str, Any]:
    """When an event happened, UTC, and its day there."""
    ts = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return {"event_ts": ts, "event_date": ts.date()}


def utc(text: str) -> datetime:
    """An instant as Spark gives it back."""
    return datetime.fromisoformat(text)
