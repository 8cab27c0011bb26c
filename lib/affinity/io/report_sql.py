"""What the report asks, by name: plain SQL that a reader can run again; ``{as_of}`` becomes the date of the report."""

_SLICE = "WHERE as_of_date = {as_of}"

_ITEMS = """WITH items AS (
    SELECT item_id,
        arg_max(description, (observed_ts, file_id, source)) FILTER (WHERE description IS NOT NULL) AS description,
        arg_max(is_recommendable, (observed_ts, file_id, source)) AS is_recommendable
    FROM silver.items WHERE observed_date < {as_of} GROUP BY item_id
)"""


def _model(model: str, table: str, *metrics: str) -> str:
    """Metrics of the run that trained the version which a slice was made with."""
    columns = "".join(f",\n    (r.metrics ->> '{name}')::DOUBLE AS {name}" for name in metrics)
    return f"""SELECT m.table_version AS model_version, r.as_of_date AS trained_as_of, r.settings{columns}
FROM ops.releases AS m
JOIN ops.runs AS r ON r.run_id = m.run_id AND r.metrics IS NOT NULL
WHERE m.table_name = 'models.{model}'
    AND m.table_version IN (SELECT model_version::BIGINT FROM gold.{table} {_SLICE})
ORDER BY r.at_ts DESC LIMIT 1"""


