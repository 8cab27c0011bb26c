"""Programs among the customers, told by the volume and the hours of one day."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from affinity.core.bot_rules import BotRules
from affinity.core.vocabulary import BotRule

DEFAULT_RULES = BotRules()


def bot_rule(rules: BotRules = DEFAULT_RULES) -> Column:
    """The rule by which a day is that of a bot.

    Columns: n_events, n_purchases, n_hours of ``customer_daily`` → string, a ``BotRule``; null on a person's day. A day
    to which both rules apply has the first. A day with a purchase never is a bot's.

    >>> from pyspark.sql import SparkSession
    >>> spark = SparkSession.builder.getOrCreate()
    >>> given = [(501, 0, 3), (30, 0, 18), (29, 0, 18), (500, 0, 17), (501, 1, 24)]
    >>> days = spark.createDataFrame(given, "n_events bigint, n_purchases bigint, n_hours int")
    >>> days.select("*", bot_rule().alias("rule")).show()
    +--------+-----------+-------+-----------+
    |n_events|n_purchases|n_hours|       rule|
    +--------+-----------+-------+-----------+
    |     501|          0|      3|many_events|
    |      30|          0|     18|  all_hours|
    |      29|          0|     18|       NULL|
    |     500|          0|     17|       NULL|
    |     501|          1|     24|       NULL|
    +--------+-----------+-------+-----------+
    <BLANKLINE>
    """
    buys_nothing = F.col("n_purchases") == 0
    never_sleeps = (F.col("n_hours") >= rules.min_hours) & (F.col("n_events") >= rules.min_events)
    many = F.when(buys_nothing & (F.col("n_events") > rules.max_events), F.lit(str(BotRule.MANY_EVENTS)))
    return many.when(buys_nothing & never_sleeps, F.lit(str(BotRule.ALL_HOURS)))


def bots(daily: DataFrame, rules: BotRules = DEFAULT_RULES) -> DataFrame:
    """Find the customers that are programs.

    Columns in: ``customer_daily``. Columns out: customer_id, event_date (the first day with evidence), rule (of that
    day); one row per bot.
    """
    flagged = daily.select("customer_id", "event_date", bot_rule(rules).alias("rule")).where(F.col("rule").isNotNull())
    first = flagged.groupBy("customer_id").agg(F.min(F.struct("event_date", "rule")).alias("first"))
    return first.select("customer_id", "first.event_date", "first.rule")


def without_bots(rows: DataFrame, features: DataFrame) -> DataFrame:
    """The rows of people: nothing is to be learnt from programs.

    Columns in: ``rows`` with customer_id, null for anonymous ones, which stay; gold.customer_features. Bots are few:
    they are sent to every task.
    """
    known = features.where("is_bot").select("customer_id")
    return rows.join(F.broadcast(known), on="customer_id", how="left_anti")
