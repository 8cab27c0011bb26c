"""silver.events → model propensity: logistic regression, judged on a later cut than it learnt from."""

from datetime import date, timedelta

from pydantic import Field
from pyspark.ml import PipelineModel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from affinity.algorithms import logistic_regression as propensity
from affinity.features.customers import customer_features
from affinity.features.labels import with_label
from affinity.io.entry import main
from affinity.io.job import Challenger, Inputs, Job, Kind, Outputs
from affinity.tables import models, silver


class TrainPropensity(propensity.PropensityConfig):
    """Logistic regression and when to train it."""

    every_days: int = Field(ge=1, description="Train again when the newest model is this old")
    max_drop: float = Field(ge=0, description="AUC that a challenger may be below the champion's")


def transform(inputs: Inputs, settings: TrainPropensity) -> Outputs:
    """Learn two horizons ago, judge one horizon ago beside recency alone, and keep the model of the newest labels."""
    horizon = timedelta(days=settings.horizon_days)
    train = _labelled(inputs[silver.EVENTS], inputs.cut - 2 * horizon, settings).persist()
    test = _labelled(inputs[silver.EVENTS], inputs.cut - horizon, settings).persist()
    recency_config = propensity.recency_only(settings)
    judged = _scored(propensity.fit(train, settings), test)
    recency = _scored(propensity.fit(train, recency_config), test)
    base_rate = train.agg(F.mean("label")).collect()[0][0]
    metrics = propensity.evaluate(judged, recency=recency, base_rate=base_rate)
    final = propensity.fit(test, settings)
    challenger = Challenger(
        models.PROPENSITY,
        metric_name="auc",
        metric=metrics.get("auc"),
        baseline=metrics.get("recency_auc"),
        pipeline=final,
        max_drop=settings.max_drop,
    )
    return Outputs(challenger=challenger, metrics=metrics, release=(train, test))


def _labelled(events: DataFrame, cut: date, settings: TrainPropensity) -> DataFrame:
    features = customer_features(events, as_of=cut)
    return with_label(features, events, as_of=cut, horizon_days=settings.horizon_days)


def _scored(model: PipelineModel, labelled: DataFrame) -> DataFrame:
    return propensity.apply(model, labelled).join(
        labelled.select("customer_id", "label"), on="customer_id", how="inner"
    )


JOB = Job(
    name="train_propensity",
    kind=Kind.TRAIN,
    doc="Probability of a purchase within the horizon, on a time split, beside recency alone and the base rate.",
    reads=(silver.EVENTS,),
    writes=(models.PROPENSITY,),
    settings=TrainPropensity,
    transform=transform,
)


if __name__ == "__main__":
    main(JOB)
