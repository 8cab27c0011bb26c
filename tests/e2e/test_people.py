"""Raw ids stay in landing: not in tables, logs, MLflow or the command's own words."""

import subprocess
import sys
from pathlib import Path

from pyspark.sql import SparkSession

from affinity.tables import bronze, silver
from affinity.tables.catalog import SPARK_TABLES
from tests.shop import Shop, line

RAW = "98765432109"


def test_a_raw_id_is_nowhere_below_the_root(spark: SparkSession, tmp_path: Path) -> None:
    shop = Shop(tmp_path, spark)
    shop.land("2011-01-04.csv", [line("2011-01-04", CustomerID=RAW), line("2011-01-04", CustomerID=f"{RAW}.0")])
    shop.ingest()
    shop.run("ingest_customers")

    (known,) = shop.read(silver.CUSTOMERS).collect()
    assert shop.read(bronze.EVENTS).select("subject_key").distinct().count() == 1, "both spellings are one customer"
    assert known["customer_id"].startswith("c")
    for spec in SPARK_TABLES:
        assert RAW not in str(shop.read(spec).collect())
    held = [path for path in shop.root.rglob("*") if path.is_file() and RAW.encode() in path.read_bytes()]
    assert held == []


def test_the_key_is_in_no_plan_and_no_file_but_its_own(spark: SparkSession, tmp_path: Path) -> None:
    shop = Shop(tmp_path, spark)
    shop.land("2011-01-04.csv", [line("2011-01-04")])
    shop.ingest()
    key = shop.platform.root.key_file.read_text().strip().encode()
    held = [path for path in shop.root.rglob("*") if path.is_file() and key in path.read_bytes()]
    assert held == [shop.platform.root.key_file]
    assert shop.platform.root.key_file.stat().st_mode & 0o077 == 0


def test_a_raw_id_as_an_argument_is_refused_without_repeating_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "affinity.jobs.cli", "customer", "show", RAW, "--root", str(tmp_path)]
    refused = subprocess.run(command, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert RAW not in refused.stdout + refused.stderr
