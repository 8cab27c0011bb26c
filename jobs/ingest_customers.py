"""Landed files → silver.customers: what each file said of them, per day."""

from affinity.core.settings import Settings
from affinity.core.vocabulary import Feed
from affinity.features.observations import customer_observations
from affinity.io.entry import main
from affinity.io.job import Inputs, Job, Kind, Outputs
from affinity.tables import silver


def transform(inputs: Inputs, _settings: Settings) -> Outputs:
    """Keep the last statement of each file and day."""
    return Outputs({silver.CUSTOMERS: customer_observations(inputs.rows)})


JOB = Job(
    name="ingest_customers",
    kind=Kind.INGEST,
    doc="Read what landed files say of customers, each file exactly once.",
    reads=(),
    writes=(silver.CUSTOMERS,),
    settings=Settings,
    transform=transform,
    feed=Feed.CUSTOMERS,
)


if __name__ == "__main__":
    main(JOB)
