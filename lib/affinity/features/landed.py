"""From parsed lines to typed events, each with its identity and what is wrong with it, by a source mapping."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from affinity.core.source import EventFeed, SourceMapping
from affinity.core.vocabulary import Defect, EventType
from affinity.features.times import is_ahead, is_late, local_date, plausible, read_ts

MONEY = "decimal(18,4)"


def events(rows: DataFrame, mapping: SourceMapping, *, business_zone: str) -> DataFrame:
    """Type the parsed rows: ``lines.parsed`` → the columns of bronze.events without ``run_id``.

    A value that cannot be cast becomes null and a defect flag, never an error.
    """
    feed = event_feed(mapping)
    return _identified(typed(rows, mapping, business_zone=business_zone), feed).select(
        "source",
        "file_id",
        "file_date",
        "event_id",
        "ordinal",
        "line_digest",
        "line_length",
        "event_type",
        "event_ts",
        "event_date",
        "subject_kind",
        "subject_key",
        "order_id",
        "item_id",
        "quantity",
        "unit_price",
        "currency",
        F.coalesce("shape", F.to_json("raw")).alias("payload"),
        _defects(mapping, feed).alias("defects"),
    )


def event_feed(mapping: SourceMapping) -> EventFeed:
    """The events section of a mapping that has one."""
    if mapping.events is None:
        raise ValueError(f"{mapping.name} has no events feed")
    return mapping.events


def text(column: str | None) -> Column:
    """The value of a column of the file; null where it is empty, or where the mapping names no column."""
    return F.nullif(F.col(f"raw.`{column}`"), F.lit("")) if column else F.lit(None).cast("string")


def trimmed(column: str | None) -> Column:
    """``text`` without spaces around it; null where nothing is left."""
    return F.nullif(F.trim(text(column)), F.lit(""))


def _identified(rows: DataFrame, feed: EventFeed) -> DataFrame:
    """Add ``event_id``, ``copy`` (1, 2, … among equal lines of a file) and ``ordinal`` (likewise of one event_id).

    A native id is the event's. Lines without one are told apart by their place among equal lines of the file, so that
    two equal lines are two events, in whatever order they come.
    """
    native = F.col("native_id")
    of_one_key = ("file_id", F.coalesce(native, "line_digest")) if feed.event_id else ("file_id",)
    equal_lines = Window.partitionBy(*of_one_key, "line_digest").orderBy("line_length")
    same_id = Window.partitionBy(*of_one_key).orderBy("line_digest", "copy")
    by_line = F.concat_ws("|", "source", "line_digest", F.col("copy").cast("string"))
    identity = F.when(native.isNotNull(), F.concat_ws("|", "source", native)).otherwise(by_line)
    place = F.when(native.isNotNull(), F.row_number().over(same_id)).otherwise(1) if feed.event_id else F.lit(1)
    return (
        rows.withColumn("copy", F.row_number().over(equal_lines))
        .withColumn("event_id", F.sha2(identity, 256))
        .withColumn("ordinal", place)
    )


def typed(rows: DataFrame, mapping: SourceMapping, *, business_zone: str) -> DataFrame:
    """``lines.parsed`` → the same plus the columns of an event, as far as they can be read, and what flags need."""
    feed = event_feed(mapping)
    said_ts = read_ts(text(feed.event_ts), feed.event_ts_format, mapping.time_zone)
    unit_price = trimmed(feed.unit_price).try_cast(MONEY)
    file_date = F.col("file_date")
    return rows.select(
        "*",
        trimmed(feed.event_id).alias("native_id"),
        _event_type(feed).alias("event_type"),
        plausible(said_ts).alias("event_ts"),
        local_date(plausible(said_ts), business_zone).alias("event_date"),
        is_ahead(said_ts, zone=business_zone, file_date=file_date, max_days=feed.max_ahead_days).alias("is_ahead"),
        is_late(said_ts, zone=business_zone, file_date=file_date, max_days=feed.max_late_days).alias("is_late"),
        text(feed.order_id).alias("order_id"),
        text(feed.item_id).alias("item_id"),
        trimmed(feed.quantity).try_cast(MONEY).alias("quantity"),
        unit_price.alias("unit_price"),
        F.when(unit_price.isNotNull(), _currency(mapping, feed)).alias("currency"),
        trimmed(feed.description).alias("description"),
    )


def _currency(mapping: SourceMapping, feed: EventFeed) -> Column:
    return F.coalesce(trimmed(feed.currency), F.lit(mapping.currency))


def _event_type(feed: EventFeed) -> Column:
    """The first rule that fits, else the word, else the default."""
    decided = F.lit(None if feed.default_type is None else str(feed.default_type)).cast("string")
    if feed.type_words:
        pairs = [F.lit(part) for word, kind in feed.type_words.words.items() for part in (word, str(kind))]
        decided = F.create_map(*pairs)[trimmed(feed.type_words.column)]
    for rule in reversed(feed.types):
        matches = F.col(f"raw.`{rule.column}`").startswith(rule.starts_with)
        decided = F.when(matches, F.lit(str(rule.type))).otherwise(decided)
    return decided


def _defects(mapping: SourceMapping, feed: EventFeed) -> Column:
    """Every flag of a typed row, in the order of the vocabulary."""
    is_return = F.col("event_type") == EventType.RETURN
    holds = {
        Defect.UNPARSABLE: F.col("is_unparsable"),
        Defect.EVENT_TS_INVALID: F.col("event_ts").isNull() & ~F.col("is_ahead") & ~F.col("is_late"),
        Defect.EVENT_TS_FUTURE: F.col("is_ahead"),
        Defect.EVENT_TS_LATE: F.col("is_late"),
        Defect.EVENT_TYPE_UNKNOWN: F.col("event_type").isNull(),
        **_money_defects(feed),
        Defect.STOCK_CORRECTION: ~is_return & (F.col("quantity") < 0),
        Defect.CUSTOMER_MISSING: F.col("subject_key").isNull() & F.lit(mapping.subject is not None),
        Defect.CANCELLATION: is_return,
        Defect.DESCRIPTION_MISSING: F.col("description").isNull() & F.lit(feed.description is not None),
        Defect.REPEATED_LINE: F.col("copy") > 1,
    }
    flags = [F.when(F.coalesce(holds[defect], F.lit(False)), F.lit(str(defect))) for defect in Defect]
    return F.array_compact(F.array(*flags))


def _money_defects(feed: EventFeed) -> dict[Defect, Column]:
    """Flags of quantity and price: purchases and returns need both, of others they are only to be readable."""
    quantity, unit_price = F.col("quantity"), F.col("unit_price")
    has_money = F.coalesce(F.col("event_type").isin(str(EventType.PURCHASE), str(EventType.RETURN)), F.lit(False))
    wrong_sign = quantity > 0 if feed.returns == "negative" else quantity < 0
    is_wrong_return = (F.col("event_type") == EventType.RETURN) & wrong_sign
    amount = quantity * unit_price
    no_currency = unit_price.isNotNull() & ~F.coalesce(F.col("currency").rlike("^[A-Z]{3}$"), F.lit(False))
    return {
        Defect.QUANTITY_INVALID: _is_missing(quantity, feed.quantity, has_money) | (quantity == 0) | is_wrong_return,
        Defect.PRICE_INVALID: _is_missing(unit_price, feed.unit_price, has_money) | no_currency,
        Defect.PRICE_NOT_POSITIVE: (unit_price < 0) | (has_money & (unit_price <= 0)),
        Defect.AMOUNT_INVALID: amount.isNotNull() & amount.try_cast(MONEY).isNull(),
    }


def _is_missing(value: Column, column: str | None, is_needed: Column) -> Column:
    return value.isNull() & (is_needed | trimmed(column).isNotNull())
