"""Bad input: no bad line takes a good one with it, no bad file another file, and nothing is lost without a word.

The controls show what Spark's own readers make of the same bytes.
"""

import gzip
import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from pyspark.errors import AnalysisException, NumberFormatException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from affinity.core.vocabulary import Defect, FileState, Status
from affinity.io.job import find
from affinity.io.ops import Row
from affinity.io.plan import Request
from affinity.io.runner import Result, run_job
from affinity.jobs.catalog import JOBS
from affinity.tables import bronze, ops, silver
from tests.digest import spark_digest
from tests.faults import bad_files
from tests.faults.bad_files import DAY, TILLS, BadFile, path_of
from tests.features.judging import accepted, judgements
from tests.shop import Shop

FILES = [
    *bad_files.broken_lines(),
    *bad_files.odd_values(),
    *bad_files.clocks(),
    *bad_files.other_layouts(),
    *bad_files.damaged_files(),
    *bad_files.again(),
    *bad_files.odd_names(),
]
REFUSED = [file for file in FILES if file.refused]
SOURCES = ("web", "app", "tills", "orders")


def land(shop: Shop, path: str, data: bytes) -> Path:
    """Put a file into landing."""
    target = shop.landing / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(data)
    return target


def run(shop: Shop, job: str, channel: str) -> Result:
    """Run a job on one channel of the shop."""
    return run_job(shop.platform, find(job, JOBS), Request(None, (f"shop_{channel}",), shop.landing))


