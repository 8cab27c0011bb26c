"""Predicates and keys of events: of which type, in which days, in which order, in which currency."""

from datetime import date

from pyspark.sql import Column
from pyspark.sql import functions as F

from affinity.core.vocabulary import EventType
from affinity.features.grouped import SPEAKS


def is_type(event_type: EventType) -> Column:
    """Whether an event is of a type.

    Columns: event_type → boolean; null where event_type is null.

    >>> from pyspark.sql import SparkSession
    >>> spark = SparkSession.builder.getOrCreate()
    >>> events = spark.createDataFrame([("purchase",), ("return",)], "event_type string")
    >>> events.select("event_type", is_type(EventType.PURCHASE).alias("is_purchase")).show()
    +----------+-----------+
    |event_type|is_purchase|
    +----------+-----------+
    |  purchase|       true|
    |    return|      false|
    +----------+-----------+
    <BLANKLINE>
    """
    return F.col("event_type") == event_type.value


def within(column: str, start: date | None, end: date) -> Column:
    """Whether a day lies in the half-open interval [start, end); without a start, anywhere before the end.

    Columns: the named date column → boolean; null where it is null.

    >>> from pyspark.sql import SparkSession
    >>> spark = SparkSession.builder.getOrCreate()
    >>> days = spark.createDataFrame([(date(2011, 1, 1),), (date(2011, 1, 2),)], "event_date date")
    >>> days.select("event_date", within("event_date", date(2011, 1, 1), date(2011, 1, 2)).alias("is_in")).show()
    +----------+-----+
    |event_date|is_in|
    +----------+-----+
    |2011-01-01| true|
    |2011-01-02|false|
    +----------+-----+
    <BLANKLINE>
    """
    before_end = F.col(column) < F.lit(end)
    return before_end if start is None else (F.col(column) >= F.lit(start)) & before_end


def order_key() -> Column:
    """The order that an event belongs to, told apart by source.

    Columns: source, order_id, event_id → string. Order ids are unique within a source only; an event without an
    order_id is an order of its own.

    >>> from pyspark.sql import SparkSession
    >>> spark = SparkSession.builder.getOrCreate()
    >>> lines = [("shop", "7", "a"), ("web", "7", "b"), ("web", None, "c")]
    >>> events = spark.createDataFrame(lines, "source string, order_id string, event_id string")
    >>> events.select(order_key().alias("order_key")).show()
    +---------+
    |order_key|
    +---------+
    |   shop/7|
    |    web/7|
    |    web/c|
    +---------+
    <BLANKLINE>
    """
    return F.concat_ws("/", "source", F.coalesce("order_id", "event_id"))


def only_currency(lowest: str, highest: str, what: str) -> Column:
    """The currency of a group of amounts, from the lowest and the highest code in it, or an error if they differ.

    Columns: the two named string columns → string; null where the group holds no money.

    Raises (when the frame is evaluated): the group mixes currencies. Amounts of several currencies have no sum, and
    choosing one would leave orders out silently.

    >>> from pyspark.sql import SparkSession
    >>> spark = SparkSession.builder.getOrCreate()
    >>> groups = spark.createDataFrame([("GBP", "GBP"), (None, None)], "lowest string, highest string")
    >>> groups.select(only_currency("lowest", "highest", "a customer").alias("currency")).show()
    +--------+
    |currency|
    +--------+
    |     GBP|
    |    NULL|
    +--------+
    <BLANKLINE>
    """
    mixed = F.raise_error(
        F.concat(
            F.lit(f"{SPEAKS}Amounts of {what} are in several currencies, expected one, got at least "),
            F.concat_ws(" and ", lowest, highest),
            F.lit("; land their lines in one currency."),
        )
    )
    return F.when(F.col(lowest) != F.col(highest), mixed.cast("string")).otherwise(F.col(lowest))
