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
from affinity.jobs.clean_events import JOB as CLEAN
from affinity.tables import models, silver


class TrainPropensity(propensity.PropensityConfig):
    """Logistic regression and when to train it."""

    every_days: int = Field(ge=1, description="Train again when the newest model is this old")
    max_drop: float = Field(ge=0, description="AUC that a challenger may be below the champion's")


def transform(inputs: Inputs, settings: TrainPropensity) -> Outputs:
    """Learn two horizons ago, judge one horizon ago beside recency alone, and keep the model of the newest labels."""
    days = settings.horizon_days

    def labelled(cut: date) -> DataFrame:
        there = inputs.in_files(item_categories(inputs[silver.ITEMS], as_of=cut))
        known = (inputs[silver.SUBJECT_DAILY], inputs.identities_at(cut))
        return labelled_people(*known, as_of=cut, horizon_days=days, categories=there).persist()

    train, test = (labelled(inputs.cut - n * timedelta(days=days)) for n in (2, 1))
    judged = propensity.apply_labelled(propensity.fit(train, settings), test)
    recency = propensity.apply_labelled(propensity.fit(train, propensity.recency_only(settings)), test)
    metrics = propensity.evaluate(judged, recency=recency, base_rate=train.agg(F.mean("label")).collect()[0][0])
    aucs = (metrics.get("auc"), metrics.get("recency_auc"))
    challenger = Challenger(models.PROPENSITY, "auc", *aucs, propensity.fit(test, settings), max_drop=settings.max_drop)
    return Outputs(challenger=challenger, metrics=metrics, release=(train, test))


JOB = Job(
    name="train_propensity",
    kind=Kind.TRAIN,
    doc="Probability of a purchase within the horizon, on a time split, beside recency alone and the base rate.",
    reads=(silver.SUBJECT_DAILY, silver.IDENTITY_CHANGES),
    may_read=(silver.ITEMS,),
    writes=(models.PROPENSITY,),
    settings=TrainPropensity,
    transform=transform,
    identified_by=CLEAN,
)


if __name__ == "__main__":
    main(JOB)
