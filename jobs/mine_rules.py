"""silver.events → gold.association_rules: what sells together, by FPGrowth."""

from datetime import timedelta

from pydantic import Field
from pyspark.ml import PipelineModel

from affinity.algorithms import fpgrowth
from affinity.features.baskets import baskets
from affinity.features.items import current_items
from affinity.io.entry import main
from affinity.io.job import Challenger, Inputs, Job, Kind, Outputs
from affinity.tables import gold, models, silver


class MineRules(fpgrowth.RulesConfig):
    """FPGrowth and the span of its baskets."""

    window_days: int = Field(ge=1, description="Baskets of this many days before as_of")


def transform(inputs: Inputs, settings: MineRules) -> Outputs:
    """Mine the baskets of the window, anonymous ones and fees included; publish the rules between goods."""
    start = inputs.cut - timedelta(days=settings.window_days)
    found = baskets(inputs[silver.EVENTS], as_of=inputs.cut, start=start).persist()
    n_baskets = found.count()
    model = fpgrowth.fit(found, settings)
    items = current_items(inputs[silver.ITEMS], as_of=inputs.cut)
    rules = fpgrowth.of_goods(fpgrowth.rules(model, n_baskets, settings), items).persist()
    n_itemsets, n_rules = model.freqItemsets.count(), rules.count()
    challenger = Challenger(
        models.RULES, metric_name="n_rules", metric=float(n_rules), baseline=1.0, pipeline=PipelineModel([model])
    )
    metrics = {
        "n_baskets": float(n_baskets),
        "n_itemsets": float(n_itemsets),
        "n_rules": float(n_rules),
        "baseline_lift": 1.0,
    }
    return Outputs({gold.ASSOCIATION_RULES: rules}, challenger, metrics, release=(found, rules, model.freqItemsets))


JOB = Job(
    name="mine_rules",
    kind=Kind.TRAIN,
    doc="Association rules with one consequent over the baskets before as_of.",
    reads=(silver.EVENTS, silver.ITEMS),
    writes=(gold.ASSOCIATION_RULES, models.RULES),
    settings=MineRules,
    transform=transform,
)


if __name__ == "__main__":
    main(JOB)
