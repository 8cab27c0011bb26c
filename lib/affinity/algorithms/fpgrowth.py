"""Association rules: what sells together."""

import math

from pydantic import Field
from pyspark.ml.fpm import FPGrowth, FPGrowthModel
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from affinity.core.errors import NotYet
from affinity.core.settings import Settings


class RulesConfig(Settings):
    """Which itemsets and rules are worth keeping."""

    min_support: float = Field(
        default=0.01, gt=0, le=1, description="Share of baskets; the number of itemsets explodes as it falls"
    )
    min_confidence: float = Field(default=0.3, ge=0, le=1, description="Least confidence of a rule")
    min_lift: float = Field(default=1.0, ge=0, description="Least lift of a rule; 1 = independent")
    max_antecedent: int = Field(default=4, ge=1, le=20, description="Most items in the condition of a rule")
    min_count: int = Field(
        default=1, ge=1, description="Least number of baskets that min_support must come to; below it, not yet"
    )


def fit(baskets: DataFrame, config: RulesConfig) -> FPGrowthModel:
    """Mine the itemsets that are in at least ceil(min_support · baskets) baskets.

    Columns in: items array<string>, distinct within a basket. MLlib would mine again on each action, so the itemsets
    are cached here, filled by the first action. Where min_support · baskets is 1 every combination of every basket is
    frequent, and two baskets that share 40 items make 2^40 itemsets where it is 2: ``check_count`` comes first.

    Between its two stages MLlib serialises a tree as deep as the longest basket has frequent items, and Java's
    serialisation recurses on it: with the JVM's default stack baskets of a few hundred items end the executor in a
    StackOverflowError. Driver and executors therefore run with ``-Xss16m``.

    Source: FP-growth of Han, Pei & Yin (2000), parallel after Li et al. (2008).
    """
    growth = FPGrowth(itemsCol="items", minSupport=config.min_support, minConfidence=config.min_confidence)
    model = growth.fit(baskets)
    model.freqItemsets.persist()
    return model


def check_count(n_baskets: int, config: RulesConfig) -> None:
    """See to it that there are enough baskets to tell habit from chance.

    Raises:
        NotYet: min_support comes to fewer than ``min_count`` of the baskets.
    """
    count = math.ceil(config.min_support * n_baskets)
    if count < config.min_count:
        raise NotYet(
            f"min_support {config.min_support} of {n_baskets} baskets is {count}, and an itemset is believed from "
            f"min_count = {config.min_count} on"
        )


def rules(model: FPGrowthModel, n_baskets: int, config: RulesConfig) -> DataFrame:
    """List the rules with one consequent that reach the config's thresholds.

    ``n_baskets`` is the number of baskets the model was fitted on. Columns out: gold.association_rules without
    as_of_date and run_id; ``conviction`` is null at confidence 1, where it is infinite. ``antecedent_key`` tells
    antecedents apart as long as no item id holds a "|".

    Source: support and confidence after Agrawal et al. (1993); lift and conviction after Brin et al. (1997); leverage
    after Piatetsky-Shapiro (1991).
    """
    mined = model.setMinConfidence(config.min_confidence).associationRules
    worth = (F.col("lift") >= config.min_lift) & (F.size("antecedent") <= config.max_antecedent)
    sorted_rules = mined.where(worth).withColumn("antecedent", F.sort_array("antecedent"))
    return sorted_rules.select(
        "antecedent",
        F.element_at("consequent", 1).alias("consequent"),
        F.array_join("antecedent", "|").alias("antecedent_key"),
        F.round(F.col("support") * n_baskets).cast("bigint").alias("n_baskets"),
        "support",
        "confidence",
        "lift",
        leverage("support", "lift").alias("leverage"),
        conviction("confidence", "lift").alias("conviction"),
    )


def of_goods(rules: DataFrame, items: DataFrame) -> DataFrame:
    """Keep the rules whose items may all be recommended: postage sells with everything and tells nothing.

    Columns in: gold.association_rules; items with item_id and is_recommendable. An item unknown to ``items`` may stay.
    """
    fees = items.where(~F.col("is_recommendable")).agg(F.collect_set("item_id").alias("_fees"))
    is_of_goods = ~F.array_contains("_fees", F.col("consequent")) & ~F.arrays_overlap("_fees", F.col("antecedent"))
    return rules.crossJoin(F.broadcast(fees)).where(is_of_goods).drop("_fees")


def leverage(support: str, lift: str) -> Column:
    """By how much the share of baskets with both sides exceeds what independence would give.

    Columns: support and lift (> 0) → double in [-0.25, 0.25]; 0 = independent.

    >>> from pyspark.sql import SparkSession
    >>> spark = SparkSession.builder.getOrCreate()
    >>> mined = spark.createDataFrame([(0.5, 2.0), (0.25, 1.0)], "support double, lift double")
    >>> mined.select(leverage("support", "lift").alias("leverage")).show()
    +--------+
    |leverage|
    +--------+
    |    0.25|
    |     0.0|
    +--------+
    <BLANKLINE>
    """
    return F.col(support) - F.col(support) / F.col(lift)


def conviction(confidence: str, lift: str) -> Column:
    """How many times more often the rule would fail if its sides were independent.

    Columns: confidence and lift (> 0) → double; null at confidence 1, where it is infinite.

    >>> from pyspark.sql import SparkSession
    >>> spark = SparkSession.builder.getOrCreate()
    >>> mined = spark.createDataFrame([(0.5, 2.0), (1.0, 2.0)], "confidence double, lift double")
    >>> mined.select(conviction("confidence", "lift").alias("conviction")).show()
    +----------+
    |conviction|
    +----------+
    |       1.5|
    |      NULL|
    +----------+
    <BLANKLINE>
    """
    share = F.col(confidence) / F.col(lift)
    return F.try_divide(1 - share, 1 - F.col(confidence))
