"""A driver that appends commits to one table: ``appender.py FOLDER NAME N [lease]``."""

import sys
from datetime import date
from pathlib import Path

from pyspark.sql import DataFrame

from affinity.io.leases import leases
from affinity.io.ops import to_json
from affinity.tables import ops
from affinity.tables.ddl import frame_schema
from tests.shop import Shop

SPEC = ops.TOUCHED


def main() -> None:
    folder, name, n = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    shop = Shop(folder, overrides=["spark.master=local[1]"])
    row = shop.platform.spark.createDataFrame([(name, date(2011, 1, 4), None)], frame_schema(SPEC))
    (folder / f"{name}.ready").touch()
    while not (folder / "go").exists():
        pass
    n_reported = 0
    for number in range(n):
        run_id = f"{name}-{number}"
        if "lease" in sys.argv:
            with leases(shop.platform.root, [SPEC], wait_secs=120):
                shop.platform.store.publish(row, SPEC, run_id, [])
            n_reported += 1
        else:
            n_reported += _append(shop, row, run_id)
    (folder / f"{name}.reported").write_text(str(n_reported))


def _append(shop: Shop, row: DataFrame, run_id: str) -> bool:
    """Append as anybody could, without lease and without proof; whether Delta reported success."""
    writer = row.write.format("delta").mode("append").option("userMetadata", to_json({"run_id": run_id}))
    try:
        writer.save(str(shop.platform.root.table(SPEC)))
    except Exception:  # an error that is told is no silent loss
        return False
    return True


if __name__ == "__main__":
    main()
