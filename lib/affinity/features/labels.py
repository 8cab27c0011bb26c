"""What a model shall foresee."""

from datetime import date, timedelta
from pathlib import Path

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from affinity.features.customers import customer_features
from affinity.features.events import within
from affinity.features.identities import of_customers


def with_label(features: DataFrame, days: DataFrame, *, as_of: date, horizon_days: int) -> DataFrame:
    """Add whether each customer buys within the horizon.

    Columns in: features with customer_id; days with customer_id, event_date, n_purchases, in whatever pieces. Columns
    out: the features and ``label`` double: 1.0 with a purchase in [as_of, as_of + horizon_days), else 0.0, never null;
    rows as in features. The days must reach to the end of the horizon: one that is not over yet reads as 0.0.
    """
    horizon = within("event_date", as_of, as_of + timedelta(days=horizon_days))
    buyers = days.where(horizon & (F.col("n_purchases") > 0)).select("customer_id", F.lit(True).alias("_bought"))
    return features.join(buyers.distinct(), on="customer_id", how="left").select(
        *(features[name] for name in features.columns),
        F.col("_bought").isNotNull().cast("double").alias("label"),
    )


def labelled_customers(
    contributions: DataFrame, *, as_of: date, horizon_days: int, categories: Path | None = None
) -> DataFrame:
    """What was known of each customer before a date, and whether they bought within the horizon from it.

    Columns in: silver.subject_daily with customer_id. Columns out: those of ``customer_features``, which says what
    ``categories`` are, and the ``label`` of ``with_label``.
    """
    features = customer_features(contributions, as_of=as_of, categories=categories)
    return with_label(features, contributions, as_of=as_of, horizon_days=horizon_days)


def labelled_people(
    contributions: DataFrame,
    identities: DataFrame,
    *,
    as_of: date,
    horizon_days: int,
    categories: Path | None = None,
) -> DataFrame:
    """``labelled_customers`` but for programs, of whom nothing is to be learnt; customers as they were known by then.

    Columns in: silver.subject_daily, whose customer_id does not count; rows of silver.identity_changes that hold.
    """
    of_people = of_customers(contributions.drop("customer_id"), identities, as_of)
    labelled = labelled_customers(of_people, as_of=as_of, horizon_days=horizon_days, categories=categories)
    return labelled.where("NOT is_bot")
