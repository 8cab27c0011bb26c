"""Gold: what is published, one slice per ``as_of_date``."""

from affinity.core.vocabulary import Strategy
from affinity.tables import customer_features
from affinity.tables.spec import AS_OF_DATE, CUSTOMER_ID, RUN_ID, Check, Column, TableSpec, WriteMode


def _slice(
    name: str, doc: str, columns: tuple[Column, ...], key: tuple[str, ...], *checks: Check, version: int = 1
) -> TableSpec:
    return TableSpec(
        layer="gold",
        name=name,
        doc=doc,
        columns=(AS_OF_DATE, *columns, RUN_ID),
        key=("as_of_date", *key),
        mode=WriteMode.REPLACE_SLICE,
        slice_column="as_of_date",
        partition_by=("as_of_date",),
        checks=checks,
        published=True,
        version=version,
    )


_SHARE = "BETWEEN 0 AND 1"

CUSTOMER_FEATURES = _slice(
    "customer_features",
    "What was known of a customer when as_of_date began in the business zone: one row per customer with at least one "
    "purchase before it.",
    (CUSTOMER_ID, *(f.column for f in (*customer_features.FEATURES, *customer_features.ATTRIBUTES))),
    ("customer_id",),
    *customer_features.CHECKS,
    version=3,
)

CUSTOMER_SEGMENTS = _slice(
    "customer_segments",
    "Which segment a customer is in: one row per customer with features.",
    (
        CUSTOMER_ID,
        Column("segment_id", "int", "Segment of the model version, 1 = highest mean spend"),
        Column("distance", "double", "Euclidean distance to the centre, in standard deviations of the log features"),
        Column("model_version", "string", "Registered version that assigned it"),
    ),
    ("customer_id",),
    Check("segment_positive", "segment_id >= 1"),
    Check("distance_not_negative", "distance >= 0"),
)

SEGMENT_PROFILES = _slice(
    "segment_profiles",
    "What a segment is like: one row per segment.",
    (
        Column("segment_id", "int", "Segment of the model version, 1 = highest mean spend"),
        Column("segment_name", "string", "Reading aid made from the profile's recency, frequency and spend"),
        Column("n_customers", "bigint", "Customers in it"),
        Column("customers_share", "double", "Share of all customers, in [0, 1]"),
        Column("monetary_share", "double", "Share of all gross amount, in [0, 1]"),
        Column("recency_median_days", "double", "Median of recency_days"),
        Column("frequency_mean", "double", "Mean of frequency"),
        Column("monetary_mean_amount", "decimal(18,4)", "Mean of monetary_amount"),
        Column("currency", "string", "ISO 4217 of the amounts; null where nothing has a price", nullable=True),
        Column("model_version", "string", "Registered version that assigned it"),
    ),
    ("segment_id",),
    Check("shares_are_shares", f"customers_share {_SHARE} AND monetary_share {_SHARE}"),
    Check("not_empty", "n_customers >= 1"),
    version=2,
)

ASSOCIATION_RULES = _slice(
    "association_rules",
    "What sells together: one row per rule with a single consequent.",
    (
        Column("antecedent", "array<string>", "Items of the condition, sorted"),
        Column("consequent", "string", "Item that follows"),
        Column("antecedent_key", "string", "Antecedent joined with | (part of the key)"),
        Column("n_baskets", "bigint", "Baskets with antecedent and consequent"),
        Column("support", "double", "Share of baskets with both, in [0, 1]"),
        Column("confidence", "double", "Share of baskets with the antecedent that hold the consequent, in [0, 1]"),
        Column("lift", "double", "Confidence over the consequent's own share; 1 = independent"),
        Column("leverage", "double", "Support minus what independence would give"),
        Column("conviction", "double", "(1 - consequent's share) / (1 - confidence); null at confidence 1", True),
    ),
    ("antecedent_key", "consequent"),
    Check("shares_are_shares", f"support {_SHARE} AND confidence {_SHARE}"),
    Check("lift_positive", "lift > 0"),
)

RECOMMENDATIONS = _slice(
    "recommendations",
    "What to show a customer: at most top_k items per customer with features, none bought before.",
    (
        CUSTOMER_ID,
        Column("rank", "int", "Position, 1 = best"),
        Column("item_id", "string", "Recommended item"),
        Column("score", "double", "Score of the strategy; comparable within a customer only"),
        Column("strategy", "string", "als, or popularity where the model does not know the customer"),
        Column("model_version", "string", "Registered version that scored it"),
    ),
    ("customer_id", "rank"),
    Check("rank_positive", "rank >= 1"),
    Check("strategy_known", f"strategy IN ('{Strategy.ALS}', '{Strategy.POPULARITY}')"),
)

PROPENSITY_SCORES = _slice(
    "propensity_scores",
    "How likely a customer is to buy: one row per customer with features.",
    (
        CUSTOMER_ID,
        Column("horizon_days", "int", "The probability speaks of [as_of_date, as_of_date + horizon_days)"),
        Column("probability", "double", "Probability of at least one purchase in the horizon, in [0, 1]"),
        Column("decile", "int", "1 = the tenth of customers most likely to buy; ties by customer_id"),
        Column("model_version", "string", "Registered version that scored it"),
    ),
    ("customer_id",),
    Check("probability_is_share", f"probability {_SHARE}"),
    Check("decile_in_range", "decile BETWEEN 1 AND 10"),
)
