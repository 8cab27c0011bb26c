"""Tables that somebody damaged or put back: a run that says so by table and file, and never fewer rows without a word."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from affinity.core.errors import ExitCode, Infrastructure
from affinity.core.vocabulary import Status
from affinity.io.digest import spark_digest
from affinity.io.ops import current_version
from affinity.io.publication import Publication
from affinity.tables import bronze, ops, silver
from affinity.tables.spec import TableSpec
from tests.shop import Shop, line

NEXT = "2011-01-06"


def commit(shop: Shop, spec: TableSpec, number: int) -> Path:
    """The file of a commit, without the checksum that Hadoop keeps of it."""
    log = shop.platform.root.table(spec) / "_delta_log"
    (log / f".{number:020}.json.crc").unlink(missing_ok=True)
    return log / f"{number:020}.json"


def remove(path: Path) -> None:
    """It is gone."""
    path.unlink()


def empty(path: Path) -> None:
    """Nothing of it was written before the power went."""
    path.write_bytes(b"")


def cut(path: Path) -> None:
    """Half of it was written."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    """Some bytes are turned over, where a commit says which file is added."""
    data = path.read_bytes()
    at = max(data.find(b'{"add"'), 0)
    path.write_bytes(data[:at] + bytes(byte ^ 0xFF for byte in data[at : at + 30]) + data[at + 30 :])


def in_log(number: int) -> Callable[[Shop, TableSpec], Path]:
    """A commit of the table."""
    return lambda shop, spec: commit(shop, spec, number)


def in_rows(shop: Shop, spec: TableSpec) -> Path:
    """A file of rows that the table names."""
    path = Path(min(DeltaTable(str(shop.platform.root.table(spec))).file_uris()))
    (path.parent / f".{path.name}.crc").unlink(missing_ok=True)
    return path


@dataclass(frozen=True)
class Damage:
    """What is done to which file of a table, the job that has to say so, and what Spark makes of it unguarded.

    ``left`` are the rows that it reads without a word; null where it fails too.
    """

    spec: TableSpec
    where: Callable[[Shop, TableSpec], Path]
    hurt: Callable[[Path], None]
    says: str
    left: int | None = None


LAST = 2  # the version of every table of the fixture: made, the two days, and one more
DAMAGES = {
    "a commit is gone": Damage(silver.EVENTS, in_log(1), remove, "is missing"),
    "the newest commit is gone": Damage(silver.EVENTS, in_log(LAST), remove, "is missing"),
    "a commit is flipped": Damage(bronze.EVENTS, in_log(1), flip, "is no list of JSON objects", left=1),
    "the newest commit is flipped": Damage(bronze.EVENTS, in_log(LAST), flip, "is no list of JSON objects", left=5),
    "a commit is cut": Damage(silver.EVENTS, in_log(1), cut, "is no list of JSON objects"),
    "a commit is empty": Damage(silver.EVENTS, in_log(1), empty, "is empty", left=1),
    "the newest commit is empty": Damage(bronze.EVENTS, in_log(LAST), empty, "is empty", left=5),
    "rows are gone": Damage(silver.EVENTS, in_rows, remove, "1 of 3 files", left=None),
    "rows are cut": Damage(bronze.EVENTS, in_rows, cut, "bytes, expected"),
    "a commit of the manifest is gone": Damage(ops.FILES, in_log(1), remove, "is missing"),
    "the newest of the manifest is gone": Damage(ops.FILES, in_log(4), remove, "is missing"),
    "the newest of the manifest is empty": Damage(ops.FILES, in_log(4), empty, "is empty"),
    "a commit of the manifest is cut": Damage(ops.FILES, in_log(3), cut, "is no list of JSON objects"),
    "rows of the manifest are gone": Damage(ops.FILES, in_rows, remove, "not found"),
    "a commit of the releases is empty": Damage(ops.RELEASES, in_log(2), empty, "is empty"),
}


@pytest.fixture(scope="module")
def _thrice(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days, then one more, and one that has landed and was not ingested yet."""
    made = Shop(tmp_path_factory.mktemp("thrice"), spark)
    for days in (("2011-01-03", "2011-01-04"), ("2011-01-05",)):
        for day in days:
            made.land(f"{day}.csv", [line(day), line(day, StockCode="10002"), line(day, Quantity="3")][: 4 - len(days)])
        assert {result.status for result in made.ingest()} == {Status.DONE}
    made.land(f"{NEXT}.csv", [line(NEXT)])
    return made.folder


@pytest.fixture
def shop(spark: SparkSession, tmp_path: Path, _thrice: Path) -> Shop:
    """A copy of it."""
    shutil.copytree(_thrice, tmp_path, dirs_exist_ok=True)
    return Shop(tmp_path, spark)


def test_print(shop: Shop) -> None:
    for s in (bronze.EVENTS, silver.EVENTS, ops.FILES, ops.RELEASES):
        print(s.full_name, current_version(shop.platform.root, s), shop.read(s).count() if s.layer != "ops" else 0)


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damage_is_told_by_table_and_file(shop: Shop, damage: Damage) -> None:
    path = damage.where(shop, damage.spec)
    before = path.read_bytes()
    damage.hurt(path)
    assert not path.exists() or path.read_bytes() != before, "nothing was injected"

    jobs = ["ingest_events", "clean_events"] if damage.spec is silver.EVENTS else ["ingest_events"]
    ended = [shop.run(job) for job in jobs]

    assert ended[-1].exit_code is ExitCode.INFRASTRUCTURE
    for told in (f"Table {damage.spec.full_name} is damaged", path.name, damage.says):
        assert told in str(ended[-1].reason)
    if damage.spec.layer != "ops":
        with pytest.raises(Infrastructure, match=path.name):
            shop.read(damage.spec)
        if damage.left is not None:
            table = shop.platform.spark.read.format("delta").load(str(shop.platform.root.table(damage.spec)))
            print(table.count())
