"""What Spark, its Python tasks and the driver read is counted, wherever it is read."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from tests.bench.spark_work import work_so_far

N_BYTES = 5_000_000


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "file").write_bytes(b"\n" * N_BYTES)
    return tmp_path / "file"


def test_what_python_tasks_read_is_counted(spark: SparkSession, file: Path) -> None:
    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            assert len(file.read_bytes()) == N_BYTES
            yield batch

    before = work_so_far(spark)
    spark.range(1, numPartitions=1).mapInArrow(read, "id bigint").collect()
    assert (work_so_far(spark) - before).bytes_read >= N_BYTES  # and modules, where the worker is new


def test_what_spark_and_the_driver_read_is_counted(spark: SparkSession, file: Path) -> None:
    before = work_so_far(spark)
    assert spark.read.text(str(file)).count() == N_BYTES
    file.read_bytes()
    assert 2 * N_BYTES <= (work_so_far(spark) - before).bytes_read < 3 * N_BYTES
