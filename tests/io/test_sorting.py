"""Days are dealt to tasks: none is too large, none is cut without need."""

from datetime import date, timedelta

import duckdb
import pytest

from affinity.io import sorting


@pytest.mark.parametrize(
    ("n_lines", "expected"),
    [
        ([10, 10], [(0, 1), (0, 1)]),
        ([9_000, 30_000, 10, 10], [(0, 1), (1, 1), (2, 1), (2, 1)]),
        ([900_000, 5], [(0, 2), (2, 1)]),
        ([5, 900_000], [(0, 1), (1, 2)]),
        ([50_000] * 4, [(0, 1), (1, 1), (2, 1), (3, 1)]),
    ],
)
def test_days_of_many_lines_are_cut_and_small_ones_go_together(n_lines, expected):
    days = {date(2025, 1, 1) + timedelta(days=n): lines for n, lines in enumerate(n_lines)}
    groups, n_groups = sorting._groups(days, 2)
    with duckdb.connect() as connection:
        found = connection.sql(f"SELECT first_no, n FROM {groups} ORDER BY event_date").fetchall()
    assert found == expected
    assert n_groups == max(first + n for first, n in expected)
