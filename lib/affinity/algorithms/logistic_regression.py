"""Purchase propensity: logistic regression of a purchase within the horizon."""

from typing import Any, cast

from pydantic import Field
from pyspark.ml import Estimator, Pipeline, PipelineModel, Transformer
from pyspark.ml.classification import LogisticRegression, LogisticRegressionModel
from pyspark.ml.feature import SQLTransformer, StandardScaler, VectorAssembler
from pyspark.ml.functions import vector_to_array
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from affinity.core.errors import NotYet
from affinity.core.settings import Settings
from affinity.metrics.classification import classification_metrics, probability_metrics
from affinity.metrics.running import with_position

_FEATURES = (
    "recency_days",
    "frequency",
    "monetary_amount",
    "returns_amount",
    "tenure_days",
    "n_active_days",
    "n_items",
    "n_lines",
    "mean_gap_days",
    "mean_order_amount",
    "frequency_30d",
    "monetary_30d_amount",
    "frequency_90d",
    "monetary_90d_amount",
)


class PropensityConfig(Settings):
    """What is foreseen, and from what."""

    features: tuple[str, ...] = Field(default=_FEATURES, min_length=1, description="Numeric columns to learn from")
    horizon_days: int = Field(default=92, ge=1, le=730, description="Length of [as_of, as_of + horizon), days")
    reg: float = Field(default=0.01, ge=0, description="Strength of regularisation, on standardised features")
    elastic_net: float = Field(default=0.0, ge=0, le=1, description="Share of L1 in it; the rest is L2")
    max_iter: int = Field(default=100, ge=1, le=10_000, description="Most iterations of the optimiser")


def recency_only(config: PropensityConfig) -> PropensityConfig:
    """The same settings for the baseline that knows only how long ago a customer bought.

    >>> recency_only(PropensityConfig()).features
    ('recency_days',)
    """
    return config.model_copy(update={"features": ("recency_days",)})


def fit(labelled: DataFrame, config: PropensityConfig) -> PipelineModel:
    """Learn the probability of a purchase within the horizon.

    Columns in: the configured features; label double (0.0 or 1.0). The pipeline takes raw features: amounts, counts
    and days enter as sign(x)·log1p(|x|), z-scored. A null is imputed inside it: ``mean_gap_days``, null with one
    purchase day, becomes ``tenure_days``, for the gap is at least as long as the silence since that day; anything else
    becomes 0. No seed: the optimiser (L-BFGS, or OWL-QN with L1) draws nothing.

    Raises:
        NotYet: fewer than two classes of label, so there is nothing to tell apart.
    """
    low, high = labelled.agg(F.min("label"), F.max("label")).collect()[0]
    if low == high:
        found = "no customers at all" if low is None else f"only label {low:g}"
        raise NotYet(
            f"Propensity needs customers who bought in the {config.horizon_days} days after the training cut and "
            f"customers who did not; got {found}. Train at another cut or with another horizon."
        )
    return Pipeline(stages=_stages(config)).fit(labelled)


def apply(pipeline: PipelineModel, features: DataFrame) -> DataFrame:
    """Score customers.

    Columns in: customer_id and the pipeline's features. Columns out: customer_id, probability double in [0, 1].
    """
    scored = pipeline.transform(features)
    return scored.select("customer_id", vector_to_array(F.col("probability"))[1].alias("probability"))


def apply_labelled(pipeline: PipelineModel, labelled: DataFrame) -> DataFrame:
    """Score customers whose label is known.

    Columns in: ``apply``'s and label. Columns out: customer_id, probability, label.
    """
    return apply(pipeline, labelled).join(labelled.select("customer_id", "label"), on="customer_id", how="inner")


def deciles(scores: DataFrame) -> DataFrame:
    """Add the tenth that a customer is in.

    Columns in: customer_id (unique), probability double. Columns out: the same and decile int, 1 = most likely; ties
    by customer_id. Tenths differ by at most one customer. Scales: no task sees all customers; the scores are evaluated
    three times.
    """
    best_first = F.struct((-F.col("probability")).alias("probability"), F.col("customer_id").alias("customer_id"))
    tenth = F.floor((F.col("position") - 1) * 10 / F.col("position_total")) + 1
    ranked = with_position(scores, by=best_first)
    return ranked.select(*scores.columns, tenth.cast("int").alias("decile"))


def evaluate(scored: DataFrame, *, recency: DataFrame, base_rate: float) -> dict[str, float]:
    """Judge probabilities beside two baselines on the same customers.

    Columns in: both frames probability and label double; ``recency`` holds the scores of a model with
    ``recency_only`` settings, ``base_rate`` is the share of buyers at training, given to everybody. Out: what
    ``classification_metrics`` gives, bare for the model, with ``recency_`` and ``base_rate_`` before its name for the
    baselines (for the latter only log_loss and brier: a constant has no order). Undefined metrics are absent.
    """
    constant = probability_metrics(scored.withColumn("probability", F.lit(base_rate)))
    compared = classification_metrics(recency)
    return {
        **classification_metrics(scored),
        **{f"recency_{name}": compared[name] for name in compared.keys() - {"n", "base_rate"}},
        **{f"base_rate_{name}": constant[name] for name in constant.keys() - {"n", "base_rate"}},
    }


def coefficients(pipeline: PipelineModel) -> dict[str, float]:
    """Log-odds per standard deviation of each transformed feature, and the intercept."""
    model = cast(LogisticRegressionModel, pipeline.stages[-1])
    names = cast(VectorAssembler, pipeline.stages[1]).getInputCols()
    weights = dict(zip(names, model.coefficients.toArray().tolist(), strict=True))
    return {"intercept": float(model.intercept), **{name.removeprefix("log_"): w for name, w in weights.items()}}


def _stages(config: PropensityConfig) -> list[Estimator[Any] | Transformer]:
    logs = ", ".join(_log(name) for name in config.features)
    return [
        SQLTransformer(statement=f"SELECT *, {logs} FROM __THIS__"),
        VectorAssembler(inputCols=[f"log_{name}" for name in config.features], outputCol="logs"),
        StandardScaler(inputCol="logs", outputCol="scaled", withMean=True, withStd=True),
        LogisticRegression(
            featuresCol="scaled",
            regParam=config.reg,
            elasticNetParam=config.elastic_net,
            maxIter=config.max_iter,
            standardization=False,
        ),
    ]


def _log(name: str) -> str:
    """The SQL of one transformed feature; a null gap is the tenure, any other null is 0."""
    filled = f"COALESCE({name}, tenure_days)" if name == "mean_gap_days" else f"COALESCE({name}, 0)"
    value = f"CAST({filled} AS DOUBLE)"
    return f"SIGNUM({value}) * LOG1P(ABS({value})) AS log_{name}"
