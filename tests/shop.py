"""A small shop for tests: a few lines of a landed day, and a platform over a fresh root."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from affinity.features.identities import holding, of_customers
from affinity.io.config import load_config
from affinity.io.job import Job, find
from affinity.io.ops import Row
from affinity.io.plan import Request
from affinity.io.platform import Platform
from affinity.io.releases import Releases
from affinity.io.runner import Result, run_job
from affinity.jobs.catalog import JOBS
from affinity.tables import ops, silver
from affinity.tables.catalog import OF_SUBJECTS
from affinity.tables.spec import TableSpec

HEADER = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")


def line(day: str, **given: str) -> dict[str, str]:
    """One order line of a day; what is left out is filled in."""
    defaults = {
        "InvoiceNo": "500001",
        "StockCode": "10001",
        "Description": "TEA POT",
        "Quantity": "2",
        "InvoiceDate": f"{day} 10:00:00",
        "UnitPrice": "1.5",
        "CustomerID": "17850.0",
        "Country": "France",
    }
    return defaults | given


@dataclass
class Shop:
    """A landing folder, a root, and the jobs over them."""

    folder: Path
    spark: SparkSession | None = None
    overrides: Sequence[str] = ()
    platform: Platform = field(init=False)

    def __post_init__(self) -> None:
        self.landing.mkdir(parents=True, exist_ok=True)
        self.reopen()

    @property
    def landing(self) -> Path:
        """Where its files land."""
        return self.folder / "landing"

    @property
    def root(self) -> Path:
        """Where its tables are."""
        return self.folder / "root"

    def reopen(self) -> None:
        """Look at the root with fresh eyes, as a new process would."""
        config = load_config(overrides=[f"store.root={self.root}", *self.overrides])
        self.platform = Platform.open(config, session=self.spark)

    def land(self, name: str, lines: Sequence[Mapping[str, str]]) -> Path:
        """Write a landed file."""
        path = self.landing / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, HEADER, lineterminator="\n")
            writer.writeheader()
            writer.writerows(lines)
        return path

    def run(self, name: str | Job, as_of: date | None = None, **options: Any) -> Result:
        """Run one job."""
        job = find(name, JOBS) if isinstance(name, str) else name
        return run_job(self.platform, job, Request(as_of, ("online_retail",), self.landing, **options))

    def ingest(self) -> list[Result]:
        """Bring landed events to silver."""
        return [self.run("ingest_events"), self.run("clean_events")]

    def read(self, spec: TableSpec) -> DataFrame:
        """A table as released, of customers as they are known now."""
        releases = Releases.of(self.platform.ops)
        specs = (spec, silver.IDENTITY_CHANGES)
        rows, changes = (self.platform.store.read(each, releases.version(each)) for each in specs)
        return of_customers(rows, holding(changes), date.max) if spec in OF_SUBJECTS else rows

    def manifest(self) -> list[Row]:
        """The manifest as released."""
        version = Releases.of(self.platform.ops).version(ops.FILES)
        return [] if version is None else self.platform.ops.read(ops.FILES, version)

    def versions(self) -> dict[str, int | None]:
        """The released version of every table of events."""
        from affinity.tables.catalog import SPARK_TABLES

        releases = Releases.of(self.platform.ops)
        return {spec.full_name: releases.version(spec) for spec in SPARK_TABLES}
