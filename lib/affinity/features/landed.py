"""From the lines of landed files to typed rows, by a source mapping."""

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F
from pyspark.sql import types as T

from affinity.core.source import SourceMapping
from affinity.core.vocabulary import Defect, EventType
from affinity.privacy.columns import canonical_id, customer_id, subject_key

UNREADABLE_DATE = "1970-01-01"
_MONEY = "decimal(18,4)"
_END = "_end"
_CORRUPT = "_corrupt"
_MAX_SHAPE = 1000


def parsed(lines: DataFrame, mapping: SourceMapping, *, key_file: str) -> DataFrame:
    """Read the columns of each line and replace the person by a token.

    ``file_id, file_date, line`` → ``source, file_id, file_date, line_digest, line_length, subject_kind, subject_key,
    raw`` (struct of strings without the id column; null where the line cannot be parsed), ``is_unparsable`` and
    ``shape`` (of an unparsable line: letters as a, digits as 9; null else). Header and blank lines are left out. The
    raw id does not leave this projection, nor anything it could be guessed from: a line's digest has the token in place
    of the id, and where the id cannot be told from the rest, the whole line becomes a token.
    """
    layout, subject = mapping.files, mapping.subject
    # A last column of our own tells whether a line has all the others: an empty last one is null, like a missing one.
    names = (*layout.columns, _END, _CORRUPT)
    schema = T.StructType([T.StructField(name, T.StringType()) for name in names]).simpleString()
    options = {"sep": layout.delimiter, "quote": layout.quote, "escape": layout.escape}
    ended = F.concat("line", F.lit(f"{layout.delimiter}{_END}"))
    read = F.from_csv(ended, schema, {**options, "columnNameOfCorruptRecord": _CORRUPT})
    is_whole = F.col(f"fields.{_CORRUPT}").isNull() & (F.col(f"fields.{_END}") == _END)
    canonical = canonical_id(F.col(f"fields.`{subject.column}`"), subject)
    kept = [name for name in layout.columns if name != subject.column]
    spelled = [F.coalesce(F.col(f"fields.`{name}`"), F.lit("\0")) for name in kept]
    return (
        lines.where((F.trim("line") != "") & (F.col("line") != F.lit(header(mapping))))
        .select("file_id", "file_date", "line", read.alias("fields"))
        .withColumn("is_unparsable", ~F.coalesce(is_whole, F.lit(False)))
        .withColumn("person", F.when(~F.col("is_unparsable"), canonical))
        .select(
            F.lit(mapping.name).alias("source"),
            "file_id",
            "file_date",
            F.length("line").alias("line_length"),
            F.lit(subject.kind).alias("subject_kind"),
            subject_key(F.col("person"), subject.kind, key_file).alias("subject_key"),
            subject_key(F.when(F.col("is_unparsable"), F.col("line")), "line", key_file).alias("line_key"),
            F.when(~F.col("is_unparsable"), F.struct(*[F.col(f"fields.`{name}`").alias(name) for name in kept])).alias(
                "raw"
            ),
            F.concat_ws("\x1f", *spelled).alias("spelled"),
            "is_unparsable",
            F.when(F.col("is_unparsable"), _shape(F.col("line"))).alias("shape"),
        )
        .withColumn("line_digest", F.sha2(F.coalesce("line_key", F.concat_ws("\x1f", "spelled", "subject_key")), 256))
        .drop("line_key", "spelled")
    )


def _shape(line: Column) -> Column:
    """What a line looks like without what it says."""
    letters = F.regexp_replace(F.substring(line, 1, _MAX_SHAPE), r"\p{L}", "a")
    return F.regexp_replace(letters, r"\p{N}", "9")


def header(mapping: SourceMapping) -> str:
    """The header line that every file must begin with."""
    return mapping.files.delimiter.join(mapping.files.columns)


def events(rows: DataFrame, mapping: SourceMapping, *, business_zone: str) -> DataFrame:
    """Type the parsed rows: ``parsed`` → the columns of bronze.events without ``run_id``.

    A value that cannot be cast becomes null and a defect flag, never an error. Lines without a native id are told
    apart by their ordinal among equal lines of the file, so that two equal lines are two events.
    """
    equal_lines = Window.partitionBy("file_id", "line_digest").orderBy("line_length")  # equal lines: any order is one
    numbered = _typed(rows, mapping, business_zone=business_zone).withColumn(
        "ordinal", F.row_number().over(equal_lines)
    )
    identity = F.concat_ws("|", "source", "line_digest", F.col("ordinal").cast("string"))
    return numbered.select(
        "source",
        "file_id",
        "file_date",
        F.sha2(identity, 256).alias("event_id"),
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
        _defects().alias("defects"),
    )


def _typed(rows: DataFrame, mapping: SourceMapping, *, business_zone: str) -> DataFrame:
    feed = mapping.events
    raw = {name: F.col(f"raw.`{name}`") for name in mapping.files.columns if name != mapping.subject.column}
    local_ts = F.try_to_timestamp(raw[feed.event_ts], F.lit(feed.event_ts_format))
    event_ts = F.to_utc_timestamp(local_ts, mapping.time_zone)
    return rows.select(
        "*",
        _event_type(mapping).alias("event_type"),
        event_ts.alias("event_ts"),
        F.to_date(F.from_utc_timestamp(event_ts, business_zone)).alias("event_date"),
        raw[feed.order_id].alias("order_id"),
        raw[feed.item_id].alias("item_id"),
        raw[feed.quantity].try_cast(_MONEY).alias("quantity"),
        raw[feed.unit_price].try_cast(_MONEY).alias("unit_price"),
        F.lit(mapping.currency).alias("currency"),
        raw[feed.description].alias("description"),
    )


