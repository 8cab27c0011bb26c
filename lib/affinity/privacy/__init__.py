"""People as tokens."""
