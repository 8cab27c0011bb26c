"""Benchmarks: ``python -m tests.bench [row …]``; one row is one file in ``rows``."""