def _event_type(mapping: SourceMapping) -> Column:
    decided = F.lit(str(mapping.events.default_type))
    for rule in reversed(mapping.events.types):
        matches = F.col(f"raw.`{rule.column}`").startswith(rule.starts_with)
        decided = F.when(matches, F.lit(str(rule.type))).otherwise(decided)
    return decided


def _defects() -> Column:
    """Every flag of a typed row, in the order of the vocabulary."""
    is_return = F.col("event_type") == EventType.RETURN
    holds = {
        Defect.UNPARSABLE: F.col("is_unparsable"),
        Defect.EVENT_TS_INVALID: F.col("event_ts").isNull(),
        Defect.EVENT_TYPE_UNKNOWN: F.col("event_type").isNull(),
        Defect.QUANTITY_INVALID: F.col("quantity").isNull()
        | (F.col("quantity") == 0)
        | (is_return & (F.col("quantity") > 0)),
        Defect.PRICE_INVALID: F.col("unit_price").isNull(),
        Defect.PRICE_NOT_POSITIVE: F.col("unit_price") <= 0,
        Defect.AMOUNT_INVALID: (F.col("quantity") * F.col("unit_price")).isNotNull()
        & (F.col("quantity") * F.col("unit_price")).try_cast(_MONEY).isNull(),
        Defect.STOCK_CORRECTION: ~is_return & (F.col("quantity") < 0),
        Defect.CUSTOMER_MISSING: F.col("subject_key").isNull(),
        Defect.CANCELLATION: is_return,
        Defect.DESCRIPTION_MISSING: F.col("description").isNull() | (F.trim("description") == ""),
        Defect.REPEATED_LINE: F.col("ordinal") > 1,
    }
    flags = [F.when(F.coalesce(holds[defect], F.lit(False)), F.lit(str(defect))) for defect in Defect]
    return F.array_compact(F.array(*flags))


def item_observations(rows: DataFrame, mapping: SourceMapping, *, business_zone: str) -> DataFrame:
    """What each file says of items: ``parsed`` → the columns of silver.items without ``run_id``.

    Only sales describe an item: stock corrections and give-aways carry notes such as "damaged" in its place. The last
    sale of the day decides; ties by line digest.
    """
    if mapping.items is None:
        raise ValueError(f"{mapping.name} has no items feed")
    banned = "|".join(f"(?:{pattern})" for pattern in mapping.items.not_recommendable) or r"(?!)"
    observed = F.struct("event_ts", "line_digest", "description", "unit_price")
    return (
        _sales(rows, mapping, mapping.items.description, business_zone=business_zone)
        .groupBy("source", "item_id", "event_date")
        .agg(F.max(observed).alias("last"), F.max_by("file_id", observed).alias("file_id"))
        .select(
            "source",
            "item_id",
            F.col("event_date").alias("observed_date"),
            F.col("last.event_ts").alias("observed_ts"),
            F.col("last.description").alias("description"),
            F.col("last.unit_price").alias("unit_price"),
            F.lit(mapping.currency).alias("currency"),
            (~F.col("item_id").rlike(f"^(?:{banned})$")).alias("is_recommendable"),
            "file_id",
        )
    )


def _sales(rows: DataFrame, mapping: SourceMapping, description: str, *, business_zone: str) -> DataFrame:
    typed = _typed(rows, mapping, business_zone=business_zone)
    is_sale = (F.col("event_type") == EventType.PURCHASE) & (F.col("quantity") > 0) & (F.col("unit_price") > 0)
    text = F.nullif(F.trim(F.col(f"raw.`{description}`")), F.lit(""))
    return typed.where(is_sale & F.col("event_ts").isNotNull()).withColumn("description", text)


def customer_observations(rows: DataFrame, mapping: SourceMapping, *, business_zone: str) -> DataFrame:
    """What each file says of customers: ``parsed`` → the columns of silver.customers without ``run_id``.

    The last line of the day decides; ties by line digest. Anonymous lines say nothing.
    """
    if mapping.customers is None:
        raise ValueError(f"{mapping.name} has no customers feed")
    typed = _typed(rows, mapping, business_zone=business_zone)
    country = F.nullif(F.trim(F.col(f"raw.`{mapping.customers.country}`")), F.lit(""))
    observed = F.struct("event_ts", "line_digest", "country")
    return (
        typed.where(F.col("subject_key").isNotNull() & F.col("event_ts").isNotNull())
        .withColumn("country", country)
        .groupBy("source", "subject_key", "event_date")
        .agg(F.max(observed).alias("last"), F.max_by("file_id", observed).alias("file_id"))
        .select(
            "source",
            "subject_key",
            customer_id(F.col("subject_key")).alias("customer_id"),
            F.col("event_date").alias("observed_date"),
            F.col("last.event_ts").alias("observed_ts"),
            F.col("last.country").alias("country"),
            "file_id",
        )
    )
