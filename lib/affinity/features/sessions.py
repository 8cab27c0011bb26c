"""Sessions: what somebody does without a pause of more than half an hour."""

from datetime import timedelta

from pyspark.sql import Column
from pyspark.sql import functions as F

SESSION_GAP = timedelta(minutes=30)
"""The longest pause within a session. A session is cut by nothing else: not at midnight, by device or by source."""


def session_starts(starts: str, ends: str, gap: timedelta = SESSION_GAP) -> Column:
    """When sessions begin, of any intervals of activity: a new one begins where more than ``gap`` has passed.

    Columns: two sorted arrays of timestamps, the starts and the ends of the same intervals, each sorted by itself →
    array<timestamp>, sorted. An event is an interval of no length. A pause of exactly ``gap`` is within a session.

    Intervals may overlap and lie within each other. The i-th start begins a session if and only if the i - 1 intervals
    before it are over: then their ends are the i - 1 smallest of all, and the one before in the array is their latest.

    Name the result unlike both arrays: in a lambda, Spark 4.2 takes a name for that of a column beside it in the same
    select before it looks into the frame.

    >>> from pyspark.sql import SparkSession
    >>> spark = SparkSession.builder.getOrCreate()
    >>> day = spark.sql("SELECT transform(array('09:00', '09:30', '10:01'), t -> timestamp('2025-10-06 ' || t)) AS ts")
    >>> day.select(session_starts("ts", "ts").alias("starts")).show(truncate=False)
    +------------------------------------------+
    |starts                                    |
    +------------------------------------------+
    |[2025-10-06 09:00:00, 2025-10-06 10:01:00]|
    +------------------------------------------+
    <BLANKLINE>
    """
    return F.filter(starts, lambda start, i: _is_apart(F.get(ends, i - 1), start, gap))


def session_ends(starts: str, ends: str, gap: timedelta = SESSION_GAP) -> Column:
    """When sessions end, parallel to ``session_starts`` of the same arrays.

    Columns: as there → array<timestamp>, sorted.

    >>> from pyspark.sql import SparkSession
    >>> spark = SparkSession.builder.getOrCreate()
    >>> day = spark.sql("SELECT transform(array('09:00', '09:30', '10:01'), t -> timestamp('2025-10-06 ' || t)) AS ts")
    >>> day.select(session_ends("ts", "ts").alias("ends")).show(truncate=False)
    +------------------------------------------+
    |ends                                      |
    +------------------------------------------+
    |[2025-10-06 09:30:00, 2025-10-06 10:01:00]|
    +------------------------------------------+
    <BLANKLINE>
    """
    return F.filter(ends, lambda end, i: _is_apart(end, F.get(starts, i + 1), gap))


def n_sessions_begun(starts: str, last_end: str, gap: timedelta = SESSION_GAP) -> Column:
    """How many sessions of a day begin on it: the first may have begun before.

    Columns: the day's ``session_starts``; when the last session before that day ended, null where there was none →
    int, never null.

    >>> from pyspark.sql import SparkSession
    >>> spark = SparkSession.builder.getOrCreate()
    >>> days = spark.sql(
    ...     "SELECT array(timestamp '2025-10-07 00:10:00') AS starts, timestamp('2025-10-06 ' || t) AS last_end "
    ...     "FROM VALUES ('23:40'), ('23:39'), (null) AS days(t)"
    ... )
    >>> days.select("last_end", n_sessions_begun("starts", "last_end").alias("n_sessions")).show()
    +-------------------+----------+
    |           last_end|n_sessions|
    +-------------------+----------+
    |2025-10-06 23:40:00|         0|
    |2025-10-06 23:39:00|         1|
    |               NULL|         1|
    +-------------------+----------+
    <BLANKLINE>
    """
    goes_on = ~_is_apart(F.col(last_end), F.get(starts, F.lit(0)), gap)
    return F.size(starts) - goes_on.cast("int")


def _is_apart(end: Column, start: Column, gap: timedelta) -> Column:
    """Whether more than the gap lies between; also where there is nothing before or behind."""
    passed = F.unix_micros(start) - F.unix_micros(end)
    return F.coalesce(passed > F.lit(gap // timedelta(microseconds=1)), F.lit(True))
