"""One per cent more events, some of them late, into a table of ten million: by days beside a merge on the key."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import deltalake
import duckdb
from delta.tables import DeltaTable
from deltalake import DeltaTable as DeltaTableFile
from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as F

from affinity.features.cleaning import SAME_EVENT_DAYS, Rivals, counted_by_day, duplicates
from affinity.features.grouped import Files
from affinity.io.platform import Platform
from affinity.io.sorting import SORTED, Judgement, sorted_out
from affinity.privacy.columns import customer_id
from affinity.tables import silver
from tests.bench.events import OUT
from tests.bench.harness import Row, Sample, Variant
from tests.bench.lines import FIRST_DAY, N_DAYS, judgement_of, make_lines, read_by_tasks
from tests.bench.shop_runs import root_in

LATE_DAYS = 40
Upsert = Callable[[Path, int], None]
Content = tuple[int, object]


@contextmanager
def row(n_lines: int = 10_000_000, n_people: int = 200_000, n_runs: int = 5) -> Iterator[Row]:
    """Each variant has a table of its own and takes one batch after the other."""
    OUT.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=OUT, prefix="upsert-") as scratch:
        folder = Path(scratch)
        platform = root_in(folder, "days")
        spark = platform.spark
        make_lines(folder / "base", n_lines, n_people)
        base = read_by_tasks(spark, folder / "base")
        _published(platform, "base", base, judgement_of(base, folder / "scratch", "base"))
        for number in range(n_runs + 1):
            _make_batch(folder, number, n_lines, n_people)
        _make_dates(folder)
        tables = {"affinity": platform.root.table(silver.EVENTS), **{n: folder / n for n in ("merge", "deltalake")}}
        for name in ("merge", "deltalake"):
            shutil.copytree(tables["affinity"], tables[name])
        seen: dict[int, Content] = {}
        ways: dict[str, tuple[str, Upsert]] = {
            "affinity": ("affinity", partial(_by_days, platform)),
            "spark, full-key MERGE": ("merge", partial(_by_merge, spark, tables["merge"])),
            "deltalake": ("deltalake", partial(_by_deltalake, tables["deltalake"])),
        }
        try:
            yield Row(
                name="daily_upsert",
                doc=f"{n_lines // 100:,} lines, one in twenty up to {LATE_DAYS} days late and some that were sent "
                f"before, into a Delta table of {n_lines:,} events, partitioned by day: ours looks for ids that came "
                "before on days nearby and adds files; it also writes, which the peers do not, what the days add up "
                "to. Neither is audited, and of ours nothing but the events is committed. The peers merge on source "
                "and event_id, of lines of which each id is taken once.",
                variants=[
                    Variant(name, partial(_batch, folder, tables[table], upsert, []))
                    for name, (table, upsert) in ways.items()
                ],
                difference=partial(_difference, seen),
                peer="spark, full-key MERGE",
                n_runs=n_runs,
                n_warm_ups=1,
                notes={"spark": spark.version, "deltalake": deltalake.__version__},
            )
        finally:
            spark.stop()


def _make_batch(folder: Path, number: int, n_lines: int, n_people: int) -> None:
    """The lines of one more day, late ones of the days before, and a few that were sent the day before."""
    n, out = n_lines // 100, folder / f"batch-{number}"
    day, first = FIRST_DAY + timedelta(days=N_DAYS + number), 2 * n_lines + 2 * number * n
    make_lines(out, n - n // 20, n_people, n_files=1, first=first, day=day, n_days=1)
    late = day - timedelta(days=LATE_DAYS)
    make_lines(out, n // 20, n_people, n_files=1, first=first + n, day=late, n_days=LATE_DAYS)
    before = folder / (f"batch-{number - 1}" if number else "base")
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT * REPLACE (file_date + 3 AS file_date, sha256(file_id) AS file_id) "
            f"FROM read_parquet('{before}/lines-*.parquet') WHERE event_date >= DATE '{day - timedelta(days=2)}' "
            f"ORDER BY event_id LIMIT {n // 50}) TO '{out}/again.parquet' (FORMAT parquet)"
        )


def _make_dates(folder: Path) -> None:
    """The nominal date of every file, as the manifest would tell it."""
    (folder / "dates").mkdir()
    with duckdb.connect() as connection:
        files = f"SELECT DISTINCT file_id, DATE '{FIRST_DAY}' AS file_date FROM read_parquet('{folder}/ba*/*.parquet')"
        connection.execute(f"COPY ({files}) TO '{folder}/dates/all.parquet' (FORMAT parquet)")


def _batch(folder: Path, table: Path, upsert: Upsert, done: list[int]) -> Sample:
    """The next batch into a table; what is compared is the whole table after it."""
    number = len(done)
    done.append(number)
    before = set(DeltaTableFile(str(table)).file_uris()) if DeltaTableFile.is_deltatable(str(table)) else set()
    upsert(folder / f"batch-{number}", number)
    files = DeltaTableFile(str(table)).file_uris()
    written = sum(Path(file).stat().st_size for file in set(files) - before)
    with duckdb.connect() as connection:
        found = connection.execute(
            "SELECT count(*), sum(hash(event_id, event_type, event_ts, subject_id, item_id, amount)::HUGEINT) "
            "FROM read_parquet($files)",
            {"files": files},
        ).fetchone()
    return Sample((number, found), [{"new files": len(set(files) - before), "written, MB": round(written / 1e6, 1)}])


def _difference(seen: dict[int, Content], first: Content, found: Content) -> str | None:
    """Tables are compared after the same batch."""
    expected = seen.setdefault(found[0], first if first[0] == found[0] else found)
    return None if expected == found else f"expected {expected}, got {found}"


def _published(platform: Platform, run_id: str, lines: Files, judgement: Judgement) -> None:
    store = platform.store
    for spec in SORTED:
        store.ensure(spec)
    staged = store.staged_files(sorted_out(lines, judgement, store)[silver.EVENTS], silver.EVENTS)
    store.publish(staged, silver.EVENTS, run_id, [])


def _by_days(platform: Platform, batch: Path, number: int) -> None:
    lines, store = read_by_tasks(platform.spark, batch), platform.store
    n_lines = counted_by_day(lines)
    near = {day + timedelta(days=by) for day in n_lines for by in range(-SAME_EVENT_DAYS, SAME_EVENT_DAYS + 1)}
    known = store.files(silver.EVENTS, store.version(silver.EVENTS), near)
    run_id, scratch = f"batch-{number}", batch.with_name(f"{batch.name}-scratch")
    rivals, n = [Rivals(known, batch.with_name("dates"))], sum(n_lines.values())
    repeated = duplicates(lines, rivals, scratch / "digests", n_lines=n)
    repeated.write.parquet(str(scratch / "repeated"))
    _published(platform, run_id, lines, Judgement(scratch / "repeated", n_lines, run_id, "UTC"))


def _by_merge(spark: SparkSession, table: Path, batch: Path, number: int) -> None:
    first = Window.partitionBy("source", "event_id").orderBy("file_date", "file_id", "line_no")
    lines = spark.read.parquet(str(batch)).withColumn("place", F.row_number().over(first)).where("place = 1")
    positive = {name: F.abs(name).cast("decimal(18,4)").alias(name) for name in ("quantity", "amount")}
    made = {**positive, "subject_id": customer_id(F.col("subject_key")), "run_id": F.lit(f"batch-{number}")}
    accepted = lines.select(*(made.get(name, F.col(name)).alias(name) for name in silver.EVENTS.column_names))
    target = DeltaTable.forPath(spark, str(table)).alias("t")
    merge = target.merge(
        accepted.alias("s"),
        "t.source = s.source AND t.event_id = s.event_id",
    )
    merge.whenNotMatchedInsertAll().execute()


def _by_deltalake(table: Path, batch: Path, number: int) -> None:
    columns = {
        "subject_id": "'c' || left(sha256('customer:' || subject_key), 24)",
        "quantity": "abs(quantity)::DECIMAL(18, 4)",
        "amount": "abs(amount)::DECIMAL(18, 4)",
        "run_id": f"'batch-{number}'",
    }
    said = ", ".join(f"{columns.get(name, name)} AS {name}" for name in silver.EVENTS.column_names)
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        rows = connection.sql(
            f"SELECT {said} FROM read_parquet('{batch}/*.parquet') "
            "QUALIFY row_number() OVER (PARTITION BY source, event_id ORDER BY file_date, file_id, line_no) = 1"
        ).to_arrow_table()
    merge = DeltaTableFile(str(table)).merge(
        rows, "t.source = s.source AND t.event_id = s.event_id", source_alias="s", target_alias="t"
    )
    merge.when_not_matched_insert_all().execute()
