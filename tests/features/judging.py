"""Lines of bronze as a clean run judges them."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from affinity.features.cleaning import Rivals, accepted_events, dated, duplicates, judged
from affinity.features.grouped import ARRIVED
from affinity.privacy.columns import customer_id_sql
from tests.features.days import answered

_ORDER = [("source", "ascending"), ("file_id", "ascending"), ("line_no", "ascending")]


def ways(lines: DataFrame, scratch: Path, rivals: DataFrame | None = None) -> Iterator[pa.Table]:
    """Rows of bronze.events with their dispositions, by each of the ways to find what comes twice."""
    found = dated(lines)
    there = scratch / uuid.uuid4().hex
    others = rivals_of(dated(rivals), there) if rivals is not None else []
    for name, n_lines in (("by digests", 3_000_000), ("at once", 1)):
        repeated = duplicates(found, others, there / name, n_lines=n_lines)
        folder = scratch / uuid.uuid4().hex
        repeated.write.parquet(str(folder))
        yield answered(judged(folder), **{ARRIVED: found.toArrow()})


def rivals_of(rows: DataFrame, scratch: Path) -> list[Rivals]:
    """Lines as rows that were accepted before, and the dates of their files: those of one date are one file's."""
    dates = scratch / "dates"
    rows = rows.withColumn("file_id", F.concat("file_id", F.coalesce(F.col("file_date").cast("string"), F.lit(""))))
    rows.select("file_id", "file_date").distinct().write.parquet(str(dates))
    return [Rivals(rows.drop("file_date"), dates)]


def judgements(lines: DataFrame, scratch: Path, rivals: DataFrame | None = None) -> pa.Table:
    """The rows of ``ways``, which have to be the same."""
    by_digests, at_once = (rows.sort_by(_ORDER) for rows in ways(lines, scratch, rivals))
    assert by_digests.equals(at_once)
    return by_digests


def accepted(rows: pa.Table) -> pa.Table:
    """Those that are accepted, as silver.events without ``run_id``."""
    known = f"SELECT *, {customer_id_sql('subject_key')} AS subject_id FROM rows"
    return answered(accepted_events(f"({known})"), rows=rows)
