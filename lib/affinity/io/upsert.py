"""Rows that give way to newer ones: staged rows are merged on the key of a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from delta.tables import DeltaTable
from deltalake import CommitProperties
from deltalake import DeltaTable as DeltaTableFile
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from affinity.io.root import Root
from affinity.io.session import setting
from affinity.reading.spelling import quoted
from affinity.tables.spec import TableSpec

COMMIT_METADATA = "spark.databricks.delta.commitInfo.userMetadata"
_MATERIALIZES = "spark.databricks.delta.merge.materializeSource"
_FEW_BYTES, _FEW_ROWS = 256 << 20, 1_000_000


@dataclass(frozen=True)
class Staged:
    """Rows of a run that are to be merged, and what its commit says."""

    rows: DataFrame
    spec: TableSpec
    run_id: str
    metadata: str


def upsert(root: Root, staged: Staged, replaced: Sequence[str]) -> None:
    """Merge on the key; a row gives way to one that is newer by the order of the table, or whose file is replaced."""
    rules, path = _Rules.of(staged.spec, replaced), str(root.table(staged.spec))
    files = pa.table(DeltaTableFile(path).get_add_actions())
    if _are_few(root, staged, files, rules):  # Spark needs seconds for next to none
        _merge_here(path, staged, rules)
    elif len(files):
        _merge_by_spark(path, staged, rules)
    else:
        staged.rows.write.format("delta").option("userMetadata", staged.metadata).mode("append").save(path)


def _merge_by_spark(path: str, staged: Staged, rules: "_Rules") -> None:
    spark, days = staged.rows.sparkSession, _days(staged.spec)
    table = DeltaTable.forPath(spark, path).alias("t")
    ends = staged.rows.agg(*(end(day) for day in days for end in (F.min, F.max))).first() if days else ()
    within = rules.is_one_within(days, ends or ())
    merge = table.merge(staged.rows.alias("s"), within).whenMatchedUpdateAll(condition=rules.gives_way)
    if rules.goes:
        merge = merge.whenNotMatchedBySourceDelete(condition=rules.goes)
    # A merge takes no writer options. It would keep a copy of the staged rows in memory, lest they change meanwhile.
    with setting(spark, COMMIT_METADATA, staged.metadata), setting(spark, _MATERIALIZES, "none"):
        merge.whenNotMatchedInsertAll().execute()


def _are_few(root: Root, staged: Staged, files: pa.Table, rules: "_Rules") -> bool:
    """Whether one process can merge the staged rows of a run into the files of a table: many may take few bytes."""
    new = list(root.staging(staged.run_id, staged.spec).rglob("*.parquet"))
    n_bytes = int(pc.sum(files["size_bytes"]).as_py() or 0) + sum(path.stat().st_size for path in new)
    n_rows = sum(int(pq.read_metadata(path).num_rows) for path in new)
    if rules.goes:  # else those files alone are copied whose keys and days may be those of staged rows
        n_rows += int(pc.sum(files["num_records"]).as_py() or 0)
    return n_bytes <= _FEW_BYTES and n_rows <= _FEW_ROWS


def _merge_here(path: str, staged: Staged, rules: "_Rules") -> None:
    table, rows = DeltaTableFile(path), staged.rows.toArrow()
    properties = CommitProperties(custom_metadata={"userMetadata": staged.metadata})
    days = _days(staged.spec)
    ends = [end(rows[day]).as_py() for day in days for end in (pc.min, pc.max)]
    within = rules.is_one_within(days, ends)
    merge = table.merge(rows, within, "s", "t", commit_properties=properties)
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

    def is_one_within(self, days: Sequence[str], ends: Sequence[date | None]) -> str:
        """``is_one`` between the first and the last of the days of the key: files of others are passed over.

        Not where rows may go that no staged one replaces.
        """
        pairs = zip(days, ends[::2], ends[1::2], strict=True)
        bounds = [f"t.{day} BETWEEN DATE '{first}' AND DATE '{last}'" for day, first, last in pairs if first and last]
        return self.is_one if self.goes else " AND ".join([self.is_one, *bounds])


def _days(spec: TableSpec) -> list[str]:
    return [column.name for column in spec.columns if column.name in spec.key and column.type == "date"]


def _is_newer(order: Sequence[str]) -> str | None:
    """Whether a staged row comes after that of the table, by these columns in turn; None where it always does."""
    ways = [
        " AND ".join([*(f"s.{same} = t.{same}" for same in order[:place]), f"s.{name} > t.{name}"])
        for place, name in enumerate(order)
    ]
    return " OR ".join(f"({way})" for way in ways) or None
