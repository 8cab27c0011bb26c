"""silver.subject_daily → model propensity: logistic regression, judged on a later cut than it learnt from."""

from datetime import date, timedelta

from pydantic import Field
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from affinity.algorithms import logistic_regression as propensity
from affinity.features.items import item_categories
from affinity.features.labels import labelled_people
from affinity.io.entry import main
from affinity.io.job import Challenger, Inputs, Job, Kind, Outputs
from affinity.tables import models, silver


class TrainPropensity(propensity.PropensityConfig):
    """Logistic regression and when to train it."""

    every_days: int = Field(ge=1, description="Train again when the newest model is this old")
    max_drop: float = Field(ge=0, description="AUC that a challenger may be below the champion's")


def transform(inputs: Inputs, settings: TrainPropensity) -> Outputs:
    """Learn two horizons ago, judge one horizon ago beside recency alone, and keep the model of the newest labels."""
    days = settings.horizon_days
    cuts = [inputs.cut - n * timedelta(days=days) for n in (2, 1)]
    train, test = (_labelled(inputs, cut, days).persist() for cut in cuts)
    judged = propensity.apply_labelled(propensity.fit(train, settings), test)
    recency = propensity.apply_labelled(propensity.fit(train, propensity.recency_only(settings)), test)
    base_rate = train.agg(F.mean("label")).collect()[0][0]
    metrics = propensity.evaluate(judged, recency=recency, base_rate=base_rate)
    challenger = Challenger(
        models.PROPENSITY,
        metric_name="auc",
        metric=metrics.get("auc"),
        baseline=metrics.get("recency_auc"),
        pipeline=propensity.fit(test, settings),
        max_drop=settings.max_drop,
    )
    return Outputs(challenger=challenger, metrics=metrics, release=(train, test))


def _labelled(inputs: Inputs, cut: date, horizon_days: int) -> DataFrame:
    categories = inputs.in_files(item_categories(inputs[silver.ITEMS], as_of=cut))
    known = (inputs[silver.SUBJECT_DAILY], inputs[silver.IDENTITIES])
    return labelled_people(*known, as_of=cut, horizon_days=horizon_days, categories=categories)


JOB = Job(
    name="train_propensity",
    kind=Kind.TRAIN,
    doc="Probability of a purchase within the horizon, on a time split, beside recency alone and the base rate.",
    reads=(silver.SUBJECT_DAILY, silver.IDENTITIES),
    may_read=(silver.ITEMS,),
    writes=(models.PROPENSITY,),
    settings=TrainPropensity,
    transform=transform,
)


if __name__ == "__main__":
    main(JOB)
