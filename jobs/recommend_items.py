"""Customers, items and model recommender → gold.recommendations: the best items nobody has to be told twice."""

from pydantic import Field
from pyspark.sql import functions as F

from affinity.algorithms import als
from affinity.core.settings import Settings
from affinity.features.identities import still_apart
from affinity.features.interactions import interactions
from affinity.features.items import current_items
from affinity.io.entry import main
from affinity.io.job import Inputs, Job, Kind, Outputs
from affinity.jobs.clean_events import JOB as CLEAN
from affinity.tables import gold, models, silver


class RecommendItems(Settings):
    """How many items a customer gets."""

    top_k: int = Field(ge=1, le=1000, description="Items per customer")
    max_item_factor_bytes: int = Field(
        default=als.AlsConfig.model_fields["max_item_factor_bytes"].default,
        ge=1,
        description="Most memory per worker for the factors of all items",
    )


def transform(inputs: Inputs, settings: RecommendItems) -> Outputs:
    """Rank unseen items by the model for customers it knows, by popularity for the others.

    Whoever turned out to be another customer since the features were made is left out: what they bought is the other's.
    """
    model = inputs.models[models.RECOMMENDER.full_name]
    items = current_items(inputs[silver.ITEMS], as_of=inputs.cut)
    bought = interactions(inputs[silver.EVENTS], items, as_of=inputs.cut)
    factors = als.AlsModel(item_factors=model.frames["items"], customer_factors=model.frames["customers"])
    config = als.AlsConfig(top_k=settings.top_k, max_item_factor_bytes=settings.max_item_factor_bytes, seed=0)
    people = still_apart(inputs[gold.CUSTOMER_FEATURES], inputs.identities_at(inputs.cut), inputs.cut)
    ranked = als.recommend_or_popular(factors, people, bought, items, config)
    return Outputs({gold.RECOMMENDATIONS: ranked.withColumn("model_version", F.lit(model.version))})


JOB = Job(
    name="recommend_items",
    kind=Kind.SCORE,
    doc="For every customer with features, but who turned out to be another, the best items not bought yet.",
    reads=(silver.EVENTS, silver.IDENTITY_CHANGES, silver.ITEMS, gold.CUSTOMER_FEATURES, models.RECOMMENDER),
    writes=(gold.RECOMMENDATIONS,),
    settings=RecommendItems,
    transform=transform,
    identified_by=CLEAN,
)


if __name__ == "__main__":
    main(JOB)
