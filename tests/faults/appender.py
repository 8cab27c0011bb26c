"""A driver that commits to one table beside another: ``appender.py FOLDER NAME N lease|bare``.

With ``lease`` it appends as our store does. ``bare`` shows what the lease is for: it writes commit files by Delta's own
primitive for a local disk, at the same moments as its rival; whole appends would meet too seldom to show it.
"""

import sys
import time
from datetime import date
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from affinity.io.leases import leases
from affinity.io.ops import to_json
from affinity.tables import silver
from affinity.tables.ddl import frame_schema
from tests.shop import Shop

SPEC = silver.LINKS
ROUND_SECS = 0.01


def main() -> None:
    folder, name, n, how = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    shop = Shop(folder, overrides=["spark.master=local[1]"])
    commit = {"lease": _leased, "bare": _bare}[how](shop, name)
    (folder / f"{name}.ready").touch()
    while not (folder / "go").exists():
        time.sleep(0.001)
    start = (folder / "go").stat().st_mtime + 1
    reported = [run_id for number in range(n) if (run_id := commit(number, start))]
    (folder / f"{name}.reported").write_text("\n".join(reported))


def _leased(shop: Shop, name: str):
    """Appends of one row, each under the lease."""
    row = one_row(shop.platform.spark, name)

    def commit(number: int, _start: float) -> str:
        run_id = f"{name}-{number}"
        with leases(shop.platform.root, [SPEC], wait_secs=120):
            shop.platform.store.publish(row, SPEC, run_id, [])
        return run_id

    return commit


def one_row(spark: SparkSession, name: str) -> DataFrame:
    """A row for the table."""
    return spark.createDataFrame([(name, "account", name, "card", date(2011, 1, 4), name, name)], frame_schema(SPEC))


def _bare(shop: Shop, name: str):
    """Commit files of version 1, 2, …, each written at its moment; the run id where Delta reported success."""
    jvm, hadoop = shop.platform.spark._jvm, shop.platform.spark.sparkContext._jsc.hadoopConfiguration()
    log, store = shop.platform.root.table(SPEC) / "_delta_log", jvm.io.delta.storage.HDFSLogStore(hadoop)

    def commit(number: int, start: float) -> str | None:
        run_id = f"{name}-{number}"
        info = {"commitInfo": {"timestamp": 0, "operation": "WRITE", "userMetadata": to_json({"run_id": run_id})}}
        actions = jvm.java.util.ArrayList([to_json(info)]).iterator()
        path = jvm.org.apache.hadoop.fs.Path(f"file:{log}/{number + 1:020}.json")
        while time.time() < start + number * ROUND_SECS:
            pass
        try:
            store.write(path, actions, False, hadoop)
        except Exception:  # an error that is told is no silent loss
            return None
        return run_id

    return commit


if __name__ == "__main__":
    main()
