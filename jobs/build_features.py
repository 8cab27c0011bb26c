"""silver.subject_daily, silver.customers → gold.customer_features: what was known of each customer before as_of."""

from affinity.core.settings import Settings
from affinity.features.customers import customer_features, features_of_files, with_attributes
from affinity.io.entry import main
from affinity.io.job import Inputs, Job, Kind, Outputs
from affinity.tables import gold, silver


def transform(inputs: Inputs, _settings: Settings) -> Outputs:
    """Describe every customer with a purchase."""
    if days := inputs.days_in_files():
        features = features_of_files(days.contributions, days.customers, as_of=inputs.cut)
    else:
        features = customer_features(inputs[silver.SUBJECT_DAILY], as_of=inputs.cut)
    return Outputs({gold.CUSTOMER_FEATURES: with_attributes(features, inputs[silver.CUSTOMERS])})


JOB = Job(
    name="build_features",
    kind=Kind.TRANSFORM,
    doc="Recency, frequency, spend, rhythm, browsing and attributes per customer, from days before as_of alone.",
    reads=(silver.SUBJECT_DAILY, silver.IDENTITIES),
    may_read=(silver.CUSTOMERS,),
    writes=(gold.CUSTOMER_FEATURES,),
    settings=Settings,
    transform=transform,
)


if __name__ == "__main__":
    main(JOB)
