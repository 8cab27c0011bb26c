"""How well ranked items meet what customers then bought: one row per customer, the mean last."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

RANKING_METRICS = ("precision", "recall", "ndcg", "average_precision")


def ranking_at_k(recommended: DataFrame, relevant: DataFrame, *, k: int) -> DataFrame:
    """Judge the first k recommendations of each customer that has something relevant.

    Columns in: recommended customer_id, rank (1 = best), item_id; relevant customer_id, item_id. Columns out:
    customer_id, n_relevant bigint, n_hits int, precision, recall, ndcg, average_precision double, all in [0, 1].
    A customer without hits, or without recommendations, scores 0; one without relevant items has no row, for recall is
    undefined. Repeated pairs count once, at their best rank.

    Precision is hits over k, also where fewer were recommended. Source: Järvelin & Kekäläinen (2002) for nDCG with
    binary gains; average precision is divided by min(k, relevant), as in Spark's RankingMetrics.
    """
    pair = ["customer_id", "item_id"]
    ranked = recommended.where(F.col("rank") <= k).groupBy(*pair).agg(F.min("rank").alias("rank"))
    return (
        relevant.select(*pair)
        .distinct()
        .join(ranked, on=pair, how="left")
        .groupBy("customer_id")
        .agg(F.count(F.lit(1)).alias("n_relevant"), F.sort_array(F.collect_list("rank")).alias("_ranks"))
        .transform(_judged, k=k)
    )


def mean_ranking(judged: DataFrame) -> dict[str, float]:
    """Average the metrics of ``ranking_at_k`` over its customers; collects one row, empty without customers.

    >>> from pyspark.sql import SparkSession
    >>> spark = SparkSession.builder.getOrCreate()
    >>> schema = "precision double, recall double, ndcg double, average_precision double"
    >>> mean_ranking(spark.createDataFrame([(0.5, 1.0, 0.5, 0.5), (0.0, 0.0, 0.0, 0.0)], schema))
    {'precision': 0.25, 'recall': 0.5, 'ndcg': 0.25, 'average_precision': 0.25}
    """
    means = judged.agg(*(F.mean(name).alias(name) for name in RANKING_METRICS)).collect()[0].asDict()
    return {name: mean for name, mean in means.items() if mean is not None}


def discounted_gain(ranks: Column) -> Column:
    """The discounted cumulative gain of hits at the given ranks.

    Columns: array<int> of ranks → double, sum of 1 / log2(rank + 1); 0 for an empty array.

    >>> from pyspark.sql import SparkSession
    >>> spark = SparkSession.builder.getOrCreate()
    >>> hits = spark.createDataFrame([([1, 3],), ([],)], "ranks array<int>")
    >>> hits.select("ranks", discounted_gain(F.col("ranks")).alias("gain")).show()
    +------+----+
    | ranks|gain|
    +------+----+
    |[1, 3]| 1.5|
    |    []| 0.0|
    +------+----+
    <BLANKLINE>
    """
    return F.aggregate(ranks, F.lit(0.0), lambda total, rank: total + 1 / F.log2(rank + 1))


def _judged(hits: DataFrame, *, k: int) -> DataFrame:
    n_hits = F.size("_ranks")
    n_best = F.least(F.lit(k).cast("bigint"), F.col("n_relevant"))
    return hits.select(
        "customer_id",
        "n_relevant",
        n_hits.alias("n_hits"),
        (n_hits / F.lit(k)).alias("precision"),
        (n_hits / F.col("n_relevant")).alias("recall"),
        (discounted_gain(F.col("_ranks")) / discounted_gain(F.sequence(F.lit(1), n_best.cast("int")))).alias("ndcg"),
        (_precision_at_hits(F.col("_ranks")) / n_best).alias("average_precision"),
    )


def _precision_at_hits(ranks: Column) -> Column:
    precisions = F.transform(ranks, lambda rank, index: (index + 1) / rank)
    return F.aggregate(precisions, F.lit(0.0), lambda total, precision: total + precision)
