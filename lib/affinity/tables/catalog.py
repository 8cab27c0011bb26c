"""All tables and models by name."""

from affinity.core.errors import BadInput, nearest
from affinity.tables import bronze, gold, models, ops, silver
from affinity.tables.spec import ModelSpec, TableSpec

TABLES: tuple[TableSpec, ...] = (
    bronze.EVENTS,
    silver.EVENTS,
    silver.QUARANTINE,
    silver.LINKS,
    silver.IDENTITY_CHANGES,
    silver.ITEMS,
    silver.CUSTOMERS,
    silver.SUBJECT_DAILY,
    gold.CUSTOMER_FEATURES,
    gold.CUSTOMER_SEGMENTS,
    gold.SEGMENT_PROFILES,
    gold.ASSOCIATION_RULES,
    gold.RECOMMENDATIONS,
    gold.PROPENSITY_SCORES,
    ops.FILES,
    ops.RUNS,
    ops.QUALITY_RESULTS,
    ops.RELEASES,
    ops.SUPPRESSIONS,
    ops.DISPOSITIONS,
)
LOG_TABLES: tuple[TableSpec, ...] = (
    ops.FILES,
    ops.RUNS,
    ops.QUALITY_RESULTS,
    ops.RELEASES,
    ops.SUPPRESSIONS,
)
SPARK_TABLES: tuple[TableSpec, ...] = tuple(spec for spec in TABLES if spec not in LOG_TABLES)
OF_SUBJECTS: tuple[TableSpec, ...] = (silver.EVENTS, silver.CUSTOMERS, silver.SUBJECT_DAILY)
"""Tables by the ids that things came with; whoever reads them looks up whose those are, and no row has to change."""
MODELS: tuple[ModelSpec, ...] = (models.SEGMENTS, models.RULES, models.RECOMMENDER, models.PROPENSITY)


def table(full_name: str) -> TableSpec:
    """The table called ``layer.name``.

    Raises:
        BadInput: no table has that name.

    >>> table("gold.recommendations").key
    ('as_of_date', 'customer_id', 'rank')
    """
    by_name = {spec.full_name: spec for spec in TABLES}
    if full_name not in by_name:
        raise BadInput(
            f"Table {full_name!r} is unknown{nearest(full_name, by_name)}; `affinity tables` lists them all."
        )
    return by_name[full_name]
