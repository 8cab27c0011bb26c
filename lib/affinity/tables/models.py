"""The registered models as data."""

from affinity.tables.spec import ModelSpec

SEGMENTS = ModelSpec("segments", "KMeans over standardised log recency, frequency and spend")
RULES = ModelSpec("rules", "FPGrowth over baskets")
RECOMMENDER = ModelSpec("recommender", "Implicit ALS: factors by real item and customer ids")
PROPENSITY = ModelSpec("propensity", "Logistic regression of a purchase within the horizon")
