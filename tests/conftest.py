"""One Spark session for the run, and the real shop data where it is at hand."""

import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from xdist.scheduler import LoadScopeScheduling

from affinity.io.jars import jars
from affinity.io.session import fixed_settings
from affinity.tables import silver

os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
os.environ.setdefault("AFFINITY_DEBUG", "1")  # a defect shows its trace instead of a masked line
# PySpark takes a main module without a file, as a worker of pytest-xdist has, for its own doctests, and exits.
vars(sys.modules["__main__"]).setdefault("__file__", __file__)

DATA = Path(os.environ.get("AFFINITY_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


class ByFile(LoadScopeScheduling):
    """With several workers: one file on one worker, and all that looks at one chain or one shop on the same."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return next((folder for folder in ("tests/e2e/", "tests/simulate/") if file.startswith(folder)), file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    return ByFile(config, log)


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The one session: local[2], 2 shuffle partitions, no UI, UTC, ANSI on."""
    session = (
        SparkSession.builder.master("local[2]")
        .appName("affinity-tests")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.ui.enabled", "false")
        .config("spark.python.unix.domain.socket.enabled", "true")
        .config("spark.sql.sources.parallelPartitionDiscovery.parallelism", "2")
        .config("spark.driver.memory", "3g")
        # FP-growth recurses as deep as a basket is long. A short-lived driver: the first compiler and the plain
        # collector start sooner than they lose.
        .config("spark.driver.extraJavaOptions", "-Xss16m -XX:TieredStopAtLevel=1 -XX:+UseParallelGC")
        .config("spark.jars", ",".join(str(jar) for jar in jars()))
        .config(map=fixed_settings(tmp_path_factory.mktemp("spark")))
        .getOrCreate()
    )
    session.sparkContext.setLogLevel("ERROR")
    session.sparkContext.setCheckpointDir(str(tmp_path_factory.mktemp("checkpoints")))
    yield session
    session.stop()


@pytest.fixture(scope="session")
def events_of(spark: SparkSession) -> Callable[..., DataFrame]:
    """Make silver.events of few words, of customers: one dict per event; what it leaves out is filled in."""

    def make(*events: dict[str, Any]) -> DataFrame:
        rows = [_event(number, **event) for number, event in enumerate(events)]
        names = ["customer_id" if name == "subject_id" else name for name in silver.EVENTS.column_names]
        schema = ", ".join(f"{name} {column.type}" for name, column in zip(names, silver.EVENTS.columns, strict=True))
        return spark.createDataFrame([tuple(row[name] for name in names) for row in rows], schema)

    return make


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of public data sets."""
    if not DATA.is_dir():
        pytest.skip(f"no public data sets at {DATA}; set AFFINITY_DATA to the folder that holds online_retail/")
    return DATA


def _event(number: int, **given: Any) -> dict[str, Any]:
    day = given.get("event_date", date(2011, 1, 1))
    amount = given.get("amount", 1)
    defaults = {
        "event_id": f"e{number}",
        "source": "shop",
        "event_type": "purchase",
        "event_ts": datetime.combine(day, time(12), UTC),
        "customer_id": "ann",
        "order_id": f"o{number}",
        "item_id": "tea",
        "quantity": Decimal(1),
        "unit_price": None if amount is None else Decimal(amount),
        "currency": None if amount is None else "GBP",
        "defects": [],
        "file_id": "file",
        "line_no": number + 1,
        "run_id": "run",
    }
    return defaults | given | {"event_date": day, "amount": None if amount is None else Decimal(amount)}
