"""Statements over whole groups, in Spark's tasks."""

import pytest

from affinity.features.grouped import ARRIVED, SPEAKS, in_groups


@pytest.fixture(scope="module")
def rows(spark):
    pairs = [(f"k{number % 50}", number) for number in range(5_000)]
    return spark.createDataFrame(pairs, "key string, n bigint").repartition(7).localCheckpoint()


def test_a_group_is_in_one_piece(rows):
    counted = f"SELECT key, count(*) AS n_rows, list_sort(list(n))[1] AS least FROM {ARRIVED} GROUP BY key"
    found = in_groups(rows, "key", counted, {"key": "string", "n_rows": "bigint", "least": "bigint"}).collect()
    assert sorted(tuple(row) for row in found) == sorted((f"k{n}", 100, n) for n in range(50))


def test_more_rows_than_a_batch(rows):
    doubled = f"SELECT key, n FROM {ARRIVED}, range(30)"
    found = in_groups(rows, "key", doubled, {"key": "string", "n": "bigint"})
    assert found.count() == 150_000


def test_no_rows_no_groups(rows):
    nothing = in_groups(rows.limit(0), "key", f"SELECT count(*) AS n FROM {ARRIVED}", {"n": "bigint"})
    assert nothing.collect() == []


def test_what_a_statement_says_is_told_and_nothing_of_a_row(rows):
    speaking = f"SELECT error('{SPEAKS}too many of them') AS n FROM {ARRIVED}"
    with pytest.raises(Exception, match="too many of them"):
        in_groups(rows, "key", speaking, {"n": "string"}).collect()
    with pytest.raises(Exception, match="Groups could not be computed: ConversionException") as raised:
        in_groups(rows, "key", f"SELECT key::INTEGER AS n FROM {ARRIVED}", {"n": "int"}).collect()
    assert "k4" not in str(raised.value)
