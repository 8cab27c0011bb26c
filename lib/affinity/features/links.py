"""Which ids were seen together: on one line of a log, or in one statement about a customer."""

from collections.abc import Collection
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from affinity.features.cleaning import DATED, is_of_files
from affinity.features.grouped import ARRIVED, Files, mapped

_KEYS = ("subject_key", "other_key")
_PAIR = ("subject_key", "subject_kind", "other_key", "other_kind")
_WITNESS = ("first_date", "file_id")
_TOLD = f"""
WITH told AS (
    SELECT subject_key, subject_kind, split_part(named, ':', -1) AS other_key, split_part(named, ':', 1) AS other_kind,
        {{{{'first_date': event_date, 'file_id': file_id}}}} AS witness
    FROM (
        SELECT subject_key, subject_kind, {DATED} AS event_date, file_id, unnest(linked) AS named
        FROM {ARRIVED} WHERE rejection IS NULL AND {{is_meant}}
    ) WHERE subject_key <> other_key
), pairs AS (
    SELECT * FROM told WHERE subject_key < other_key
    UNION ALL SELECT other_key, other_kind, subject_key, subject_kind, witness FROM told WHERE subject_key > other_key
)
SELECT subject_key, subject_kind, other_key, other_kind, min(witness).first_date, min(witness).file_id
FROM pairs GROUP BY ALL"""


def of_lines(lines: DataFrame) -> DataFrame:
    """``links`` of the lines of bronze.events that their source takes."""
    return links(lines.where(F.col("rejection").isNull()), F.col("event_date"))


def of_files(lines: Files, file_ids: Collection[str]) -> DataFrame:
    """``of_lines`` of these files, as tasks read them; what a task comes by twice it tells once."""
    kinds = dict.fromkeys(_PAIR, "string") | {"first_date": "date", "file_id": "string"}
    return first_seen(mapped(lines, _TOLD.format(is_meant=is_of_files(file_ids)), kinds))


def of_statements(said: DataFrame) -> DataFrame:
    """``links`` of rows of silver.customers."""
    return links(said, F.col("observed_date"))


def links(rows: DataFrame, seen: Column) -> DataFrame:
    """Pairs of ids: rows with ``subject_kind, subject_key, linked, file_id`` → silver.links without ``run_id``.

    ``linked`` are the further ids of a row as kind:token; ``seen`` is the day of a row. A pair comes once, the lesser
    key first, with its first witness: the earliest day, of files of one day the lesser digest.
    """
    witness = F.struct(seen.alias("first_date"), "file_id").alias("witness")
    told = rows.where(F.col("linked").isNotNull())
    pairs = told.select("subject_key", "subject_kind", witness, F.explode("linked"))
    split = pairs.select(
        "witness",
        F.struct(F.col("subject_key").alias("key"), F.col("subject_kind").alias("kind")).alias("one"),
        F.struct(F.substring_index("col", ":", -1).alias("key"), F.substring_index("col", ":", 1).alias("kind")).alias(
            "other"
        ),
    ).where("one.key != other.key")
    lesser, greater = F.least("one", "other"), F.greatest("one", "other")
    named = zip(_PAIR, (lesser["key"], lesser["kind"], greater["key"], greater["kind"]), strict=True)
    found = split.groupBy(*(value.alias(name) for name, value in named)).agg(F.min("witness").alias("witness"))
    return found.select(*_PAIR, *(f"witness.{name}" for name in _WITNESS))


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


def unknown(told: DataFrame, said: DataFrame, seen_again: DataFrame, known: DataFrame) -> DataFrame:
    """``news`` of links that lines tell of, of statements, and of links seen again, against the known ones."""
    return news(first_seen(told, of_statements(said), seen_again), known)


def of_pairs(found: DataFrame, pairs: DataFrame) -> DataFrame:
    """The links of these pairs."""
    return found.join(pairs.select(*_KEYS).distinct(), on=list(_KEYS), how="left_semi")
