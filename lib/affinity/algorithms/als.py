"""Recommendations: implicit alternating least squares, with popularity where it does not know a customer."""

from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from pydantic import Field
from pyspark.ml.recommendation import ALS
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from affinity.algorithms.top_items import top_items
from affinity.core.errors import NotYet
from affinity.core.settings import Settings
from affinity.core.vocabulary import Strategy
from affinity.metrics.intervals import paired_difference
from affinity.metrics.ranking import mean_ranking, ranking_at_k

Better = Literal["als", "popularity", "neither"]


class AlsConfig(Settings):
    """How tastes are learnt and how many items are shown.

    The defaults of n_factors, reg and alpha were chosen on Online Retail by nDCG@10 of the 28 days after 9 June and
    after 7 July 2011 (0.106 in the mean, popularity 0.045). More factors gained nothing; an alpha of 10 lost a third.
    """

    n_factors: int = Field(default=32, ge=1, le=512, description="Latent dimensions per customer and item")
    max_iter: int = Field(default=10, ge=1, le=200, description="Alternations")
    reg: float = Field(default=0.1, gt=0, description="Regularisation, scaled by the number of interactions")
    alpha: float = Field(default=0.3, gt=0, description="Confidence gained per order")
    n_blocks: int = Field(default=4, ge=1, le=10_000, description="Tasks per half-step; part of the result")
    top_k: int = Field(default=10, ge=1, le=1000, description="Items per customer")
    max_item_factor_bytes: int = Field(
        default=256 * 1024**2, ge=1024, description="Most memory per worker for the factors of all items"
    )
    seed: int = Field(description="Seed of the first factors; the same seed gives the same model")


@dataclass(frozen=True)
class AlsModel:
    """Factors by real ids: item_factors(item_id, factors array<float>), customer_factors(customer_id, factors)."""

    item_factors: DataFrame
    customer_factors: DataFrame


def fit(interactions: DataFrame, config: AlsConfig) -> AlsModel:
    """Learn factors whose products are high where a customer buys an item.

    Columns in: customer_id, item_id, weight double > 0, one row per pair. The integers that MLlib needs live
    here only. Runs its jobs at once; the factors of the last step stay cached by MLlib until
    the model is garbage. The caller has set a checkpoint folder: without one the lineage of many iterations overflows
    the stack.

    Raises:
        NotYet: there are no interactions.

    Source: Hu, Koren & Volinsky (2008), with the regularisation scaled as in Zhou et al. (2008).
    """
    if interactions.isEmpty():
        raise NotYet("Recommendations need at least one purchase of a recommendable item before the cut; got none.")
    customers, items = (_numbered(interactions, name, config.n_blocks) for name in ("customer_id", "item_id"))
    ratings = interactions.join(customers, on="customer_id", how="inner").join(items, on="item_id", how="inner")
    model = _als(config).fit(ratings.select("customer_number", "item_number", F.col("weight").cast("float")))
    return AlsModel(
        item_factors=_by_real_id(model.itemFactors, items, "item"),
        customer_factors=_by_real_id(model.userFactors, customers, "customer"),
    )


def popular(interactions: DataFrame) -> DataFrame:
    """Score items by how many customers bought them.

    Columns in: customer_id, item_id, one row per pair. Columns out: item_id, score double (customers).
    """
    return interactions.groupBy("item_id").agg(F.count(F.lit(1)).cast("double").alias("score"))


def recommend(model: AlsModel, customers: DataFrame, seen: DataFrame, items: DataFrame, config: AlsConfig) -> DataFrame:
    """Rank unseen items for the customers that the model knows.

    Columns in: customers customer_id (unique); seen customer_id, item_id; items item_id, is_recommendable. Columns
    out: customer_id, rank int (1 = best), item_id, score double, strategy; at most ``top_k`` rows per customer, fewer
    where fewer items are unseen. The score is the product of the factors, as MLlib's; ties by item_id. Collects the
    item factors, under a cap.

    Raises:
        BadInput: the item factors exceed ``max_item_factor_bytes``.
    """
    known = customers.select("customer_id").join(model.customer_factors, on="customer_id", how="inner")
    item_factors = _recommendable(model.item_factors, items)
    ranked = top_items(known, seen, item_factors, top_k=config.top_k, max_bytes=config.max_item_factor_bytes)
    return ranked.withColumn("strategy", F.lit(Strategy.ALS.value))


def recommend_popular(
    popularity: DataFrame, customers: DataFrame, seen: DataFrame, items: DataFrame, config: AlsConfig
) -> DataFrame:
    """Rank unseen items by popularity for any customers.

    Columns in: popularity item_id, score, as from ``popular``; the others, and columns out, as ``recommend``.
    """
    everyone = customers.select("customer_id", F.array(F.lit(1.0)).alias("factors"))
    one_factor = _recommendable(popularity, items).select("item_id", F.array("score").alias("factors"))
    ranked = top_items(everyone, seen, one_factor, top_k=config.top_k, max_bytes=config.max_item_factor_bytes)
    return ranked.withColumn("strategy", F.lit(Strategy.POPULARITY.value))


