from pyspark.sql import functions as F

from affinity.metrics.running import with_position, with_running_sums


def test_sums_run_over_all_rows_in_order(spark):
    frame = spark.createDataFrame([("c", 3), ("a", 1), ("d", None), ("b", 2)], "name string, number bigint")
    summed = with_running_sums(frame, by=F.col("name"), upto=F.col("number"))
    assert sorted(tuple(row) for row in summed.collect()) == [
        ("a", 1, 1, 6),
        ("b", 2, 3, 6),
        ("c", 3, 6, 6),
        ("d", None, 6, 6),
    ]


def test_positions_are_those_of_the_sorted_rows_whatever_the_partitions(spark):
    shuffled = spark.range(3000).select(F.pmod(F.col("id") * 1103, F.lit(3001)).alias("number"))
    ordered = sorted(row.number for row in shuffled.collect())
    for n_partitions in (1, 7):
        positioned = with_position(shuffled.repartition(n_partitions), by=F.col("number")).collect()
        assert [row.number for row in sorted(positioned, key=lambda row: row.position)] == ordered
        assert sorted(row.position for row in positioned) == list(range(1, 3001))
        assert {row.position_total for row in positioned} == {3000}


def test_rows_spread_over_many_windows(spark):
    positioned = with_position(spark.range(3000), by=F.col("id"))
    plan = positioned._jdf.queryExecution().executedPlan().toString()
    assert "SinglePartition" not in plan.split("Window [")[1].split("Exchange")[1]


def test_no_rows(spark):
    assert with_position(spark.range(0), by=F.col("id")).isEmpty()
