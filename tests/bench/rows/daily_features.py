"""From lines to features of customers: one path for all of them, beside a window for each, beside DuckDB."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
from pyspark.sql import Column, DataFrame, SparkSession, Window, WindowSpec
from pyspark.sql import functions as F

from affinity.io.platform import Platform
from tests.bench.events import OUT
from tests.bench.harness import Detail, Row, Sample, Variant, equal
from tests.bench.lines import AS_OF, features_of, make_lines, read_by_tasks
from tests.bench.shop_runs import root_in
from tests.bench.spark_work import work_so_far

WINDOWS = (7, 30, 90, 365)
COUNTED = {"n_views": "view", "n_carts": "cart"}
MEASURES = ("frequency", "n_active_days", "n_views", "n_carts", "n_sessions", "n_visit_days")
COMPARED = (
    *("customer_id", "recency_days", "tenure_days", "monetary_amount", "n_items", "n_lines", "mean_gap_days"),
    *MEASURES,
    *(f"{name}_{days}d" for name in MEASURES for days in WINDOWS),
    *(f"monetary_{days}d_amount" for days in WINDOWS),
)


@contextmanager
def row(n_lines: int = 10_000_000, n_people: int = 200_000, n_runs: int = 3) -> Iterator[Row]:
    """Lines that are on disk, features that are written: the table is compared column by column."""
    OUT.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=OUT, prefix="features-") as scratch:
        folder = Path(scratch)
        make_lines(folder / "lines", n_lines, n_people)
        platform = root_in(folder, "root")
        spark = platform.spark
        try:
            yield Row(
                name="daily_features",
                doc=f"{n_lines:,} lines of {n_people:,} people over 180 days, one in a hundred sent twice: without the "
                f"second ones, sessions, days and {len(COMPARED) - 1} features as of {AS_OF}, of which ours computes "
                "some more. The peers: Spark with a window to find what was sent twice, one for sessions, and a window "
                "expression per feature; DuckDB with one statement, 2 threads.",
                variants=[
                    Variant("affinity", partial(_by_spark, spark, folder, partial(_by_days, platform))),
                    Variant("spark, window per feature", partial(_by_spark, spark, folder, _windows)),
                    Variant("duckdb", partial(_by_duckdb, folder)),
                ],
                difference=equal,
                peer="spark, window per feature",
                n_runs=n_runs,
                n_warm_ups=1,
                notes={"spark": spark.version, "duckdb": duckdb.__version__},
            )
        finally:
            spark.stop()


def _by_spark(spark: SparkSession, folder: Path, features: Callable[[SparkSession, Path], DataFrame]) -> Sample:
    out, before = folder / "features", work_so_far(spark)
    features(spark, folder).write.mode("overwrite").parquet(str(out))
    work = work_so_far(spark) - before
    detail = {"jobs": work.n_jobs, "shuffled, MB": work.shuffle_written // 1_000_000}
    return _content(f"{out}/*.parquet", detail)


def _content(files: str, detail: Detail) -> Sample:
    """Rows, and a sum of digests free of order: a double that is equal is equal to its last bit."""
    with duckdb.connect() as connection:
        said = ", ".join(f"{name}::VARCHAR" for name in COMPARED)
        found = connection.execute(
            f"SELECT count(*), sum(hash({said})::HUGEINT) FROM read_parquet('{files}')"
        ).fetchone()
    return Sample(found, [detail])


def _by_days(platform: Platform, spark: SparkSession, folder: Path) -> DataFrame:
    return features_of(platform, read_by_tasks(spark, folder / "lines"), folder / "scratch")


def _windows(spark: SparkSession, folder: Path) -> DataFrame:
    """As it is mostly written: each step a window, each feature an expression over all rows of its customer."""
    lines = spark.read.parquet(str(folder / "lines"))
    first = Window.partitionBy("source", "event_id").orderBy("file_date", "file_id", "line_no")
    events = lines.withColumn("place", F.row_number().over(first)).where("place = 1")
    customer_id = F.concat(F.lit("c"), F.left(F.sha2(F.concat(F.lit("customer:"), "subject_key"), 256), F.lit(24)))
    events = events.where(F.col("event_date") < F.lit(AS_OF)).withColumn("customer_id", customer_id)
    before = F.lag("event_ts").over(Window.partitionBy("customer_id").orderBy("event_ts"))
    pause = F.unix_micros("event_ts") - F.unix_micros(before)
    events = events.withColumn("begins", before.isNull() | (pause > 30 * 60 * 1_000_000))
    found = events.select("customer_id", *(column.alias(name) for name, column in _expressions().items()))
    gap = F.datediff("last_date", "first_date") / F.nullif(F.col("n_active_days") - 1, F.lit(0))
    made = found.dropDuplicates(["customer_id"]).where("n_lines > 0").withColumn("mean_gap_days", gap)
    days = {
        "recency_days": F.datediff(F.lit(AS_OF), "last_date"),
        "tenure_days": F.datediff(F.lit(AS_OF), "first_date"),
    }
    return made.withColumns(days).select(*COMPARED)


def _expressions() -> dict[str, Column]:
    bought, everything = F.col("event_type") == "purchase", F.lit(True)
    found = {
        "first_date": F.min(F.when(bought, F.col("event_date"))).over(_mine()),
        "last_date": F.max(F.when(bought, F.col("event_date"))).over(_mine()),
        "n_items": _distinct(bought, "item_id"),
        "n_lines": _count(bought),
        "monetary_amount": _sum(bought),
    }
    for days in (None, *WINDOWS):
        is_in = everything if days is None else F.col("event_date") >= F.lit(AS_OF - timedelta(days=days))
        suffix = "" if days is None else f"_{days}d"
        found |= {
            f"frequency{suffix}": _distinct(is_in & bought, "order_id"),
            f"n_active_days{suffix}": _distinct(is_in & bought, "event_date"),
            f"n_visit_days{suffix}": _distinct(is_in, "event_date"),
            f"n_sessions{suffix}": _count(is_in & F.col("begins")),
            **{f"{n}{suffix}": _count(is_in & (F.col("event_type") == t)) for n, t in COUNTED.items()},
        }
        if days:
            found[f"monetary_{days}d_amount"] = _sum(is_in & bought)
    return found


def _mine() -> WindowSpec:
    return Window.partitionBy("customer_id")


def _distinct(is_in: Column, name: str) -> Column:
    return F.size(F.collect_set(F.when(is_in, F.col(name))).over(_mine()))


def _count(is_in: Column) -> Column:
    return F.count_if(is_in).over(_mine())


def _sum(is_in: Column) -> Column:
    return F.coalesce(F.sum(F.when(is_in, F.col("amount"))).over(_mine()), F.lit(0)).cast("decimal(18,4)")


def _by_duckdb(folder: Path) -> Sample:
    out = folder / "by-duckdb.parquet"
    shutil.rmtree(out, ignore_errors=True)
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"COPY ({_sql(folder)}) TO '{out}' (FORMAT parquet)")
    return _content(str(out), {})


def _sql(folder: Path) -> str:
    bought = "event_type = 'purchase'"
    features = [
        f"date_diff('day', max(event_date) FILTER ({bought}), DATE '{AS_OF}') AS recency_days",
        f"date_diff('day', min(event_date) FILTER ({bought}), DATE '{AS_OF}') AS tenure_days",
        f"coalesce(sum(amount) FILTER ({bought}), 0)::DECIMAL(18, 4) AS monetary_amount",
        f"count(DISTINCT item_id) FILTER ({bought}) AS n_items",
        f"count(*) FILTER ({bought}) AS n_lines",
        f"date_diff('day', min(event_date) FILTER ({bought}), max(event_date) FILTER ({bought}))::DOUBLE"
        f" / nullif(count(DISTINCT event_date) FILTER ({bought}) - 1, 0) AS mean_gap_days",
    ]
    for days in (None, *WINDOWS):
        is_in = "true" if days is None else f"event_date >= DATE '{AS_OF - timedelta(days=days)}'"
        suffix = "" if days is None else f"_{days}d"
        features += [
            f"count(DISTINCT order_id) FILTER ({bought} AND {is_in}) AS frequency{suffix}",
            f"count(DISTINCT event_date) FILTER ({bought} AND {is_in}) AS n_active_days{suffix}",
            f"count(DISTINCT event_date) FILTER ({is_in}) AS n_visit_days{suffix}",
            f"count(*) FILTER (begins AND {is_in}) AS n_sessions{suffix}",
            *(f"count(*) FILTER (event_type = '{t}' AND {is_in}) AS {name}{suffix}" for name, t in COUNTED.items()),
        ]
        if days:
            total = f"coalesce(sum(amount) FILTER ({bought} AND {is_in}), 0)::DECIMAL(18, 4)"
            features.append(f"{total} AS monetary_{days}d_amount")
    return f"""
        WITH events AS (
            SELECT * EXCLUDE (subject_key), epoch_us(event_ts) AS ts,
                'c' || left(sha256('customer:' || subject_key), 24) AS customer_id
            FROM read_parquet('{folder}/lines/*.parquet')
            QUALIFY row_number() OVER (PARTITION BY source, event_id ORDER BY file_date, file_id, line_no) = 1
        ),
        visits AS (
            SELECT *, coalesce(ts - lag(ts) OVER (PARTITION BY customer_id ORDER BY ts) > 30 * 60 * 1000000, true)
                AS begins
            FROM events WHERE event_date < DATE '{AS_OF}'
        )
        SELECT customer_id, {", ".join(features)} FROM visits GROUP BY customer_id
        HAVING count(*) FILTER ({bought}) > 0"""
