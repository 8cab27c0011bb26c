"""From bronze lines to true events: one disposition for every row."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from affinity.core.vocabulary import Disposition
from affinity.features.grouped import ARRIVED, in_groups
from affinity.privacy.columns import customer_id

UNREADABLE_DATE = "1970-01-01"
ACCEPTED_REASON = "-"
DUPLICATE_REASON = "same_event_id"
SAME_EVENT_DAYS = 7
"""Lines with one id are one event where their days are at most so far apart: sources number anew, some after weeks."""

_LINE = ("source", "file_id", "line_no")
_COMPETING = (*_LINE, "event_id", "event_date", "file_date")
_DAY_ZERO, _NO_DATE = "1970-01-01", "9999-12-31"


def dated(lines: DataFrame) -> DataFrame:
    """Rows of bronze.events with ``event_date`` 1970-01-01 where the time is unreadable."""
    return lines.withColumn("event_date", F.coalesce("event_date", F.to_date(F.lit(UNREADABLE_DATE))))


def duplicates(lines: DataFrame, rivals: DataFrame, *, are_few: bool = False) -> DataFrame:
    """Which lines repeat an event: rows of bronze.events → ``source, file_id, line_no`` of those that do.

    Of lines with one id whose days are at most a week apart, and that their source takes, the first counts: of the
    file with the earliest nominal date (files without one come last), then with the lesser digest, the first line of
    it. ``rivals`` are lines that were judged before, with ``source, file_id, line_no, event_id, event_date,
    file_date``: they compete, and are not among those that come out.

    Only digests of ids cross the network for all lines; lines are compared where one of those comes twice. ``are_few``
    lines are sent to the rivals, however many those are, and compared at once.
    """
    taken = lines.where(F.col("rejection").isNull())
    here, there = (rows.select(*_COMPETING, _digest().alias("id_digest")) for rows in (taken, rivals))
    if are_few:
        there = there.join(F.broadcast(here.select("id_digest")), on="id_digest", how="left_semi")
    all_lines = here.withColumn("is_here", F.lit(True)).unionByName(there.withColumn("is_here", F.lit(False)))
    suspects = all_lines if are_few else all_lines.join(_repeated(all_lines), on="id_digest", how="left_semi")
    place = F.struct(F.coalesce("file_date", F.to_date(F.lit(_NO_DATE))).alias("file_date"), "file_id", "line_no")
    day = F.datediff("event_date", F.to_date(F.lit(_DAY_ZERO)))
    near = Window.partitionBy("source", "event_id").orderBy(day).rangeBetween(-SAME_EVENT_DAYS, SAME_EVENT_DAYS)
    ranked = suspects.select(*_LINE, "is_here", place.alias("place"), F.min(place).over(near).alias("first_place"))
    return ranked.where(F.col("is_here") & (F.col("place") > F.col("first_place"))).select(*_LINE)


def _digest() -> Column:
    return F.xxhash64("source", "event_id")


def _repeated(lines: DataFrame) -> DataFrame:
    """The digests that several lines have."""
    twice = f"SELECT id_digest FROM {ARRIVED} GROUP BY id_digest HAVING count(*) > 1"
    return in_groups(lines.select("id_digest"), "id_digest", twice, {"id_digest": "bigint"})


def judged(lines: DataFrame, repeated: DataFrame) -> DataFrame:
    """Give every line its one disposition: rows of bronze.events → the same plus ``disposition, reason``.

    ``repeated`` are the lines that ``duplicates`` found. A line that its source rejects keeps its reason.
    """
    known = repeated.withColumn("is_duplicate", F.lit(True))
    is_duplicate = F.coalesce("is_duplicate", F.lit(False))
    by_place = F.when(is_duplicate, F.lit(str(Disposition.DUPLICATE))).otherwise(F.lit(str(Disposition.ACCEPTED)))
    why = F.when(is_duplicate, F.lit(DUPLICATE_REASON)).otherwise(F.lit(ACCEPTED_REASON))
    return (
        lines.join(known, on=list(_LINE), how="left")
        .withColumn("disposition", F.coalesce("rejected_as", by_place))
        .withColumn("reason", F.coalesce("rejection", why))
        .drop("rejection", "rejected_as", "is_duplicate")
    )


def accepted_events(rows: DataFrame) -> DataFrame:
    """The accepted rows of ``judged`` as silver.events without ``run_id``; quantity and amount lose their sign."""
    return rows.where(F.col("disposition") == Disposition.ACCEPTED).select(
        "event_id",
        "source",
        "event_type",
        "event_ts",
        "event_date",
        customer_id(F.col("subject_key")).alias("subject_id"),
        "order_id",
        "item_id",
        F.abs("quantity").cast("decimal(18,4)").alias("quantity"),
        "unit_price",
        F.abs("amount").cast("decimal(18,4)").alias("amount"),
        "currency",
        "defects",
        "file_id",
        "line_no",
    )


def rejected_rows(rows: DataFrame) -> DataFrame:
    """The other rows of ``judged`` as silver.quarantine without ``run_id``."""
    return rows.where(F.col("disposition") != Disposition.ACCEPTED).select(
        "event_id",
        "source",
        "event_date",
        "file_id",
        "line_no",
        "disposition",
        "reason",
        "defects",
        "column_name",
        "expected",
        "got",
        "payload",
    )


def disposition_counts(rows: DataFrame) -> DataFrame:
    """Counts of ``judged`` as ops.dispositions without ``run_id``."""
    keys = ("source", "file_id", "event_date", "disposition", "reason")
    return rows.groupBy(*keys).agg(F.count("*").alias("n_rows"))
