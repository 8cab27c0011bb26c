"""What landed files say of items and customers, per day, by a source mapping."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from affinity.core.source import MAX_CATEGORIES, CustomerFeed, ItemFeed, SourceMapping
from affinity.core.vocabulary import EventType
from affinity.features.landed import MONEY, text, trimmed, typed
from affinity.features.times import local_date, plausible, read_ts
from affinity.privacy.columns import customer_id

_CATEGORIES = tuple(f"category_{level}" for level in range(1, MAX_CATEGORIES + 1))


def item_observations(rows: DataFrame, mapping: SourceMapping, *, business_zone: str) -> DataFrame:
    """What each file says of items: ``lines.parsed`` → the columns of silver.items without ``run_id``.

    Of a catalogue every line with an item and a time describes it. Else sales alone do: stock corrections and
    give-aways carry notes such as "damaged" in its place. The last line of the day decides; ties by line digest.
    """
    feed = mapping.items
    if feed is None:
        raise ValueError(f"{mapping.name} has no items feed")
    told = _catalogue if feed.item_id else _sales
    described = told(rows, mapping, feed, business_zone=business_zone).select("*", *_categories(feed), *_labels(feed))
    seen = ("description", "unit_price", "brand", *_CATEGORIES, "is_recommendable")
    last = _last_of_day(described, ("source", "item_id"), seen)
    return last.withColumn("currency", F.lit(mapping.currency).cast("string"))


def _categories(feed: ItemFeed) -> list[Column]:
    named = [*feed.categories, *[None] * MAX_CATEGORIES][:MAX_CATEGORIES]
    return [trimmed(column).alias(name) for name, column in zip(_CATEGORIES, named, strict=True)]


def _labels(feed: ItemFeed) -> list[Column]:
    """Brand, and whether an item may be shown: no rule for its id, nor for a column, speaks against it."""
    banned = "|".join(f"(?:{pattern})" for pattern in feed.not_recommendable) or r"(?!)"
    is_banned = F.col("item_id").rlike(f"^(?:{banned})$")
    for column, values in feed.not_recommendable_where.items():
        is_banned |= F.coalesce(trimmed(column).isin(list(values)), F.lit(False))
    return [trimmed(feed.brand).alias("brand"), (~is_banned).alias("is_recommendable")]


def _catalogue(rows: DataFrame, mapping: SourceMapping, feed: ItemFeed, *, business_zone: str) -> DataFrame:
    observed_ts = _observed_ts(mapping, feed)
    return rows.select(
        "*",
        text(feed.item_id).alias("item_id"),
        trimmed(feed.description).alias("description"),
        trimmed(feed.unit_price).try_cast(MONEY).alias("unit_price"),
        observed_ts.alias("observed_ts"),
        _observed_date(mapping, feed, observed_ts, business_zone).alias("observed_date"),
    ).where(F.col("item_id").isNotNull() & F.col("observed_ts").isNotNull())


def _sales(rows: DataFrame, mapping: SourceMapping, feed: ItemFeed, *, business_zone: str) -> DataFrame:
    is_sale = (F.col("event_type") == EventType.PURCHASE) & (F.col("quantity") > 0) & (F.col("unit_price") > 0)
    is_placed = F.col("item_id").isNotNull() & F.col("event_ts").isNotNull() & ~F.col("is_ahead") & ~F.col("is_late")
    return (
        typed(rows, mapping, business_zone=business_zone)
        .where(is_sale & is_placed)
        .withColumn("description", trimmed(feed.description))
        .withColumnsRenamed({"event_ts": "observed_ts", "event_date": "observed_date"})
    )


def customer_observations(rows: DataFrame, mapping: SourceMapping, *, business_zone: str) -> DataFrame:
    """What each file says of customers: ``lines.parsed`` → the columns of silver.customers without ``run_id``.

    The last line of the day decides; ties by line digest. Anonymous lines say nothing.
    """
    feed = mapping.customers
    if feed is None:
        raise ValueError(f"{mapping.name} has no customers feed")
    observed_ts = _observed_ts(mapping, feed)
    stated = rows.select(
        "*",
        trimmed(feed.country).alias("country"),
        trimmed(feed.tier).alias("tier"),
        observed_ts.alias("observed_ts"),
        _observed_date(mapping, feed, observed_ts, business_zone).alias("observed_date"),
    ).where(F.col("subject_key").isNotNull() & F.col("observed_ts").isNotNull())
    last = _last_of_day(stated, ("source", "subject_key"), ("country", "tier"))
    return last.withColumn("customer_id", customer_id(F.col("subject_key")))


def _observed_ts(mapping: SourceMapping, feed: ItemFeed | CustomerFeed) -> Column:
    """When it was said: by a column of its own, else with the event, else on the file's nominal date at 00:00 UTC."""
    if feed.observed_ts:
        said_ts = read_ts(text(feed.observed_ts), feed.observed_ts_format, mapping.time_zone)
    elif mapping.events:
        said_ts = read_ts(text(mapping.events.event_ts), mapping.events.event_ts_format, mapping.time_zone)
    else:
        return F.col("file_date").cast("timestamp")
    return plausible(said_ts)


def _observed_date(mapping: SourceMapping, feed: ItemFeed | CustomerFeed, ts: Column, zone: str) -> Column:
    is_nominal = feed.observed_ts is None and mapping.events is None
    return F.col("file_date") if is_nominal else local_date(ts, zone)


def _last_of_day(rows: DataFrame, subject: tuple[str, ...], seen: tuple[str, ...]) -> DataFrame:
    """One row per subject and day with the values ``seen`` last; ``file_id`` is where."""
    observed = F.struct("observed_ts", "line_digest", *seen)
    return (
        rows.groupBy(*subject, "observed_date")
        .agg(F.max(observed).alias("last"), F.max_by("file_id", observed).alias("file_id"))
        .select(*subject, "observed_date", "file_id", *[f"last.{name}" for name in ("observed_ts", *seen)])
    )