QUERIES: dict[str, str] = {
    "customers": f"""SELECT count(*) AS n_customers, sum(monetary_amount) AS gross_amount, currency
FROM gold.customer_features {_SLICE} GROUP BY currency ORDER BY gross_amount DESC""",
    "segments": f"""SELECT segment_id, segment_name, n_customers, customers_share, monetary_share,
    n_customers * monetary_mean_amount AS gross_amount, monetary_mean_amount, recency_median_days, frequency_mean,
    currency
FROM gold.segment_profiles {_SLICE} ORDER BY segment_id""",
    "rules": f"""{_ITEMS}
SELECT a.description AS antecedent, c.description AS consequent,
    r.n_baskets, r.n_baskets / r.lift AS n_baskets_by_chance, r.confidence, r.lift
FROM gold.association_rules AS r
JOIN items AS a ON a.item_id = r.antecedent_key
JOIN items AS c ON c.item_id = r.consequent
WHERE r.as_of_date = {{as_of}} AND a.is_recommendable AND c.is_recommendable
QUALIFY row_number() OVER (
    PARTITION BY least(a.item_id, c.item_id), greatest(a.item_id, c.item_id) ORDER BY r.confidence DESC, c.item_id
) = 1
ORDER BY r.leverage DESC, a.item_id, c.item_id LIMIT 10""",
    "rules_total": f"""SELECT count(*) AS n_rules, round(max(n_baskets / support))::BIGINT AS n_baskets
FROM gold.association_rules {_SLICE}""",
    "deciles": f"""SELECT decile, count(*) AS n_customers, sum(probability) AS expected_buyers,
    avg(probability) AS mean_probability, any_value(horizon_days) AS horizon_days
FROM gold.propensity_scores {_SLICE} GROUP BY decile ORDER BY decile""",
    "propensity_model": _model(
        "propensity",
        "propensity_scores",
        *("n", "auc", "recency_auc", "base_rate", "brier", "recency_brier", "base_rate_brier"),
        *("top_decile_lift", "recency_top_decile_lift"),
    ),
    "coverage": f"""{_ITEMS}
SELECT count(DISTINCT customer_id) AS n_customers, count(DISTINCT item_id) AS n_items,
    (SELECT count(*) FROM items WHERE is_recommendable) AS n_recommendable, max(rank) AS top_k,
    count(DISTINCT customer_id) FILTER (WHERE strategy = 'popularity') AS n_by_popularity
FROM gold.recommendations {_SLICE}""",
    "recommender_model": _model(
        "recommender",
        "recommendations",
        *("n_customers", "als_ndcg", "popularity_ndcg", "als_precision", "popularity_precision", "als_recall"),
        *("popularity_recall", "ndcg_difference", "ndcg_difference_low", "ndcg_difference_high"),
    ),
    "examples": f"""{_ITEMS},
chosen AS (
    SELECT customer_id, segment_id, probability
    FROM gold.customer_segments JOIN gold.propensity_scores USING (as_of_date, customer_id) {_SLICE}
    QUALIFY row_number() OVER (PARTITION BY segment_id ORDER BY probability DESC, customer_id) = 1
)
SELECT c.customer_id, c.segment_id, c.probability, r.rank, r.item_id, i.description
FROM chosen AS c
JOIN gold.recommendations AS r ON r.customer_id = c.customer_id AND r.as_of_date = {{as_of}} AND r.rank <= 5
LEFT JOIN items AS i ON i.item_id = r.item_id
ORDER BY c.segment_id, r.rank""",
    "dispositions": """SELECT count(*) AS n_files, sum(n_rows) AS n_rows, sum(n_accepted) AS n_accepted,
    sum(n_duplicate) AS n_duplicate, sum(n_filtered) AS n_filtered, sum(n_quarantined) AS n_quarantined,
    count(*) FILTER (WHERE state = 'ingested') AS n_files_waiting,
    min(file_date) AS first_file_date, max(file_date) AS last_file_date
FROM ops.files WHERE feed = 'events' AND state <> 'superseded'""",
    "defects": """SELECT defect.key AS defect, sum(defect.value::BIGINT)::BIGINT AS n_rows
FROM ops.files AS f, json_each(f.defects) AS defect
WHERE f.feed = 'events' AND f.state <> 'superseded'
GROUP BY ALL ORDER BY n_rows DESC, defect""",
    "identities": """SELECT count(*) AS n_ids, count(DISTINCT customer_id) AS n_customers,
    count_if(is_shared) AS n_shared, count_if(is_capped) AS n_capped
FROM silver.identities WHERE valid_from_date <= {as_of} AND coalesce(valid_to_date > {as_of}, true)""",
    "money": """SELECT CASE WHEN customer_id IS NULL THEN 'anonymous' ELSE 'known customers' END AS who, currency,
    sum(amount) FILTER (WHERE event_type = 'purchase') AS gross_amount,
    coalesce(sum(amount) FILTER (WHERE event_type = 'return'), 0) AS returns_amount,
    gross_amount - returns_amount AS net_amount
FROM silver.events WHERE event_date < {as_of} AND event_type IN ('purchase', 'return')
GROUP BY ALL ORDER BY who DESC, currency""",
    "checks": """SELECT table_name, count(*) AS n_checks, count(*) FILTER (WHERE is_success) AS n_passed,
    count(*) FILTER (WHERE NOT is_success AND severity = 'critical') AS n_critical, max(at_ts) AS last_ts
FROM ops.quality_results GROUP BY table_name ORDER BY table_name""",
    "freshness": """SELECT (SELECT max(event_date) FROM silver.events WHERE event_date < {as_of}) AS last_event_date,
    max(released_ts) AS last_release_ts,
    count(DISTINCT table_name) FILTER (WHERE table_name NOT LIKE 'models.%') AS n_tables,
    count(DISTINCT table_name) FILTER (WHERE table_name LIKE 'models.%') AS n_models
FROM ops.releases""",
    "statuses": """SELECT status, count(*) AS n_attempts, max(at_ts) AS last_ts
FROM (
    SELECT * FROM ops.runs
    QUALIFY row_number() OVER (PARTITION BY attempt_id ORDER BY status = 'started', at_ts DESC) = 1
) GROUP BY status ORDER BY n_attempts DESC, status""",
    "models": """SELECT job, as_of_date, status, reason, metrics, run_id
FROM ops.runs WHERE (job LIKE 'train\\_%' ESCAPE '\\' OR job = 'mine_rules') AND metrics IS NOT NULL
    AND as_of_date <= {as_of}
QUALIFY row_number() OVER (PARTITION BY job ORDER BY as_of_date DESC, at_ts DESC) = 1
ORDER BY job""",
}
