"""silver.subject_daily, customers and items → gold.customer_features: what was known of each customer before as_of."""

from affinity.core.settings import Settings
from affinity.features.customers import customer_features, features_of_files, with_attributes
from affinity.features.items import item_categories
from affinity.io.entry import main
from affinity.io.job import Inputs, Job, Kind, Outputs
from affinity.jobs.clean_events import JOB as CLEAN
from affinity.tables import gold, silver


def transform(inputs: Inputs, _settings: Settings) -> Outputs:
    """Describe every customer with a purchase."""
    known = inputs.in_files(item_categories(inputs[silver.ITEMS], as_of=inputs.cut))
    if days := inputs.days_in_files():
        features = features_of_files(days.contributions, days.customers, as_of=inputs.cut, categories=known)
    else:
        features = customer_features(inputs[silver.SUBJECT_DAILY], as_of=inputs.cut, categories=known)
    return Outputs({gold.CUSTOMER_FEATURES: with_attributes(features, inputs[silver.CUSTOMERS])})


JOB = Job(
    name="build_features",
    kind=Kind.TRANSFORM,
    doc="Recency, frequency, spend, rhythm, browsing and attributes per customer, from days before as_of alone.",
    reads=(silver.SUBJECT_DAILY, silver.IDENTITY_CHANGES),
    may_read=(silver.CUSTOMERS, silver.ITEMS),
    writes=(gold.CUSTOMER_FEATURES,),
    settings=Settings,
    transform=transform,
    identified_by=CLEAN,
)


if __name__ == "__main__":
    main(JOB)
