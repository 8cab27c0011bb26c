"""Which ids were seen together: on one line of a log, or in one statement about a customer."""

from collections.abc import Collection, Sequence
from functools import reduce

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from affinity.features.cleaning import DATED, is_of_files
from affinity.features.grouped import ARRIVED, Rows, mapped

_KEYS = ("subject_key", "other_key")
_PAIR = ("subject_key", "subject_kind", "other_key", "other_kind")
_WITNESS = ("first_date", "file_id")
_DAY_ZERO, _MOST_FILES = "0001-01-01", 1_000_000_000
_TOLD = f"""
WITH told AS MATERIALIZED (
    SELECT subject_key, subject_kind, split_part(named, ':', -1) AS other_key, split_part(named, ':', 1) AS other_kind,
        seen, file_id
    FROM (
        SELECT subject_key, subject_kind, {{seen}} AS seen, file_id, unnest(linked) AS named
        FROM {ARRIVED} WHERE {{is_meant}}
    ) WHERE subject_key <> other_key
),
files AS (SELECT file_id, row_number() OVER (ORDER BY file_id) AS file_no FROM (SELECT DISTINCT file_id FROM told)),
pairs AS (
    SELECT least(subject_key, other_key) AS one, greatest(subject_key, other_key) AS two,
        CASE WHEN subject_key < other_key THEN subject_kind ELSE other_kind END AS one_kind,
        CASE WHEN subject_key < other_key THEN other_kind ELSE subject_kind END AS two_kind,
        min((seen - DATE '{_DAY_ZERO}') * {_MOST_FILES} + file_no) AS witness
    FROM told JOIN files USING (file_id) GROUP BY ALL
)
SELECT one, one_kind, two, two_kind, DATE '{_DAY_ZERO}' + (witness // {_MOST_FILES})::INTEGER, file_id
FROM pairs JOIN files ON file_no = witness % {_MOST_FILES}"""
"""A witness is a number: of what has a text in it each group stays in memory, and many do not fit."""


def of_lines(lines: Rows, file_ids: Collection[str] | None = None) -> DataFrame:
    """Pairs of ids on lines of bronze.events that their source takes → silver.links without ``run_id``.

    A pair comes once for each task that came by it, the lesser key first, with its first witness: the earliest day, of
    files of one day the lesser digest. With ``file_ids`` lines of these files alone are meant.
    """
    return _told(lines, DATED, f"rejection IS NULL AND {is_of_files(file_ids)}", ("event_date", "rejection"))


def of_statements(said: Rows, file_ids: Collection[str] | None = None) -> DataFrame:
    """``of_lines`` of rows of silver.customers."""
    return _told(said, "observed_date", is_of_files(file_ids), ("observed_date",))


def _told(rows: Rows, seen: str, is_meant: str, by: Sequence[str]) -> DataFrame:
    if isinstance(rows, DataFrame):
        rows = rows.select("subject_key", "subject_kind", "linked", "file_id", *by)
    kinds = dict.fromkeys(_PAIR, "string") | {"first_date": "date", "file_id": "string"}
    return mapped(rows, _TOLD.format(seen=seen, is_meant=is_meant), kinds)


def first_seen(*found: DataFrame) -> DataFrame:
    """Of pairs that were found in several places, each once, with its first witness."""
    pairs = reduce(DataFrame.unionByName, found)
    first = pairs.groupBy(*_PAIR).agg(F.min(F.struct(*_WITNESS)).alias("witness"))
    return first.select(*_PAIR, *(f"witness.{name}" for name in _WITNESS))


def news(found: DataFrame, known: DataFrame) -> DataFrame:
    """The links that are not known yet, or not from so early a day."""
    names = {**{key: f"known_{key}" for key in _KEYS}, "first_date": "known_date"}
    renamed = known.select(*(F.col(name).alias(alias) for name, alias in names.items()))
    is_one = [F.col(key) == F.col(f"known_{key}") for key in _KEYS]
    return found.join(renamed, on=[*is_one, F.col("known_date") <= F.col("first_date")], how="left_anti")


def of_pairs(found: DataFrame, pairs: DataFrame) -> DataFrame:
    """The links of these pairs."""
    return found.join(pairs.select(*_KEYS).distinct(), on=list(_KEYS), how="left_semi")