@pytest.fixture(scope="module")
def landing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All bad files at once."""
    made = Shop(tmp_path_factory.mktemp("bad"))
    for file in FILES:
        land(made, file.path, file.data)
    for path in bad_files.WAITING:
        land(made, path, bad_files.web() + b"\n")
    return made.folder


@pytest.fixture(scope="module")
def results(landing: Path, spark: SparkSession) -> dict[str, Result]:
    """One ingest of each channel, and one clean."""
    shop = Shop(landing, spark)
    ended = {channel: run(shop, "ingest_events", channel) for channel in SOURCES}
    return ended | {"clean": shop.run("clean_events")}


@pytest.fixture(scope="module")
def shop(landing: Path, spark: SparkSession, results: dict[str, Result]) -> Shop:
    """What came of them."""
    assert {result.status for result in results.values()} == {Status.DONE}, results
    return Shop(landing, spark)


@pytest.fixture(scope="module")
def manifest(shop: Shop) -> dict[str, Row]:
    """The manifest by path."""
    return {row["path"]: row for row in shop.manifest()}


@pytest.fixture(scope="module")
def fates(shop: Shop) -> Mapping[str, Counter[str]]:
    """Lines of each file by the reason of their fate."""
    found: dict[str, Counter[str]] = {}
    for row in shop.read(ops.DISPOSITIONS).collect():
        found.setdefault(row["file_id"], Counter())[row["reason"]] += row["n_rows"]
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.path)
def test_what_becomes_of_a_file(file: BadFile, manifest: dict[str, Row], fates: Mapping[str, Counter[str]]) -> None:
    row = manifest[file.path]
    assert file.n_bad > 0, "nothing is wrong with this file"
    if file.refused:
        assert (row["state"], row["n_rows"], fates.get(row["file_id"])) == (FileState.REFUSED, 0, None)
        assert file.refused in row["reason"]
    else:
        assert (row["state"], row["reason"], row["n_rows"]) == (FileState.CLEANED, None, file.fates.total())
        assert fates.get(row["file_id"], Counter()) == file.fates
        assert file.drift is None or json.loads(row["drift"]) == file.drift


def test_every_line_is_in_bronze_and_in_one_of_silver_and_quarantine(shop: Shop, manifest: dict[str, Row]) -> None:
    planted = sum((file.fates for file in FILES if not file.refused), Counter[str]())
    assert planted.total() > 2_000
    assert set(manifest) == {file.path for file in FILES}
    assert shop.read(bronze.EVENTS).count() == planted.total()
    assert shop.read(silver.EVENTS).count() == planted[bad_files.GOOD]
    why = {row["reason"]: row["count"] for row in shop.read(silver.QUARANTINE).groupBy("reason").count().collect()}
    assert why == {reason: n for reason, n in planted.items() if reason != bad_files.GOOD}


def test_wrong_clocks_leave_the_sessions_of_a_person_as_they_are(shop: Shop) -> None:
    subjects = shop.read(silver.EVENTS).where(F.col("item_id") == bad_files.CLOCKED).select("subject_id").distinct()
    days = shop.read(silver.SUBJECT_DAILY).join(subjects, on="subject_id")
    times = (f"transform(session_{end}, at -> date_format(at, 'HH:mm'))" for end in ("starts", "ends"))
    (day,) = days.selectExpr("string(event_date)", "n_views", *times).collect()
    assert tuple(day) == (DAY, 3, ["09:00", "10:15"], ["09:20", "10:15"])


def test_a_run_tells_of_files_that_are_refused_and_that_wait(results: dict[str, Result], shop: Shop) -> None:
    n_refused = Counter(file.path.split("/")[0] for file in REFUSED)
    for channel in SOURCES:
        assert (results[channel].metrics or {})["n_files_refused"] == n_refused[channel]
        assert f"{n_refused[channel]} files refused" in str(results[channel].reason) or not n_refused[channel]
    assert f"{len(bad_files.WAITING)} files wait: " in str(results["web"].reason)
    again = [run(shop, "ingest_events", channel) for channel in SOURCES]
    assert {result.status for result in again} == {Status.NOTHING_TO_DO}


def test_odd_ids_are_people_and_blank_ones_are_nobody(shop: Shop, manifest: dict[str, Row]) -> None:
    def people(what: str) -> Counter[str | None]:
        rows = shop.read(silver.EVENTS).where(f"file_id = '{manifest[path_of('web', what)]['file_id']}'")
        return Counter(row["customer_id"] for row in rows.collect())

    assert sorted(people("odd-ids").values()) == [2] * len(bad_files.ODD_IDS)
    assert people("blank-ids") == {None: 5}


def test_the_winner_of_an_id_is_the_same_however_the_rows_lie(
    shop: Shop, manifest: dict[str, Row], tmp_path: Path
) -> None:
    items = {row["item_id"] for row in shop.read(silver.EVENTS).where("item_id IN ('I2', 'I3', 'first')").collect()}
    assert items == {"I2", "first"}
    lines = shop.read(bronze.EVENTS)
    cut = [accepted(judgements(lines.repartition(n, "line_no"), tmp_path)) for n in (1, 7)]
    frames = [lines.sparkSession.createDataFrame(events).selectExpr("*", "'r' AS run_id") for events in cut]
    expected = spark_digest(shop.read(silver.EVENTS), silver.EVENTS)
    assert [spark_digest(events, silver.EVENTS) for events in frames] == [expected] * 2
    one_way, other_way = (
        lines.where("event_id LIKE 'n%'").coalesce(1).sortWithinPartitions(by).dropDuplicates(["event_id"])
        for by in (F.asc("line_no"), F.desc("line_no"))
    )
    assert one_way.exceptAll(other_way).count() > 0, "the control: any of them is taken"


def test_a_refused_file_is_read_when_it_is_mended(spark: SparkSession, tmp_path: Path) -> None:
    shop = Shop(tmp_path, spark)
    bad = next(file for file in REFUSED if file.path == path_of("tills", "renamed"))
    land(shop, path_of("tills", "whole"), f"{TILLS}\n".encode() + bad_files.till() + b"\n")
    path = land(shop, bad.path, bad.data)
    assert run(shop, "ingest_events", "tills").status is Status.DONE
    assert shop.read(bronze.EVENTS).count() == 1
    path.write_bytes(bad.data.replace(b"Quantity", b"Qty"))
    assert run(shop, "ingest_events", "tills").status is Status.DONE
    assert shop.read(bronze.EVENTS).count() == 1 + 2
    assert {row["state"] for row in shop.manifest() if row["path"] == bad.path} == {
        FileState.INGESTED,
        FileState.REFUSED,
    }


def test_lines_that_cannot_be_read_are_counted_the_same_however_they_are_asked_for(
    shop: Shop, landing: Path, spark: SparkSession
) -> None:
    n_broken = sum(file.fates[str(Defect.UNPARSABLE)] for file in FILES if not file.refused)
    broken = shop.read(bronze.EVENTS).where("rejection = 'unparsable'")
    assert broken.count() == broken.select("payload").count() == broken.cache().count() == n_broken > 0
    broken.unpersist()
    lazily = json_lines(spark, landing, "malformed", "id string, _corrupt_record string")
    with pytest.raises(AnalysisException, match="QUERY_ONLY_CORRUPT_RECORD_COLUMN"):
        lazily.where("_corrupt_record IS NOT NULL").count()


# Controls


def json_lines(spark: SparkSession, folder: Path, what: str, schema: str, **of: str) -> DataFrame:
    """A log of the website as Spark reads it."""
    return spark.read.schema(schema).json(str(folder / "landing" / path_of("web", what, **of)))


def tills(spark: SparkSession, folder: Path, what: str) -> DataFrame:
    """A till's log as Spark reads it."""
    schema = ", ".join(f"{name} string" for name in TILLS.split(","))
    return spark.read.option("header", True).schema(schema).csv(str(folder / "landing" / path_of("tills", what)))


