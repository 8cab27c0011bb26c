"""Logs of events for measuring ingest, and what its peers make of them."""

import json
import shutil
from pathlib import Path

import duckdb
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from affinity.core.vocabulary import Status
from affinity.io.config import Config, load_config
from affinity.io.job import find
from affinity.io.plan import Request
from affinity.io.platform import Platform
from affinity.io.runner import run_job
from affinity.jobs.catalog import JOBS
from affinity.tables import bronze
from tests.bench.harness import Sample

PROJECT = Path(__file__).resolve().parents[2]
OUT = PROJECT / "build" / "bench"
KEY = "5e" * 32
COLUMNS = ("id", "ts", "type", "cookie", "account", "item", "quantity", "price", "query", "agent")
ONE_IN = 10_000  # so many lines are whole for each that is cut
# What the tables are held against each other by, row by row; the payload by what is in it, not by how it is spelled.
COMPARED = "event_id, event_type, event_ts, event_date, subject_key, item_id, quantity, unit_price, amount, currency"
_MAPPING = """
name = "{name}"
time_zone = "UTC"
currency = "GBP"
[files]
format = "{format}"
pattern = "*.{format}*"
date_pattern = '(?P<date>\\d{{4}}-\\d{{2}}-\\d{{2}})'
columns = {columns}
withheld = ["cookie"]
[subject]
column = "account"
kind = "account"
canonical = "verbatim"
[events]
event_id = "id"
event_ts = "ts"
event_ts_format = "iso8601"
item_id = "item"
quantity = "quantity"
unit_price = "price"
[events.type_words]
column = "type"
words = {{ view = "view", cart = "cart", search = "search", purchase = "purchase" }}
"""


def config_of(folder: Path, form: str, root: str) -> Config:
    """The shipped settings, a source `bench` of this format, and a root of this name."""
    conf = folder / "conf"
    shutil.copytree(PROJECT / "conf", conf, dirs_exist_ok=True)
    text = _MAPPING.format(name="bench", format=form, columns=json.dumps(COLUMNS))
    (conf / "sources" / "bench.toml").write_text(text, encoding="utf-8")
    (folder / "subject.key").write_text(KEY, encoding="ascii")
    overrides = [f"store.root={folder / root}", f"privacy.key_file={folder / 'subject.key'}", "spark.master=local[2]"]
    return load_config(conf / "affinity.toml", overrides=overrides)


def make_log(folder: Path, form: str, n_events: int, n_files: int, day: str = "2025-10-06") -> None:
    """A day of events in equal files, one line in ``ONE_IN`` cut: the same for the same arguments."""
    folder.mkdir(parents=True, exist_ok=True)
    per_file = n_events // n_files
    lines = {"jsonl": _AS_JSON, "csv": _AS_CSV}[form]
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute("CREATE MACRO draw(n, salt, below) AS (hash(n, salt) % below)::BIGINT")
        for number in range(n_files):
            first = number * per_file
            rows = _ROWS.format(first=first, last=first + per_file, day=day)
            cut = f"CASE WHEN n % {ONE_IN} = 7 THEN left(line, 40) ELSE line END"
            header = f"SELECT '{','.join(COLUMNS)}' AS line UNION ALL " if form == "csv" else ""
            path = folder / f"log-{day}-{number:05d}.{form}"
            connection.execute(
                f"COPY ({header}SELECT {cut} AS line FROM (SELECT n, {lines} AS line FROM ({rows}))) TO '{path}' "
                "(FORMAT csv, HEADER false, QUOTE '', ESCAPE '', DELIMITER '\x01')"
            )


_ROWS = """
SELECT n, printf('w%012d', n) AS id,
    strftime(TIMESTAMP '{day}' + to_milliseconds(draw(n, 1, 86400000)), '%Y-%m-%dT%H:%M:%S.%gZ') AS ts,
    ['view', 'view', 'view', 'cart', 'search', 'purchase'][1 + draw(n, 2, 6)] AS type,
    printf('%016x', (hash(n, 3) >> 1)::BIGINT) AS cookie,
    CASE WHEN draw(n, 4, 10) < 7 THEN (10000000 + draw(n, 5, 200000))::VARCHAR END AS account,
    printf('SKU-%06d', draw(n, 6, 20000)) AS item,
    CASE WHEN type = 'purchase' THEN 1 + draw(n, 7, 9) END AS quantity,
    CASE WHEN type = 'purchase' THEN ((1 + draw(n, 8, 9999)) / 100.0)::DECIMAL(8, 2) END AS price,
    CASE WHEN type = 'search' THEN 'red tea cup' END AS query,
    ['Mozilla/5.0 (Windows NT 10.0; Win64; x64)', 'Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X)']
        [1 + draw(n, 9, 2)] AS agent
FROM (SELECT range AS n FROM range({first}, {last}))
"""
_AS_JSON = (
    "'{' || concat_ws(', ', "
    + ", ".join(f"'\"{name}\": ' || coalesce(to_json({name})::VARCHAR, 'null')" for name in COLUMNS)
    + ") || '}'"
)
_AS_CSV = "concat_ws(',', " + ", ".join(f"coalesce({name}::VARCHAR, '')" for name in COLUMNS) + ")"


def ingested(platform: Platform, landing: Path) -> None:
    """Run the job; it has to read something."""
    result = run_job(platform, find("ingest_events", JOBS), Request(None, ("bench",), landing))
    if result.status is not Status.DONE:
        raise RuntimeError(f"ingest_events ended as {result.status}: {result.reason}")


