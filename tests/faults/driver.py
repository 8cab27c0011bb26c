"""A driver process that dies at a chosen point: ``driver.py FOLDER POINT JOB[:restate] [AS_OF]``.

The point is ``before:<table>`` or ``after:<table>`` the commit of a table, or ``release``. The process kills itself
with SIGKILL there, so that nothing of it, neither Python nor JVM, has a chance to tidy up.
"""

import os
import signal
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

from affinity.io.publication import Publication
from affinity.io.store import Store
from affinity.tables.spec import TableSpec
from tests.faults.toys import TWO_TABLES
from tests.shop import Shop


def main() -> None:
    folder, point = Path(sys.argv[1]), sys.argv[2]
    job, _, restate = sys.argv[3].partition(":")
    as_of = date.fromisoformat(sys.argv[4]) if len(sys.argv) > 4 else None
    _arm(point)
    shop = Shop(folder, overrides=["spark.master=local[2]"])
    result = shop.run(TWO_TABLES if job == TWO_TABLES.name else job, as_of, restate=bool(restate))
    sys.exit(f"survived the fault {point}: {result}")


def _arm(point: str) -> None:
    when, _, table = point.partition(":")
    publish, commit, release = Store.publish, Store.commit_parts, Publication.release

    def around(spec: TableSpec, work: Callable[[], int]) -> int:
        if when == "before" and spec.full_name == table:
            _die(point)
        version = work()
        if when == "after" and spec.full_name == table:
            _die(point)
        return version

    def publish_or_die(self: Store, staged: Any, spec: TableSpec, *rest: Any, **more: Any) -> int:
        return around(spec, lambda: publish(self, staged, spec, *rest, **more))

    def commit_or_die(self: Store, spec: TableSpec, *rest: Any) -> int:
        return around(spec, lambda: commit(self, spec, *rest))

    def release_or_die(self: Publication) -> dict[str, Any]:
        if when == "release":
            _die(point)
        return release(self)

    Store.publish, Store.commit_parts = publish_or_die, commit_or_die  # type: ignore[method-assign]
    Publication.release = release_or_die  # type: ignore[method-assign]


def _die(point: str) -> None:
    print(f"injected {point}", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
