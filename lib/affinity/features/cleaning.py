"""From bronze lines to true events: one disposition for every row."""

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from affinity.core.vocabulary import Disposition
from affinity.privacy.columns import customer_id

UNREADABLE_DATE = "1970-01-01"
ACCEPTED_REASON = "-"
DUPLICATE_REASON = "same_event_id"


def with_native_id(lines: DataFrame) -> DataFrame:
    """The rows whose ``event_id`` may come again on another day: not those whose line is their identity."""
    return lines.where(F.col("event_id").startswith("n"))


def judged(lines: DataFrame, rivals: DataFrame | None = None) -> DataFrame:
    """Give every line its one disposition: rows of bronze.events → the same plus ``disposition, reason``.

    ``rivals`` are lines of other days with the same ids: they compete, and are not among the rows that come out.

    A line that its source rejects keeps its reason. Among lines of one event id that would be accepted, that of the
    latest file wins (by nominal date, then file digest), and of a file its first line; the others are duplicates.
    ``event_date`` is 1970-01-01 where the time is unreadable.
    """
    is_candidate = F.col("rejection").isNull()
    same_event = Window.partitionBy("source", "event_id", is_candidate).orderBy(
        F.desc_nulls_last("file_date"), F.desc("file_id"), F.asc("line_no")
    )
    is_rival = F.lit(True).alias("is_rival")
    competing = lines.select("*", F.lit(False).alias("is_rival"))
    is_duplicate = is_candidate & (F.col("place") > 1)
    by_place = F.when(is_duplicate, F.lit(str(Disposition.DUPLICATE))).otherwise(F.lit(str(Disposition.ACCEPTED)))
    why = F.when(is_duplicate, F.lit(DUPLICATE_REASON)).otherwise(F.lit(ACCEPTED_REASON))
    return (
        (competing if rivals is None else competing.unionByName(rivals.select("*", is_rival)))
        .withColumn("event_date", F.coalesce("event_date", F.to_date(F.lit(UNREADABLE_DATE))))
        .withColumn("place", F.row_number().over(same_event))
        .withColumn("disposition", F.coalesce("rejected_as", by_place))
        .withColumn("reason", F.coalesce("rejection", why))
        .where(~F.col("is_rival"))
        .drop("rejection", "rejected_as", "place", "is_rival")
    )


def accepted_events(rows: DataFrame) -> DataFrame:
    """The accepted rows of ``judged`` as silver.events without ``run_id``; quantity and amount lose their sign."""
    return rows.where(F.col("disposition") == Disposition.ACCEPTED).select(
        "event_id",
        "source",
        "event_type",
        "event_ts",
        "event_date",
        customer_id(F.col("subject_key")).alias("customer_id"),
        "order_id",
        "item_id",
        F.abs("quantity").cast("decimal(18,4)").alias("quantity"),
        "unit_price",
        F.abs("amount").cast("decimal(18,4)").alias("amount"),
        "currency",
        "defects",
        "file_id",
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


def identities(rows: DataFrame) -> DataFrame:
    """Who appears in accepted rows, as silver.identities without ``run_id``: one customer per token, since ever."""
    named = rows.where((F.col("disposition") == Disposition.ACCEPTED) & F.col("subject_key").isNotNull())
    return (
        named.select("subject_key", "subject_kind")
        .distinct()
        .select(
            "subject_key",
            "subject_kind",
            customer_id(F.col("subject_key")).alias("customer_id"),
            F.to_date(F.lit(UNREADABLE_DATE)).alias("valid_from_date"),
            F.lit(None).cast("date").alias("valid_to_date"),
        )
    )


def touched(rows: DataFrame, before: DataFrame) -> DataFrame:
    """Whose days change, as ops.touched without ``run_id``: of accepted rows, and of those there were ``before``."""
    accepted = rows.where(F.col("disposition") == Disposition.ACCEPTED)
    now_there = accepted.select("event_date", customer_id(F.col("subject_key")).alias("customer_id"))
    return now_there.unionByName(before.select("event_date", "customer_id")).distinct()
