"""silver.events → gold.association_rules: what sells together, by FPGrowth."""

from datetime import timedelta

from pydantic import Field
from pyspark.ml import PipelineModel

from affinity.algorithms import fpgrowth
from affinity.core.errors import NotYet
from affinity.features.baskets import baskets
from affinity.features.bots import without_bots
from affinity.features.items import current_items
from affinity.io.entry import main
from affinity.io.job import Challenger, Inputs, Job, Kind, Outputs
from affinity.jobs.clean_events import JOB as CLEAN
from affinity.tables import gold, models, silver


class MineRules(fpgrowth.RulesConfig):
    """FPGrowth and the span of its baskets."""

    window_days: int = Field(ge=1, description="Baskets of this many days before as_of")


def transform(inputs: Inputs, settings: MineRules) -> Outputs:
    """Mine the baskets of the window, anonymous ones and fees included; publish the rules between goods.

    Raises:
        NotYet: there are too few baskets to tell chance from habit, or no rule reaches the thresholds.
    """
    events = without_bots(inputs[silver.EVENTS], inputs[gold.CUSTOMER_FEATURES])
    found = baskets(events, as_of=inputs.cut, start=inputs.cut - timedelta(days=settings.window_days)).persist()
    fpgrowth.check_count(n_baskets := found.count(), settings)
    model = fpgrowth.fit(found, settings)
    items = current_items(inputs[silver.ITEMS], as_of=inputs.cut)
    rules = fpgrowth.of_goods(fpgrowth.rules(model, n_baskets, settings), items).persist()
    counts = {"n_baskets": n_baskets, "n_itemsets": model.freqItemsets.count(), "n_rules": rules.count()}
    if not counts["n_rules"]:
        for frame in (found, rules, model.freqItemsets):
            frame.unpersist()
        raise NotYet("none of {n_itemsets} frequent itemsets of {n_baskets} baskets makes a rule".format(**counts))
    challenger = Challenger(models.RULES, "n_rules", counts["n_rules"], baseline=1.0, pipeline=PipelineModel([model]))
    return Outputs({gold.ASSOCIATION_RULES: rules}, challenger, counts, release=(found, rules, model.freqItemsets))


JOB = Job(
    name="mine_rules",
    kind=Kind.TRAIN,
    doc="Association rules with one consequent over the baskets before as_of.",
    reads=(silver.EVENTS, silver.IDENTITY_CHANGES, silver.ITEMS, gold.CUSTOMER_FEATURES),
    writes=(gold.ASSOCIATION_RULES, models.RULES),
    settings=MineRules,
    transform=transform,
    identified_by=CLEAN,
)


if __name__ == "__main__":
    main(JOB)
