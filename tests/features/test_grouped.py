"""Statements over whole groups, in Spark's tasks."""

from dataclasses import replace
from pathlib import Path

import pytest

from affinity.features import grouped
from affinity.features.grouped import ARRIVED, GROUP, SPEAKS, Files, cut, in_blocks, in_groups, mapped, with_each


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


@pytest.fixture(scope="module")
def files(rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("rows") / "it's"
    rows.write.parquet(str(folder))
    return Files(rows.sparkSession, [str(path) for path in folder.glob("*.parquet")], dict(rows.dtypes))


@pytest.mark.parametrize("n_groups", [1, 3, 60])
@pytest.mark.parametrize("way", ["files", "rows"])
def test_blocks_bring_every_row_of_a_group_to_one_task(request, way, n_groups):
    number = f"(substr(key, 2)::INTEGER % {n_groups})"
    blocks = cut(request.getfixturevalue(way), f"SELECT key, n, {number} AS {GROUP} FROM {ARRIVED}")
    counted = f"SELECT min({number}), max({number}), count(DISTINCT key), count(DISTINCT n) FROM {ARRIVED}"
    columns = {"least": "int", "most": "int", "n_keys": "bigint", "n_rows": "bigint"}
    found = sorted(tuple(row) for row in in_blocks(blocks, n_groups, counted, columns).collect())
    n_keys = [sum(key % n_groups == group for key in range(50)) for group in range(min(n_groups, 50))]
    assert found == [(group, group, n, 100 * n) for group, n in enumerate(n_keys)]


def test_blocks_cross_the_network_once(rows):
    blocks = cut(rows, f"SELECT n, 0 AS {GROUP} FROM {ARRIVED}")
    plan = in_blocks(blocks, 1, f"SELECT count(*) FROM {ARRIVED}", {"n": "bigint"})
    assert plan._jdf.queryExecution().executedPlan().toString().count("Exchange") == 1
    assert plan.collect()[0].n == 5_000


def test_a_column_that_was_added_later_is_null_in_older_files(files):
    newer = Files(files.spark, files.paths, {**files.columns, "added": "decimal(18,4)"})
    found = mapped(newer, f"SELECT count(*), count(added) FROM {ARRIVED}", {"n_rows": "bigint", "n_added": "bigint"})
    assert [sum(column) for column in zip(*found.collect(), strict=True)] == [5_000, 0]


def test_no_files_no_rows(files):
    none = Files(files.spark, [], files.columns)
    assert mapped(none, f"SELECT n FROM {ARRIVED}", {"n": "bigint"}).collect() == []


def test_a_failing_cut_tells_nothing_of_a_row(files):
    with pytest.raises(Exception, match="Groups could not be computed: ConversionException") as raised:
        cut(files, f"SELECT key::INTEGER AS n, 0 AS {GROUP} FROM {ARRIVED}").collect()
    assert "k4" not in str(raised.value)


def counting(folder):
    def counted(asked, path):
        [(n_rows, _least)] = asked.sql(f"SELECT count(*), min(key) FROM {ARRIVED}").fetchall()
        (folder / Path(path).name).write_text(str(n_rows))

    return counted  # tasks know nothing of the module of tests


@pytest.mark.parametrize("most_bytes", [1, 1 << 20])
def test_work_is_done_with_each_file_here_and_by_tasks(files, monkeypatch, tmp_path, most_bytes):
    monkeypatch.setattr(grouped, "_TASK_BYTES", most_bytes)
    with_each(files, counting(tmp_path))
    told = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert told.keys() == {Path(path).name for path in files.paths}
    assert sum(map(int, told.values())) == 5_000
    with_each(replace(files, paths=[]), counting(tmp_path))


@pytest.mark.parametrize("most_bytes", [1, 1 << 20])
def test_a_damaged_file_is_told(files, monkeypatch, tmp_path, most_bytes):
    monkeypatch.setattr(grouped, "_TASK_BYTES", most_bytes)
    bad = tmp_path / "bad.parquet"
    content = bytearray(Path(files.paths[0]).read_bytes())
    content[4:200] = bytes(byte ^ 255 for byte in content[4:200])
    bad.write_bytes(content)
    with pytest.raises(Exception, match=f"{grouped.UNREADABLE}{bad}"):
        with_each(replace(files, paths=[*files.paths, str(bad)]), counting(tmp_path))


@pytest.mark.parametrize("most_bytes", [1, 1 << 20])
def test_nothing_of_a_row_is_told_of_a_file(files, monkeypatch, most_bytes):
    monkeypatch.setattr(grouped, "_TASK_BYTES", most_bytes)
    with pytest.raises(Exception, match="Groups could not be computed: ConversionException") as raised:
        with_each(files, lambda asked, _path: asked.sql(f"SELECT key::INTEGER FROM {ARRIVED}").fetchall())
    assert "k1" not in str(raised.value)
    assert "k0" not in str(raised.value)


def test_nothing_of_a_row_is_told_while_rows_are_streamed(files):
    some = f"(SELECT min(key) AS key FROM {ARRIVED}), range(200000) AS r(i)"
    late = f"SELECT CASE WHEN i = 199999 THEN key ELSE '1' END::INTEGER AS n FROM {some}"
    with pytest.raises(Exception, match="Groups could not be computed") as raised:
        mapped(files, late, {"n": "int"}).collect()
    assert "k1" not in str(raised.value)
    assert "k0" not in str(raised.value)
