-- Made by `affinity docs`; do not edit.
-- The newest slice of every gold table, for a metastore in which the tables are registered as layer.table.

CREATE OR REPLACE VIEW gold.customer_features_latest AS
SELECT * FROM gold.customer_features
WHERE as_of_date = (SELECT max(as_of_date) FROM gold.customer_features);

CREATE OR REPLACE VIEW gold.customer_segments_latest AS
SELECT * FROM gold.customer_segments
WHERE as_of_date = (SELECT max(as_of_date) FROM gold.customer_segments);

CREATE OR REPLACE VIEW gold.segment_profiles_latest AS
SELECT * FROM gold.segment_profiles
WHERE as_of_date = (SELECT max(as_of_date) FROM gold.segment_profiles);

CREATE OR REPLACE VIEW gold.association_rules_latest AS
SELECT * FROM gold.association_rules
WHERE as_of_date = (SELECT max(as_of_date) FROM gold.association_rules);

CREATE OR REPLACE VIEW gold.recommendations_latest AS
SELECT * FROM gold.recommendations
WHERE as_of_date = (SELECT max(as_of_date) FROM gold.recommendations);

CREATE OR REPLACE VIEW gold.propensity_scores_latest AS
SELECT * FROM gold.propensity_scores
WHERE as_of_date = (SELECT max(as_of_date) FROM gold.propensity_scores);
