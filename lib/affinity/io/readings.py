"""Which rows of bronze count: those of files that count, each line by its last reading."""

from collections.abc import Iterable, Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from affinity.core.vocabulary import COUNTING, Feed, FileState
from affinity.features.readings import last_readings
from affinity.io.ops import Row


def live_files(manifest: Sequence[Row]) -> list[str]:
    """The files that count."""
    return [row["file_id"] for row in manifest if row["state"] in COUNTING]


def of_events(manifest: Sequence[Row]) -> list[Row]:
    """The manifest of events, without files that were refused because another source has them."""
    rows = [row for row in manifest if row["feed"] == Feed.EVENTS]
    read = {row["file_id"] for row in rows if row["state"] != FileState.REFUSED}
    return [row for row in rows if row["state"] != FileState.REFUSED or row["file_id"] not in read]


def of_files(lines: DataFrame, file_ids: Iterable[str]) -> DataFrame:
    """The lines of these files."""
    wanted = lines.sparkSession.createDataFrame([(file_id,) for file_id in file_ids], "file_id string")
    return lines.join(F.broadcast(wanted), on="file_id", how="left_semi")


def lines_that_count(lines: DataFrame, manifest: Sequence[Row]) -> DataFrame:
    """The lines of the files that count; only of files that were read again the last reading has to be looked for."""
    live = [row for row in manifest if row["state"] in COUNTING]
    again = {row["file_id"] for row in live if (row["n_readings"] or 1) > 1}
    once = of_files(lines, [row["file_id"] for row in live if row["file_id"] not in again])
    return once.unionByName(last_readings(of_files(lines, sorted(again)))) if again else once
