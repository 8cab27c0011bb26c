"""Landed files → silver.items: what each file said of them, per day."""

from affinity.core.settings import Settings
from affinity.core.vocabulary import Feed
from affinity.features.observations import item_observations
from affinity.io.entry import main
from affinity.io.job import Inputs, Job, Kind, Outputs
from affinity.tables import silver


def transform(inputs: Inputs, _settings: Settings) -> Outputs:
    """Keep the last statement of each file and day."""
    return Outputs({silver.ITEMS: item_observations(inputs.rows, inputs.source_mapping.currency)})


JOB = Job(
    name="ingest_items",
    kind=Kind.INGEST,
    doc="Read what landed files say of items, each file exactly once.",
    reads=(),
    writes=(silver.ITEMS,),
    settings=Settings,
    transform=transform,
    feed=Feed.ITEMS,
)


if __name__ == "__main__":
    main(JOB)
