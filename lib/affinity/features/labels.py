"""What a model shall foresee."""

from datetime import date, timedelta

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from affinity.core.vocabulary import EventType
from affinity.features.customers import customer_features
from affinity.features.events import is_type, within


def with_label(features: DataFrame, events: DataFrame, *, as_of: date, horizon_days: int) -> DataFrame:
    """Add whether each customer buys within the horizon.

    Columns in: features with customer_id; silver.events. Columns out: the features and ``label`` double: 1.0 with a
    purchase in [as_of, as_of + horizon_days), else 0.0, never null; rows as in features. The events must reach to the
    end of the horizon: a horizon that is not over yet reads as 0.0.
    """
    horizon = within("event_date", as_of, as_of + timedelta(days=horizon_days))
    buyers = events.where(is_type(EventType.PURCHASE) & horizon).select("customer_id", F.lit(True).alias("_bought"))
    return features.join(buyers.distinct(), on="customer_id", how="left").select(
        *(features[name] for name in features.columns),
        F.col("_bought").isNotNull().cast("double").alias("label"),
    )


def labelled_customers(events: DataFrame, *, as_of: date, horizon_days: int) -> DataFrame:
    """What was known of each customer before a date, and whether they bought within the horizon from it.

    Columns in: silver.events. Columns out: those of ``customer_features``, and ``label`` as ``with_label`` adds it.
    """
    return with_label(customer_features(events, as_of=as_of), events, as_of=as_of, horizon_days=horizon_days)