def recommend_or_popular(
    model: AlsModel, customers: DataFrame, interactions: DataFrame, items: DataFrame, config: AlsConfig
) -> DataFrame:
    """Rank by the model for customers it knows, and by popularity for all others.

    Columns in: ``interactions`` are all pairs bought before the cut, both what was seen and what is popular; the
    others, and columns out, as ``recommend``.
    """
    cold = customers.select("customer_id").join(model.customer_factors, on="customer_id", how="left_anti")
    known = recommend(model, customers, interactions, items, config)
    return known.unionByName(recommend_popular(popular(interactions), cold, interactions, items, config))


def evaluate(
    model: AlsModel, interactions: DataFrame, relevant: DataFrame, items: DataFrame, config: AlsConfig
) -> dict[str, float]:
    """Judge the model beside popularity, both trained on ``interactions``, by what customers bought afterwards.

    Columns in: interactions as in ``fit``; relevant customer_id, item_id: recommendable items bought in the holdout and
    not before (``features.interactions.unseen``); items as in ``recommend``. Customers count that are in both frames.
    Out: ``n_customers``; ndcg, precision, recall and average_precision at ``top_k``, as ``als_*`` and
    ``popularity_*``; the mean ``ndcg_difference`` (als minus popularity) with ``ndcg_difference_low`` and ``_high``,
    its 95 % interval over customers.

    Raises:
        NotYet: fewer than two such customers.
    """
    known = model.customer_factors.persist()
    judged = relevant.join(known, on="customer_id", how="left_semi").persist()
    customers = judged.select("customer_id").distinct()
    try:
        by_als = recommend(AlsModel(model.item_factors, known), customers, interactions, items, config)
        by_popularity = recommend_popular(popular(interactions), customers, interactions, items, config)
        return _compared(by_als, by_popularity, judged, k=config.top_k)
    finally:
        judged.unpersist()
        known.unpersist()


def better(metrics: dict[str, float]) -> Better:
    """Which strategy ``evaluate`` found better: neither while the interval of the difference holds 0.

    >>> better({"ndcg_difference_low": -0.001, "ndcg_difference_high": 0.002})
    'neither'
    """
    if metrics["ndcg_difference_low"] > 0:
        return "als"
    return "popularity" if metrics["ndcg_difference_high"] < 0 else "neither"


def _numbered(interactions: DataFrame, column: str, n_partitions: int) -> DataFrame:
    """One row per id with a number from 0 without gaps, for MLlib takes integers only; collects n_partitions counts.

    Ids are placed by their hash into a fixed number of partitions and sorted there, so that a number follows from the
    set of ids alone. ``monotonically_increasing_id`` is partition · 2^33 + row; rows of partitions before are added.
    """
    placed = interactions.select(column).repartition(n_partitions, column).distinct().sortWithinPartitions(column)
    partition, row = F.shiftright("_row", 33), F.col("_row").bitwiseAND(2**33 - 1)
    rows = placed.withColumn("_row", F.monotonically_increasing_id())
    n_rows: dict[int, int] = dict(rows.groupBy(partition.alias("partition")).count().collect())
    before = list(accumulate((n_rows.get(number, 0) for number in range(n_partitions)), initial=0))
    number = F.element_at(F.array(*map(F.lit, before)), partition.cast("int") + 1) + row
    return rows.select(column, number.cast("int").alias(column.replace("_id", "_number")))


def _als(config: AlsConfig) -> ALS:
    return ALS(
        rank=config.n_factors,
        maxIter=config.max_iter,
        regParam=config.reg,
        alpha=config.alpha,
        numUserBlocks=config.n_blocks,
        numItemBlocks=config.n_blocks,
        implicitPrefs=True,
        userCol="customer_number",
        itemCol="item_number",
        ratingCol="weight",
        seed=config.seed,
    )


def _by_real_id(factors: DataFrame, numbered: DataFrame, kind: str) -> DataFrame:
    named = numbered.join(factors.withColumnRenamed("id", f"{kind}_number"), on=f"{kind}_number", how="inner")
    return named.select(f"{kind}_id", F.col("features").alias("factors"))


def _recommendable(scored_items: DataFrame, items: DataFrame) -> DataFrame:
    return scored_items.join(items.where("is_recommendable").select("item_id"), on="item_id", how="left_semi")


def _compared(by_als: DataFrame, by_popularity: DataFrame, relevant: DataFrame, *, k: int) -> dict[str, float]:
    als = ranking_at_k(by_als, relevant, k=k).persist()
    popularity = ranking_at_k(by_popularity, relevant, k=k).persist()
    try:
        difference = paired_difference(als, popularity, metric="ndcg")
        return {
            "n_customers": float(difference.n),
            **{f"als_{name}": value for name, value in mean_ranking(als).items()},
            **{f"popularity_{name}": value for name, value in mean_ranking(popularity).items()},
            "ndcg_difference": difference.mean,
            "ndcg_difference_low": difference.low,
            "ndcg_difference_high": difference.high,
        }
    finally:
        als.unpersist()
        popularity.unpersist()
