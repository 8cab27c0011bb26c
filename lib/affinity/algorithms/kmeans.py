"""Customer segments: k-means over standardised log recency, frequency and spend."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from math import ceil
from multiprocessing.pool import ThreadPool
from typing import cast

import numpy as np
from pydantic import Field
from pyspark import inheritable_thread_target
from pyspark.ml import PipelineModel
from pyspark.ml.clustering import KMeans, KMeansModel
from pyspark.ml.feature import SQLTransformer, StandardScaler, VectorAssembler
from pyspark.ml.functions import vector_to_array
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from affinity.core.errors import NotYet
from affinity.core.settings import Settings
from affinity.metrics.clustering import silhouette

_SPEND = "monetary_amount"


class KMeansConfig(Settings):
    """How segments are found."""

    features: tuple[str, ...] = Field(
        default=("recency_days", "frequency", _SPEND), min_length=1, description="Columns to cluster on, each ≥ 0"
    )
    k_candidates: tuple[int, ...] = Field(default=(2, 3, 4, 5, 6, 7, 8), min_length=1, description="Numbers to try")
    min_k: int = Field(default=3, ge=2, description="Fewest segments worth a campaign; fewer are only reported")
    n_starts: int = Field(default=8, ge=1, le=50, description="Fits per k with different seeds; the tightest is kept")
    max_iter: int = Field(default=60, ge=1, le=1000, description="Most iterations of one fit")
    tol: float = Field(default=1e-3, gt=0, lt=1, description="Movement of centres, in sd, at which a fit has converged")
    rows_per_partition: int = Field(default=50_000, ge=1, description="Customers per task; part of the result")
    parallelism: int = Field(default=4, ge=1, le=64, description="Fits that run side by side; not part of the result")
    seed: int = Field(description="Seed of the first start; the same seed gives the same segments")


@dataclass(frozen=True)
class SweepRow:
    """What one number of segments gave: within-cluster sum of squares, mean silhouette, and the fitted model."""

    k: int
    wssse: float
    silhouette: float
    model: KMeansModel


@dataclass(frozen=True)
class SegmentModel:
    """A pipeline that takes the raw feature columns, the sweep that led to it, and the chosen number of segments."""

    pipeline: PipelineModel
    sweep: tuple[SweepRow, ...]
    k: int

    @property
    def metrics(self) -> dict[str, float]:
        """Figures of the chosen k and of each candidate, by name."""
        chosen = next(row for row in self.sweep if row.k == self.k)
        by_k = {f"{name}_k{row.k}": getattr(row, name) for row in self.sweep for name in ("wssse", "silhouette")}
        return {"k": float(self.k), "wssse": chosen.wssse, "silhouette": chosen.silhouette, **by_k}


def fit(features: DataFrame, config: KMeansConfig) -> SegmentModel:
    """Find segments: log1p, z-score with the sample standard deviation, k-means; k by the best silhouette.

    Columns in: customer_id and the configured features (≥ 0, not null). Candidates below ``min_k`` are measured but
    not chosen; of equal silhouettes the smaller k wins. Caches the customers while it runs.

    Raises:
        NotYet: no customers, a feature that never varies, or fewer distinct points than ``min_k``.

    Source: k-means|| of Bahmani et al. (2012) with Lloyd's iterations; silhouette of Rousseeuw (1987).
    """
    with _placed(features.select("customer_id", *config.features), config.rows_per_partition) as customers:
        candidates = _usable_candidates(customers, config)
        scaling = _scaling(customers, config)
        rows = sweep(scaling.transform(customers), config, candidates=candidates)
    best = max((row for row in rows if row.k >= config.min_k), key=lambda row: (row.silhouette, -row.k))
    return SegmentModel(PipelineModel([*scaling.stages, best.model]), rows, best.k)


def sweep(scaled: DataFrame, config: KMeansConfig, *, candidates: Sequence[int]) -> tuple[SweepRow, ...]:
    """Fit and judge each candidate on points scaled once.

    Columns in: customer_id, scaled (vector). Of ``n_starts`` fits per k the one with the least within-cluster sum of
    squares is kept. Caches the points while it runs. Fits run side by side: an iteration on few points is all
    scheduling, and the result of a fit does not depend on its neighbours.
    """
    starts = [(k, config.seed + start) for k in candidates for start in range(config.n_starts)]
    with _cached(scaled.select("customer_id", "scaled")) as points, ThreadPool(config.parallelism) as pool:
        within_session = inheritable_thread_target(points.sparkSession)
        models = pool.map(within_session(lambda start: _fitted(points, config, *start)), starts, chunksize=1)
        tightest = [min((m for m in models if m.getK() == k), key=_wssse) for k in candidates]
        return tuple(_judged(model, points) for model in tightest)


def apply(pipeline: PipelineModel, features: DataFrame) -> DataFrame:
    """Assign each customer to the nearest centre.

    Columns in: customer_id and the pipeline's features. Columns out: customer_id; segment_id int, 1 = the centre with
    the highest spend (ties by the other coordinates, in order), so that the labels follow from the model alone;
    distance double, Euclidean to that centre in standard deviations of the log features. All in the JVM, no UDF.
    """
    centres, segment_ids = _centres(pipeline), _segment_ids(pipeline)
    label = F.col("prediction") + 1
    points = pipeline.transform(features).withColumn("_point", vector_to_array(F.col("scaled")))
    squares = [
        F.pow(F.col("_point")[axis] - F.element_at(_constants(centres[:, axis]), label), F.lit(2))
        for axis in range(centres.shape[1])
    ]
    return points.select(
        "customer_id",
        F.element_at(_constants(segment_ids), label).cast("int").alias("segment_id"),
        F.sqrt(sum(squares[1:], squares[0])).alias("distance"),
    )


def _usable_candidates(features: DataFrame, config: KMeansConfig) -> list[int]:
    """The candidates that have at least as many distinct points; one job of one row, one of at most max k rows."""
    points = features.select(*config.features)
    spread = points.agg(*((F.max(n) > F.min(n)).alias(n) for n in config.features)).collect()[0].asDict()
    constant = [name for name, varies in spread.items() if not varies]
    if constant:
        raise NotYet(f"Segments need features that vary, but {constant} never do (or there are no customers at all).")
    n_distinct = points.distinct().limit(max(config.k_candidates)).count()
    usable = [k for k in config.k_candidates if k <= n_distinct]
    if not any(k >= config.min_k for k in usable):
        raise NotYet(
            f"Segments need a candidate k of at least {config.min_k} with as many distinct customers, but there are "
            f"{n_distinct} and the candidates are {list(config.k_candidates)}; wait for more customers."
        )
    return usable


def _scaling(features: DataFrame, config: KMeansConfig) -> PipelineModel:
    """The stages up to the scaled vector. The logarithm is a stage, so that the model takes raw columns."""
    logs = ", ".join(f"log1p(CAST({name} AS DOUBLE)) AS log_{name}" for name in config.features)
    log = SQLTransformer(statement=f"SELECT *, {logs} FROM __THIS__")
    assembler = VectorAssembler(inputCols=[f"log_{name}" for name in config.features], outputCol="logs")
    scaler = StandardScaler(inputCol="logs", outputCol="scaled", withMean=True, withStd=True)
    return PipelineModel([log, assembler, scaler.fit(assembler.transform(log.transform(features)))])


def _placed(customers: DataFrame, rows_per_partition: int) -> AbstractContextManager[DataFrame]:
    """The customers in a layout that follows from them alone, cached; counts them.

    k-means|| draws its first centres per partition, with a generator seeded by the partition's number: only points
    that lie in the same partition, in the same order, give the same centres. So customers are placed by their hash
    into a number of partitions that their count determines, and sorted, however they arrived.
    """
    n_partitions = max(1, ceil(customers.count() / rows_per_partition))
    return _cached(customers.repartition(n_partitions, "customer_id").sortWithinPartitions("customer_id"))


@contextmanager
def _cached(frame: DataFrame) -> Iterator[DataFrame]:
    cached = frame.persist()
    try:
        yield cached
    finally:
        cached.unpersist()


def _fitted(points: DataFrame, config: KMeansConfig, k: int, seed: int) -> KMeansModel:
    # solver="auto" takes the row solver on dense data in Spark 4.2, three to five times slower at equal results.
    kmeans = KMeans(k=k, maxIter=config.max_iter, tol=config.tol, seed=seed, featuresCol="scaled", solver="block")
    return kmeans.fit(points)


def _wssse(model: KMeansModel) -> float:
    return model.summary.trainingCost


def _judged(model: KMeansModel, points: DataFrame) -> SweepRow:
    return SweepRow(model.getK(), _wssse(model), silhouette(model.transform(points), features="scaled"), model)


def _centres(pipeline: PipelineModel) -> np.ndarray:
    return np.array(cast(KMeansModel, pipeline.stages[-1]).clusterCenters())


def _segment_ids(pipeline: PipelineModel) -> np.ndarray:
    """Segment ids in the order of MLlib's cluster numbers: 1 for the centre with the highest spend."""
    names = cast(VectorAssembler, pipeline.stages[1]).getInputCols()
    spend_first = sorted(range(len(names)), key=lambda axis: names[axis] != f"log_{_SPEND}")
    centres = _centres(pipeline)[:, spend_first]
    by_spend = sorted(range(len(centres)), key=lambda cluster: tuple(-centres[cluster]))
    return np.argsort(by_spend) + 1


def _constants(values: np.ndarray) -> Column:
    return F.array(*(F.lit(value) for value in values.tolist()))
