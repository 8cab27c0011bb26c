"""Times as sources spell them, and which of them can be believed."""

from pyspark.sql import Column
from pyspark.sql import functions as F

UNREADABLE_DATE = "1970-01-01"
# After the day that stands for unreadable times, wherever the business is; a clock that counts from zero shows itself.
_FIRST = "1970-01-03T00:00:00Z"
# Past the last year that a clock of nanoseconds holds nobody can read a time but Spark: milliseconds taken for seconds.
_LAST = "2262-01-01T00:00:00Z"
_MAX_SECS = 100_000_000_000
_DAY = r"\d{4}-\d{2}-\d{2}"
_ZONE = r"(?:Z|[+-]\d{2}(?::?\d{2})?)"
_ISO = rf"^{_DAY}(?:[T ]\d{{2}}:\d{{2}}(?::\d{{2}}(?:\.\d{{1,9}})?)?{_ZONE}?)?$"
_NO_SECS = rf"([T ]\d{{2}}:\d{{2}})(?={_ZONE}?$)"
_HAS_ZONE = rf":\d{{2}}(?:\.\d+)?{_ZONE}$"
_PER_SEC = {"epoch_seconds": 1, "epoch_millis": 1000}


def read_ts(text: Column, spelling: str, time_zone: str) -> Column:
    """The time that a text says: string → timestamp, UTC; null where it says none.

    ``spelling`` is ``iso8601``, ``epoch_seconds``, ``epoch_millis`` or a datetime pattern of Spark. ``time_zone`` is
    that of a text which names none. The result may lie in any year that Spark holds: ask ``plausible`` first.

    >>> from pyspark.sql import SparkSession
    >>> spark = SparkSession.builder.getOrCreate()
    >>> said = spark.createDataFrame([("2025-10-06T09:00",), ("2025-10-06T09:00Z",), ("09:00",)], "said string")
    >>> said.select("said", read_ts(F.col("said"), "iso8601", "Europe/London").alias("ts")).show()
    +-----------------+-------------------+
    |             said|                 ts|
    +-----------------+-------------------+
    | 2025-10-06T09:00|2025-10-06 08:00:00|
    |2025-10-06T09:00Z|2025-10-06 09:00:00|
    |            09:00|               NULL|
    +-----------------+-------------------+
    <BLANKLINE>
    """
    if spelling in _PER_SEC:
        return _epoch(text, _PER_SEC[spelling])
    if spelling != "iso8601":
        return F.to_utc_timestamp(F.try_to_timestamp(text, F.lit(spelling)), time_zone)
    # A cast alone also takes "12:30", as that time of today, and needs seconds before a zone.
    read = F.when(text.rlike(_ISO), F.try_to_timestamp(F.regexp_replace(text, _NO_SECS, "$1:00")))
    return F.when(text.rlike(_HAS_ZONE), read).otherwise(F.to_utc_timestamp(read, time_zone))


def _epoch(text: Column, per_sec: int) -> Column:
    number = text.try_cast("decimal(38,6)") / F.lit(per_sec)
    # Clamped where it is still an absurd year: what is further out overflows the clock of Spark.
    clamped = F.least(F.greatest(number, F.lit(-_MAX_SECS)), F.lit(_MAX_SECS)).cast("decimal(20,6)")
    return F.when(number.isNotNull(), F.timestamp_seconds(clamped))


def plausible(ts: Column) -> Column:
    """The time if any reader can hold it, else null: from 1970-01-03 to the year 2261."""
    return F.when(~_is_too_early(ts) & ~_is_too_far(ts), ts)


def _is_too_early(ts: Column) -> Column:
    return ts < F.lit(_FIRST).cast("timestamp")


def _is_too_far(ts: Column) -> Column:
    return ts >= F.lit(_LAST).cast("timestamp")


def local_date(ts: Column, zone: str) -> Column:
    """The day of a time in a zone; null where it is null."""
    return F.to_date(F.from_utc_timestamp(ts, zone))


def is_ahead(ts: Column, *, zone: str, file_date: Column, max_days: int) -> Column:
    """Whether a time lies more days after the nominal date of its file than it may; false without either."""
    is_later = local_date(plausible(ts), zone) > F.date_add(file_date, max_days)
    return file_date.isNotNull() & F.coalesce(_is_too_far(ts) | is_later, F.lit(False))


def is_late(ts: Column, *, zone: str, file_date: Column, max_days: int | None) -> Column:
    """Whether a time lies more days before the nominal date of its file than it may; false without either."""
    if max_days is None:
        return F.lit(False)
    is_earlier = local_date(plausible(ts), zone) < F.date_sub(file_date, max_days)
    return file_date.isNotNull() & F.coalesce(_is_too_early(ts) | is_earlier, F.lit(False))
