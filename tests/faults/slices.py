"""A driver that adds what its files say and replaces a slice, beside another: ``slices.py FOLDER LANDING AS_OF``."""

import sys
from datetime import date
from pathlib import Path

from affinity.core.errors import ExitCode
from affinity.io.job import Job, find
from affinity.io.plan import Request
from affinity.io.runner import run_job
from affinity.jobs.catalog import JOBS
from tests.faults.toys import TWO_TABLES
from tests.shop import Shop


def main() -> None:
    folder, landing, as_of = Path(sys.argv[1]), Path(sys.argv[2]), date.fromisoformat(sys.argv[3])
    shop = Shop(folder, overrides=["spark.master=local[1]"])
    jobs: list[tuple[Job, date | None]] = [(find("ingest_items", JOBS), None), (TWO_TABLES, as_of)]
    ended = [run_job(shop.platform, job, Request(day, ("online_retail",), landing, wait_secs=180)) for job, day in jobs]
    sys.exit(next((result.exit_code for result in ended if result.exit_code is not ExitCode.DONE), 0))


if __name__ == "__main__":
    main()
