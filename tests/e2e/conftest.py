"""The whole chain once, on the packed orders of nine months; everything here looks at what came out."""

from datetime import date
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from affinity.core.errors import ExitCode
from affinity.io.chain import walk
from affinity.io.demo import unpack
from affinity.io.plan import Request
from affinity.io.runner import Result
from affinity.jobs.catalog import JOBS
from tests.shop import Shop

ARCHIVE = Path(__file__).resolve().parents[2] / "deploy/demo/online_retail.tar.xz"
AS_OF = date(2011, 9, 1)


class Demo(Shop):
    """The shop of the demonstration."""

    def walk(self, as_of: date = AS_OF) -> list[Result]:
        """Run all jobs for a date."""
        self.reopen()
        return list(walk(self.platform, JOBS, Request(as_of, ("online_retail",), self.landing)))


@pytest.fixture(scope="session")
def demo(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """A root over which every job has run for 2011-09-01."""
    folder = tmp_path_factory.mktemp("demo")
    unpack(folder / "landing", ARCHIVE)
    # k-means starts from points that customers' tokens place: under one key, one result, on every machine.
    (folder / "subject.key").write_text("5e" * 32, encoding="ascii")
    made = Demo(folder, spark, overrides=[f"privacy.key_file={folder / 'subject.key'}"])
    results = made.walk()
    failed = [result for result in results if result.exit_code is not ExitCode.DONE]
    assert not failed, failed
    return made
