"""Affinity: personalisation of marketing for every single customer, on open tables."""

__version__ = "0.1.0"
