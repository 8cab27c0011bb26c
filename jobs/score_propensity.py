"""gold.customer_features and model propensity → gold.propensity_scores."""

from pyspark.sql import functions as F

from affinity.algorithms import logistic_regression as propensity
from affinity.core.settings import Settings
from affinity.io.entry import main
from affinity.io.job import Inputs, Job, Kind, Outputs
from affinity.tables import gold, models


def transform(inputs: Inputs, _settings: Settings) -> Outputs:
    """Score every customer and rank them into tenths."""
    model = inputs.models[models.PROPENSITY.full_name]
    scores = propensity.apply(model.required_pipeline, inputs[gold.CUSTOMER_FEATURES])
    ranked = propensity.deciles(scores)
    columns = {"horizon_days": F.lit(model.facts["horizon_days"]).cast("int"), "model_version": F.lit(model.version)}
    return Outputs({gold.PROPENSITY_SCORES: ranked.withColumns(columns)})


JOB = Job(
    name="score_propensity",
    kind=Kind.SCORE,
    doc="How likely each customer is to buy within the horizon, by the newest promoted model.",
    reads=(gold.CUSTOMER_FEATURES, models.PROPENSITY),
    writes=(gold.PROPENSITY_SCORES,),
    settings=Settings,
    transform=transform,
)


if __name__ == "__main__":
    main(JOB)
