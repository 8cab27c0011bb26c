"""Rows that give way to newer ones: staged rows are merged on the key of a table."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from delta.tables import DeltaTable
from deltalake import CommitProperties
from deltalake import DeltaTable as DeltaTableFile
from pyspark.sql import DataFrame

from affinity.io.root import Root
from affinity.io.session import setting
from affinity.reading.spelling import quoted
from affinity.tables.spec import TableSpec

COMMIT_METADATA = "spark.databricks.delta.commitInfo.userMetadata"
_FEW_BYTES = 256 << 20


@dataclass(frozen=True)
class Staged:
    """Rows of a run that are to be merged, and what its commit says."""

    rows: DataFrame
    spec: TableSpec
    run_id: str
    metadata: str


def upsert(root: Root, staged: Staged, replaced: Sequence[str]) -> None:
    """Merge on the key; a row gives way to one that is newer by the order of the table, or whose file is replaced."""
    rules, spark = _Rules.of(staged.spec, replaced), staged.rows.sparkSession
    if _n_bytes(root, staged) <= _FEW_BYTES:  # Spark needs seconds for next to none
        _merge_here(root, staged, rules)
        return
    table = DeltaTable.forPath(spark, str(root.table(staged.spec))).alias("t")
    merge = table.merge(staged.rows.alias("s"), rules.is_one).whenMatchedUpdateAll(condition=rules.gives_way)
    if rules.goes:
        merge = merge.whenNotMatchedBySourceDelete(condition=rules.goes)
    with setting(spark, COMMIT_METADATA, staged.metadata):  # a merge takes no writer options
        merge.whenNotMatchedInsertAll().execute()


def _n_bytes(root: Root, staged: Staged) -> int:
    """How much a table and the staged rows of a run hold."""
    actions = pa.table(DeltaTableFile(str(root.table(staged.spec))).get_add_actions())
    files = root.staging(staged.run_id, staged.spec).rglob("*.parquet")
    return int(pc.sum(actions["size_bytes"]).as_py() or 0) + sum(path.stat().st_size for path in files)


def _merge_here(root: Root, staged: Staged, rules: "_Rules") -> None:
    table, rows = DeltaTableFile(str(root.table(staged.spec))), staged.rows.toArrow()
    properties = CommitProperties(custom_metadata={"userMetadata": staged.metadata})
    is_one = rules.is_one if rules.goes else " AND ".join([rules.is_one, *_bounds(rows, staged.spec)])
    merge = table.merge(rows, is_one, "s", "t", commit_properties=properties)
    merge = merge.when_matched_update_all(predicate=rules.gives_way).when_not_matched_insert_all()
    if rules.goes:
        merge = merge.when_not_matched_by_source_delete(predicate=rules.goes)
    merge.execute()


@dataclass(frozen=True)
class _Rules:
    """Which row of a table (t) and staged row (s) are one, which row of the table gives way, and which goes, as SQL."""

    is_one: str
    gives_way: str | None
    goes: str | None

    @staticmethod
    def of(spec: TableSpec, replaced: Sequence[str]) -> "_Rules":
        goes = None
        if replaced and "file_id" in spec.column_names:
            goes = f"t.file_id IN ({', '.join(quoted(file_id) for file_id in replaced)})"
        newer = _is_newer(spec.upsert_order)
        gives_way = f"{newer} OR {goes}" if newer and goes else newer
        return _Rules(" AND ".join(f"t.{name} = s.{name}" for name in spec.key), gives_way, goes)


def _bounds(staged: pa.Table, spec: TableSpec) -> list[str]:
    """Between which days of its key a row of a table (t) lies that may be a staged one: other files are not opened."""
    days = [column.name for column in spec.columns if column.name in spec.key and column.type == "date"]
    ends = {name: pc.min_max(staged[name]).as_py() for name in days if len(staged)}
    return [f"t.{name} BETWEEN DATE '{found['min']}' AND DATE '{found['max']}'" for name, found in ends.items()]


def _is_newer(order: Sequence[str]) -> str | None:
    """Whether a staged row comes after that of the table, by these columns in turn; None where it always does."""
    ways = [
        " AND ".join([*(f"s.{same} = t.{same}" for same in order[:place]), f"s.{name} > t.{name}"])
        for place, name in enumerate(order)
    ]
    return " OR ".join(f"({way})" for way in ways) or None
