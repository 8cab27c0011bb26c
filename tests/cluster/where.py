"""A Spark program that tells from where each side imports our code: one line of JSON per task, and one for the driver.

Run as a program and pickled by value, so that a worker needs ``affinity`` only where it says so.
"""

import json
import sys
import time
from collections.abc import Iterator

import pyarrow as pa
from pyspark.sql import SparkSession

N_TASKS = 8


def seen_from_here(role: str) -> dict[str, object]:
    """Where ``affinity`` comes from, and every place of the import path that could give it."""
    from importlib.machinery import PathFinder
    from pathlib import Path

    import affinity

    places = [place for place in sys.path if PathFinder.find_spec("affinity", [place])]
    return {"role": role, "file": affinity.__file__, "places": places, "folder": str(Path.cwd())}


def look(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """One row per batch; slow enough that one executor cannot take all tasks."""
    for _ in batches:
        time.sleep(0.3)
        yield pa.RecordBatch.from_pydict({"seen": [json.dumps(seen_from_here("worker"))]})


def main() -> None:
    """Look from the driver and from every worker."""
    spark = SparkSession.builder.getOrCreate()
    rows = spark.range(0, N_TASKS, 1, N_TASKS).mapInArrow(look, "seen string").collect()
    for line in (json.dumps(seen_from_here("driver")), *(row["seen"] for row in rows)):
        print(line)


if __name__ == "__main__":
    main()
