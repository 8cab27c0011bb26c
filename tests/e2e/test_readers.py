"""Whoever reads a published table sees the same rows: Spark, delta-rs, Polars and DuckDB."""

import polars as pl
import pytest
from deltalake import DeltaTable

from affinity.io.ask import connect
from affinity.io.releases import Releases
from affinity.tables import silver
from affinity.tables.catalog import SPARK_TABLES
from affinity.tables.spec import TableSpec
from tests.digest import digest, duckdb_digest, polars_digest, spark_digest
from tests.e2e.conftest import Demo

PUBLISHED = [spec for spec in SPARK_TABLES if spec.published]


@pytest.mark.parametrize("spec", PUBLISHED, ids=lambda spec: spec.full_name)
def test_every_reader_sees_the_same_rows(demo: Demo, spec: TableSpec) -> None:
    version = Releases.of(demo.platform.ops).version(spec)
    assert version is not None
    path = str(demo.platform.root.table(spec))

    expected = spark_digest(demo.read(spec), spec)

    if spec is not silver.IDENTITY_CHANGES:  # these orders name nobody by two ids: in tests/simulate some do
        assert not expected.startswith("0-"), "an empty table proves nothing"
    assert digest(DeltaTable(path, version=version).to_pyarrow_dataset(), spec) == expected
    assert polars_digest(pl.scan_delta(path, version=version).collect(), spec) == expected
    assert duckdb_digest(connect(demo.platform.root), spec.full_name, spec) == expected


@pytest.mark.parametrize("spec", PUBLISHED, ids=lambda spec: spec.full_name)
def test_tables_keep_to_features_that_every_reader_has(demo: Demo, spec: TableSpec) -> None:
    protocol = DeltaTable(str(demo.platform.root.table(spec))).protocol()
    assert protocol.min_reader_version == 1
    assert not protocol.reader_features
