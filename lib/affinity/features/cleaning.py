"""From bronze lines to true events: one disposition for every row."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from affinity.core.vocabulary import Defect, Disposition
from affinity.features.times import UNREADABLE_DATE
from affinity.privacy.columns import customer_id

QUARANTINING = (
    Defect.UNPARSABLE,
    Defect.EVENT_TS_INVALID,
    Defect.EVENT_TS_FUTURE,
    Defect.EVENT_TS_LATE,
    Defect.EVENT_TYPE_UNKNOWN,
    Defect.QUANTITY_INVALID,
    Defect.PRICE_INVALID,
    Defect.PRICE_NOT_POSITIVE,
    Defect.AMOUNT_INVALID,
)
FILTERING = (Defect.STOCK_CORRECTION,)
ACCEPTED_REASON = "-"
DUPLICATE_REASON = "same_event_id"


def with_native_id(lines: DataFrame) -> DataFrame:
    """The rows whose ``event_id`` may come again on another day: not those whose line is their identity.

    Columns ``source, event_id, line_digest, defects, …`` in and out. Of equal lines of a file only the first is kept.
    """
    by_line = F.sha2(F.concat_ws("|", "source", "line_digest", F.lit("1")), 256)
    is_first = ~F.array_contains("defects", F.lit(str(Defect.REPEATED_LINE)))
    return lines.where(is_first & (F.col("event_id") != by_line))


def judged(lines: DataFrame, rivals: DataFrame | None = None) -> DataFrame:
    """Give every line its one disposition: rows of bronze.events → the same plus ``disposition, reason``.

    ``rivals`` are lines of other days with the same ids: they compete, and are not among the rows that come out.

    The first defect of the vocabulary's order that quarantines or filters is the reason. Among lines of one event id
    that would be accepted, that of the latest file wins (by nominal date, then file digest, then line digest, then the
    first of equal lines); the others are duplicates. ``event_date`` is 1970-01-01 where the time is unreadable.
    """
    rejecting = F.array(*[F.lit(str(defect)) for defect in (*QUARANTINING, *FILTERING)])
    is_candidate = F.col("rejection").isNull()
    same_event = Window.partitionBy("source", "event_id", is_candidate).orderBy(
        F.desc_nulls_last("file_date"), F.desc("file_id"), F.desc("line_digest"), F.asc("ordinal")
    )
    is_rival = F.lit(True).alias("is_rival")
    competing = lines.select("*", F.lit(False).alias("is_rival"))
    return (
        (competing if rivals is None else competing.unionByName(rivals.select("*", is_rival)))
        .withColumn("event_date", F.coalesce("event_date", F.to_date(F.lit(UNREADABLE_DATE))))
        .withColumn("rejection", F.get(F.filter("defects", lambda d: F.array_contains(rejecting, d)), F.lit(0)))
        .withColumn("place", F.row_number().over(same_event))
        .withColumn("disposition", _disposition())
        .withColumn("reason", _reason())
        .where(~F.col("is_rival"))
        .drop("rejection", "place", "is_rival")
    )


def _disposition() -> Column:
    filtering = [str(defect) for defect in FILTERING]
    return (
        F.when(F.col("rejection").isin(filtering), F.lit(str(Disposition.FILTERED)))
        .when(F.col("rejection").isNotNull(), F.lit(str(Disposition.QUARANTINED)))
        .when(F.col("place") > 1, F.lit(str(Disposition.DUPLICATE)))
        .otherwise(F.lit(str(Disposition.ACCEPTED)))
    )


def _reason() -> Column:
    is_duplicate = F.col("disposition") == Disposition.DUPLICATE
    return F.when(is_duplicate, F.lit(DUPLICATE_REASON)).otherwise(F.coalesce("rejection", F.lit(ACCEPTED_REASON)))


def accepted_events(rows: DataFrame) -> DataFrame:
    """The accepted rows of ``judged`` as silver.events without ``run_id``; quantity and amount lose their sign."""
    quantity = F.abs("quantity").cast("decimal(18,4)")
    return rows.where(F.col("disposition") == Disposition.ACCEPTED).select(
        "event_id",
        "source",
        "event_type",
        "event_ts",
        "event_date",
        customer_id(F.col("subject_key")).alias("customer_id"),
        "order_id",
        "item_id",
        quantity.alias("quantity"),
        "unit_price",
        (quantity * F.col("unit_price")).cast("decimal(18,4)").alias("amount"),
        "currency",
        "defects",
        "file_id",
    )


def rejected_rows(rows: DataFrame) -> DataFrame:
    """The other rows of ``judged`` as silver.quarantine without ``run_id``."""
    return rows.where(F.col("disposition") != Disposition.ACCEPTED).select(
        "event_id",
        "ordinal",
        "source",
        "event_date",
        "file_id",
        "disposition",
        "reason",
        "defects",
        "line_digest",
        "line_length",
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
