"""All jobs of the chain, in its order, and those beside it."""

from affinity.io.job import Job, in_order
from affinity.jobs import (
    assign_segments,
    build_features,
    clean_events,
    ingest_customers,
    ingest_events,
    ingest_items,
    maintain_tables,
    mine_rules,
    recommend_items,
    replay_quarantine,
    score_propensity,
    train_propensity,
    train_recommender,
    train_segments,
)

JOBS: tuple[Job, ...] = tuple(
    in_order(
        [
            module.JOB
            for module in (
                ingest_events,
                ingest_items,
                ingest_customers,
                clean_events,
                build_features,
                train_segments,
                assign_segments,
                mine_rules,
                train_recommender,
                recommend_items,
                train_propensity,
                score_propensity,
                maintain_tables,
            )
        ]
    )
)

# Nobody runs these but who has a reason to.
ON_DEMAND: tuple[Job, ...] = (replay_quarantine.JOB,)
