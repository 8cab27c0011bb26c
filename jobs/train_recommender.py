"""silver.events → model recommender: implicit ALS, judged beside popularity on the newest days."""

from datetime import timedelta

from pydantic import Field

from affinity.algorithms import als
from affinity.features.bots import without_bots
from affinity.features.interactions import interactions, unseen
from affinity.features.items import current_items
from affinity.io.entry import main
from affinity.io.job import Challenger, Inputs, Job, Kind, Outputs
from affinity.jobs.clean_events import JOB as CLEAN
from affinity.tables import gold, models, silver


class TrainRecommender(als.AlsConfig):
    """ALS, its holdout and when to train it."""

    holdout_days: int = Field(ge=1, description="The newest days of history, predicted from those before")
    every_days: int = Field(ge=1, description="Train again when the newest model is this old")


def transform(inputs: Inputs, settings: TrainRecommender) -> Outputs:
    """Judge on the holdout a model that does not know it, then fit the one to keep on everything before as_of.

    The challenger passes unless popularity is better for certain: unless the 95 % interval of the paired nDCG
    difference lies wholly below 0.
    """
    events = without_bots(inputs[silver.EVENTS], inputs[gold.CUSTOMER_FEATURES])
    cut = inputs.cut - timedelta(days=settings.holdout_days)
    items = current_items(inputs[silver.ITEMS], as_of=inputs.cut).persist()
    before = interactions(events, items, as_of=cut).persist()
    relevant = unseen(interactions(events, items, as_of=inputs.cut, start=cut), before)
    metrics = als.evaluate(als.fit(before, settings), before, relevant, items, settings)
    final = als.fit(interactions(events, items, as_of=inputs.cut), settings)
    factors, name = {"items": final.item_factors, "customers": final.customer_factors}, "ndcg_difference_high"
    challenger = Challenger(models.RECOMMENDER, name, metrics[name], baseline=0.0, frames=factors)
    notes = {"better": als.better(metrics)}
    return Outputs(challenger=challenger, metrics=metrics, notes=notes, release=(items, before))


JOB = Job(
    name="train_recommender",
    kind=Kind.TRAIN,
    doc="Implicit ALS over who bought what, beside popularity on a time split.",
    reads=(silver.EVENTS, silver.IDENTITY_CHANGES, silver.ITEMS, gold.CUSTOMER_FEATURES),
    writes=(models.RECOMMENDER,),
    settings=TrainRecommender,
    transform=transform,
    identified_by=CLEAN,
)


if __name__ == "__main__":
    main(JOB)
