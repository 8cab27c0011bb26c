"""A driver that appends commits to one table: ``appender.py FOLDER NAME N [lease]``."""

import sys
from contextlib import nullcontext
from pathlib import Path

from affinity.io.leases import leases
from affinity.tables import ops
from tests.shop import Shop

SPEC = ops.TOUCHED


def main() -> None:
    folder, name, n = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    shop = Shop(folder, overrides=["spark.master=local[1]"])
    row = shop.platform.spark.createDataFrame(
        [(name, None, None)], "run_id string, event_date date, customer_id string"
    )
    (folder / f"{name}.ready").touch()
    while not (folder / "go").exists():
        pass
    for number in range(n):
        guard = leases(shop.platform.root, [SPEC], wait_secs=120) if "lease" in sys.argv else nullcontext()
        with guard:
            shop.platform.store.publish(row, SPEC, f"{name}-{number}", [])


if __name__ == "__main__":
    main()