def _orders(spark: SparkSession, folder: Path, what: str) -> DataFrame:
    return spark.read.parquet(str(folder / "landing" / f"orders/orders-{DAY}-{what}.parquet"))


def _copies(one: DataFrame, other: DataFrame) -> int:
    both = one.union(other)
    return both.count() - both.select("id").distinct().count()


NEXT = "2025-10-07"
WEB = "id string, ts string, account string, item string"
Harm = Callable[[SparkSession, Path], int]
HARMS: dict[str, tuple[Harm, int]] = {
    "broken lines are rows of nulls": (
        lambda spark, at: json_lines(spark, at, "malformed", WEB).where("item IS NULL").count(),
        2,
    ),
    "a key that comes twice is its last word": (
        lambda spark, at: [row["item"] for row in json_lines(spark, at, "twice", WEB).collect()].count("I2"),
        1,
    ),
    "what is sent again is there twice": (
        lambda spark, at: _copies(
            json_lines(spark, at, "sent", WEB), json_lines(spark, at, "sent-anew", WEB, day=NEXT)
        ),
        3,
    ),
    "tokens too many are dropped": (lambda spark, at: tills(spark, at, "tokens").where("Kind IS NOT NULL").count(), 4),
    "tokens too few are nulls": (lambda spark, at: tills(spark, at, "tokens").where("Kind IS NULL").count(), 2),
    "another order is not looked at": (
        lambda spark, at: tills(spark, at, "backwards").where("LineRef = 'S'").count(),
        3,
    ),
    "a column that is gone is null": (lambda spark, at: tills(spark, at, "required").where("Kind IS NULL").count(), 2),
    "the first line is a header, whatever it says": (lambda spark, at: tills(spark, at, "headless").count(), 1),
    "no number is above zero": (
        lambda spark, at: _orders(spark, at, "prices").where("isnan(unit_price) AND unit_price > 0").count(),
        1,
    ),
    "any year is a time": (
        lambda spark, at: json_lines(spark, at, "clocks", WEB).where("try_cast(ts AS timestamp) IS NOT NULL").count(),
        10,
    ),
    "blank ids are people": (
        lambda spark, at: json_lines(spark, at, "blank-ids", WEB).where("account IS NOT NULL").count(),
        4,
    ),
}


@pytest.mark.parametrize(("harm", "n"), HARMS.values(), ids=HARMS)
def test_controls(spark: SparkSession, landing: Path, harm: Harm, n: int) -> None:
    assert harm(spark, landing) == n


def test_a_cast_ends_the_job_where_one_value_is_no_number(spark: SparkSession, landing: Path) -> None:
    with pytest.raises(NumberFormatException, match="CAST_INVALID_INPUT"):
        tills(spark, landing, "types").selectExpr("CAST(Qty AS INT)").collect()


def test_damaged_files_are_shorter_where_they_are_ignored(spark: SparkSession, landing: Path) -> None:
    def n_read() -> list[int]:
        packed = [json_lines(spark, landing, what, WEB, suffix=".gz").count() for what in ("whole", "cut", "flipped")]
        return [*packed, len(_orders(spark, landing, "page").select("item").collect())]

    spark.conf.set("spark.sql.files.ignoreCorruptFiles", "true")
    try:
        whole, cut, flipped, page = n_read()
    finally:
        spark.conf.set("spark.sql.files.ignoreCorruptFiles", "false")
    assert (whole, page) == (2_000, 0)
    assert 0 < cut < whole
    assert 0 < flipped < whole


def test_a_packed_file_comes_out_at_any_length(landing: Path) -> None:
    path = landing / "landing" / path_of("web", "bomb", suffix=".gz")
    with gzip.open(path) as file:
        n_bytes = sum(len(chunk) for chunk in iter(lambda: file.read(2**24), b""))
    assert n_bytes > 300 * path.stat().st_size


def test_a_listing_takes_unfinished_files_and_leaves_hidden_ones_out(spark: SparkSession, tmp_path: Path) -> None:
    for name in ("a.jsonl", "b.jsonl.tmp", "_c.jsonl", ".d.jsonl", "day=2025-10-07/e.jsonl"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(bad_files.web() + b"\n")
    rows = spark.read.schema("id string").option("recursiveFileLookup", True).json(str(tmp_path))
    assert rows.count() == len({"a.jsonl", "b.jsonl.tmp", "e.jsonl"})
    named = spark.read.schema("id string").option("basePath", str(tmp_path)).json(str(tmp_path / "day=2025-10-07"))
    assert named.columns == ["id", "day"], "a folder's name becomes a column"
