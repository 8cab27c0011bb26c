"""Lines of bronze for measuring what comes after: people who come back, in sessions, and some lines sent twice."""

import uuid
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from affinity.features.cleaning import counted_by_day, duplicates
from affinity.features.customers import features_of_files
from affinity.features.daily import contributions
from affinity.features.grouped import Files
from affinity.io.platform import Platform
from affinity.io.sorting import Destination, Judgement, by_days, know_events
from affinity.tables import bronze, silver

FIRST_DAY = date(2025, 1, 1)
N_DAYS = 180
AS_OF = date(2025, 6, 30)
_PER_SESSION = 5

# One line in a hundred is sent once more, by a later file: its number is that of an earlier line.
_LINES = """
WITH numbered AS (
    SELECT range AS n, CASE WHEN range % 100 = 99 THEN range - 50 ELSE range END AS m FROM range({first}, {last})
),
drawn AS (
    SELECT n, m, m // {per_session} AS visit, draw(m // {per_session}, 1, {n_people}) AS person,
        TIMESTAMP '{day} 06:00:00' + INTERVAL (draw(m // {per_session}, 2, {n_days})) DAY
        + to_milliseconds(draw(m // {per_session}, 3, 57600000) + (m % {per_session}) * 240000) AS ts,
        ['view', 'view', 'view', 'cart', 'purchase'][1 + draw(m, 4, 5)] AS event_type
    FROM numbered
)
SELECT 'web' AS source, sha256('f' || CAST(ts AS DATE) || (n = m)) AS file_id,
    CAST(ts AS DATE) + CASE WHEN n = m THEN 0 ELSE 1 END AS file_date, n AS line_no, 1 AS reading,
    'n' || left(sha256('e' || m), 31) AS event_id, event_type, timezone('UTC', ts) AS event_ts,
    CAST(ts AS DATE) AS event_date, 'account' AS subject_kind, sha256('p' || person) AS subject_key,
    CAST(NULL AS VARCHAR[]) AS linked,
    CASE WHEN event_type = 'purchase' THEN 'o' || visit END AS order_id, 'i' || draw(m, 5, 20000) AS item_id,
    CASE WHEN event_type = 'purchase' THEN CAST(1 + draw(m, 6, 4) AS DECIMAL(18, 4)) END AS quantity,
    CASE WHEN event_type = 'purchase' THEN CAST(1.25 AS DECIMAL(18, 4)) END AS unit_price,
    CASE WHEN event_type = 'purchase' THEN CAST((1 + draw(m, 6, 4)) * 1.25 AS DECIMAL(18, 4)) END AS amount,
    CASE WHEN event_type = 'purchase' THEN 'EUR' END AS currency, CAST(NULL AS VARCHAR) AS payload,
    CAST([] AS VARCHAR[]) AS defects, CAST(NULL AS VARCHAR) AS rejection, CAST(NULL AS VARCHAR) AS rejected_as,
    CAST(NULL AS VARCHAR) AS column_name, CAST(NULL AS VARCHAR) AS expected, CAST(NULL AS VARCHAR) AS got,
    'bench' AS run_id
FROM drawn
"""


def make_lines(
    folder: Path,
    n_lines: int,
    n_people: int,
    *,
    n_files: int = 8,
    first: int = 0,
    day: date = FIRST_DAY,
    n_days: int = N_DAYS,
) -> None:
    """Parquet with the columns of bronze.events, of the days from ``day`` on; the same for the same arguments.

    ``first`` is the number of the first line, by which lines are told apart; it has to be a multiple of 100.
    """
    folder.mkdir(parents=True, exist_ok=True)
    per_file = n_lines // n_files
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("CREATE MACRO draw(n, salt, below) AS (hash(n, salt) % below)::BIGINT")
        for number in range(n_files):
            begin = first + number * per_file
            asked = {"first": begin, "last": begin + per_file, "day": day, "n_days": n_days}
            lines = _LINES.format(**asked, n_people=n_people, per_session=_PER_SESSION)
            connection.execute(f"COPY ({lines}) TO '{folder}/lines-{begin}.parquet' (FORMAT parquet)")


def read_by_tasks(spark: SparkSession, *folders: Path) -> Files:
    """What ``make_lines`` made."""
    columns = {column.name: column.type for column in bronze.EVENTS.columns}
    return Files(spark, [str(path) for folder in folders for path in sorted(folder.glob("*.parquet"))], columns)


def judgement_of(lines: Files, scratch: Path, run_id: str = "bench") -> Judgement:
    """How all lines are judged, as clean_events does it where none was judged before."""
    at = scratch / uuid.uuid4().hex
    n_lines = counted_by_day(lines)
    duplicates(lines, [], at / "digests", n_lines=sum(n_lines.values())).write.parquet(str(at / "repeated"))
    return Judgement(at / "repeated", n_lines, run_id, "UTC")


def features_of(platform: Platform, lines: Files, scratch: Path) -> DataFrame:
    """From lines to features, by what clean_events and build_features do; silver.events is not written."""
    store, judgement = platform.store, judgement_of(lines, scratch)
    store.ensure(silver.SUBJECT_DAILY)
    place = Destination.of(silver.SUBJECT_DAILY, judgement.run_id, store)

    def days(asked: duckdb.DuckDBPyConnection) -> Iterator[pa.RecordBatch]:
        know_events(asked)
        made = asked.sql(f"SELECT *, 'bench' AS run_id FROM ({contributions('events', 'UTC')}) ORDER BY event_date")
        written = [file.path for file in place.write(made.to_arrow_reader(50_000))]
        yield pa.RecordBatch.from_pydict({"path": written})

    told = by_days(lines, judgement, days, {"path": "string"}, store.n_cores).collect()
    types = {column.name: column.type for column in silver.SUBJECT_DAILY.columns}
    customers = scratch / uuid.uuid4().hex
    platform.spark.createDataFrame([], "subject_id string, customer_id string").write.parquet(str(customers))
    return features_of_files(Files(platform.spark, [row["path"] for row in told], types), customers, as_of=AS_OF)