def bronze_of(platform: Platform) -> str:
    """The path of the table."""
    return str(platform.root.table(bronze.EVENTS))


def content(table: str, where: str = "true") -> Sample:
    """What a Delta table holds: rows, unreadable ones, and a sum of digests over the others, free of order."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = connection.execute(
            f"SELECT count(*), count(*) FILTER (event_ts IS NULL), sum(hash({COMPARED})::HUGEINT) "
            f"FILTER (event_ts IS NOT NULL) FROM read_parquet($files) WHERE {where}",
            {"files": DeltaTable(table).file_uris()},
        ).fetchone()
    return Sample(found)


# HMAC-SHA256 (RFC 2104) of version, kind and id under KEY, which is 32 bytes of 5e: its inner and its outer pad.
_INNER = f"unhex('{'68' * 32}{'36' * 32}')"
_OUTER = f"unhex('{'02' * 32}{'5c' * 32}')"
_TOKEN = f"sha256({_OUTER} || unhex(sha256({_INNER} || encode('1' || chr(31) || 'account' || chr(31) || account))))"
_PAYLOAD = ", ".join(f"{name} := {name}" for name in COLUMNS if name not in ("cookie", "account"))
_PEER = f"""
SELECT filename AS file, 'n' || left(sha256('bench|' || id), 31) AS event_id,
    CASE type WHEN 'view' THEN 'view' WHEN 'cart' THEN 'cart' WHEN 'search' THEN 'search'
        WHEN 'purchase' THEN 'purchase' END AS event_type,
    TRY_CAST(ts AS TIMESTAMPTZ) AS event_ts,
    CAST(timezone('Europe/London', TRY_CAST(ts AS TIMESTAMPTZ)) AS DATE) AS event_date,
    {_TOKEN} AS subject_key, item AS item_id,
    TRY_CAST(quantity AS DECIMAL(18, 4)) AS quantity, TRY_CAST(price AS DECIMAL(18, 4)) AS unit_price,
    CAST(TRY_CAST(quantity AS DECIMAL(20, 4)) * TRY_CAST(price AS DECIMAL(18, 4)) AS DECIMAL(18, 4)) AS amount,
    CASE WHEN price IS NOT NULL THEN 'GBP' END AS currency,
    CAST(to_json(struct_pack({_PAYLOAD})) AS VARCHAR) AS payload
FROM
"""


def by_duckdb(landing: Path, form: str, table: str) -> Sample:
    """The same rows by DuckDB on two threads, written by delta-rs."""
    shutil.rmtree(table, ignore_errors=True)
    texts = "{" + ", ".join(f"{name}: 'VARCHAR'" for name in COLUMNS) + "}"
    of_json = f"read_json('{landing}/*.jsonl', format = 'newline_delimited', ignore_errors = true, filename = true, "
    of_csv = f"read_csv('{landing}/*.csv', all_varchar = true, header = true, store_rejects = true, filename = true)"
    source = f"{of_json} columns = {texts})" if form == "jsonl" else of_csv
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        write_deltalake(table, connection.sql(f"{_PEER} {source}").to_arrow_reader(100_000))
        if form == "csv":
            bad = connection.sql("SELECT DISTINCT 'unreadable' AS payload, file_id, line FROM reject_errors")
            write_deltalake(table, bad.to_arrow_table().select(["payload"]), mode="append", schema_mode="merge")
    return content(table)


def by_spark(spark: SparkSession, landing: Path, form: str, table: str) -> Sample:
    """The same rows by Spark's own reader, which looks at the files once more to find their types."""
    shutil.rmtree(table, ignore_errors=True)
    reader = spark.read.option("inferSchema", "true").option("header", "true").option("inferTimestamp", "true")
    rows = reader.json(str(landing)) if form == "jsonl" else reader.csv(str(landing))
    is_whole = F.col("agent").isNotNull()
    message = F.concat(F.lit("1\x1faccount\x1f").cast("binary"), F.col("account").cast("string").cast("binary"))
    pads = [F.unhex(F.lit(pad)) for pad in ("68" * 32 + "36" * 32, "02" * 32 + "5c" * 32)]
    token = F.sha2(F.concat(pads[1], F.unhex(F.sha2(F.concat(pads[0], message), 256))), 256)
    money = {name: F.col(name).cast("decimal(18,4)") for name in ("quantity", "price")}
    kept = [name for name in COLUMNS if name not in ("cookie", "account")]
    event_ts = F.when(is_whole, F.col("ts").cast("timestamp"))
    typed = rows.select(
        F.col("_metadata.file_path").alias("file"),
        F.concat(F.lit("n"), F.left(F.sha2(F.concat(F.lit("bench|"), "id"), 256), F.lit(31))).alias("event_id"),
        F.when(F.col("type").isin("view", "cart", "search", "purchase"), F.col("type")).alias("event_type"),
        event_ts.alias("event_ts"),
        F.to_date(F.from_utc_timestamp(event_ts, "Europe/London")).alias("event_date"),
        token.alias("subject_key"),
        F.col("item").alias("item_id"),
        money["quantity"].alias("quantity"),
        money["price"].alias("unit_price"),
        (money["quantity"] * money["price"]).cast("decimal(18,4)").alias("amount"),
        F.when(F.col("price").isNotNull(), F.lit("GBP")).alias("currency"),
        F.to_json(F.struct(*kept)).alias("payload"),
    )
    typed.write.format("delta").save(table)
    return content(table)
