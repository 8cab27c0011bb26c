"""Tables that somebody damaged or put back: a run says so by table and file, and never reads fewer rows without a word.

The controls read the same tables by Spark, or by delta-rs where it is a log of ours, as they are.
"""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from affinity.core.errors import ExitCode, Infrastructure
from affinity.core.vocabulary import Status
from affinity.io import store
from affinity.io.ops import OpsStore, Row, table_properties
from affinity.io.sorting import Destination
from affinity.tables import bronze, ops, silver
from affinity.tables.ddl import SPEC_VERSION
from affinity.tables.spec import TableSpec
from tests.digest import spark_digest
from tests.shop import Shop, line

N_FIRST, N_SECOND, N_THIRD = 4, 3, 1


@pytest.fixture(scope="module")
def _half_way(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two days in silver, a third in bronze, a fourth in landing."""
    made = Shop(tmp_path_factory.mktemp("half"), spark)
    for day in ("2011-01-03", "2011-01-04"):
        made.land(f"{day}.csv", [line(day), line(day, Quantity="3")])
    made.ingest()
    made.land("2011-01-05.csv", [line("2011-01-05", Quantity=str(n)) for n in (1, 2, 3)])
    made.run("ingest_events")
    made.land("2011-01-06.csv", [line("2011-01-06")])
    assert (made.read(bronze.EVENTS).count(), made.read(silver.EVENTS).count()) == (N_FIRST + N_SECOND, N_FIRST)
    return made.folder


@pytest.fixture
def shop(spark: SparkSession, tmp_path: Path, _half_way: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    """A copy of it, and errors as an operator sees them."""
    monkeypatch.delenv("AFFINITY_DEBUG", raising=False)
    shutil.copytree(_half_way, tmp_path, dirs_exist_ok=True)
    return Shop(tmp_path, spark)


def table(shop: Shop, spec: TableSpec) -> str:
    """The folder of a table."""
    return str(shop.platform.root.table(spec))


def in_log(number: int) -> Callable[[Shop, TableSpec], Path]:
    """A commit of the table; what Hadoop keeps to check it by is gone too."""

    def find(shop: Shop, spec: TableSpec) -> Path:
        return _unchecked(shop.platform.root.table(spec) / "_delta_log" / f"{number:020}.json")

    return find


def in_rows(shop: Shop, spec: TableSpec) -> Path:
    """A file of rows that the table names."""
    return _unchecked(Path(min(DeltaTable(table(shop, spec)).file_uris())))


def _unchecked(path: Path) -> Path:
    (path.parent / f".{path.name}.crc").unlink(missing_ok=True)
    return path


def remove(path: Path) -> None:
    """It is gone."""
    path.unlink()


def empty(path: Path) -> None:
    """Nothing of it was on the disk when the power went."""
    path.write_bytes(b"")


def cut(path: Path) -> None:
    """Half of it was."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path: Path) -> None:
    """Some bytes are turned over: in a commit, from the end of the line before that of an added file."""
    data = path.read_bytes()
    at = data.index(b'\n{"add"') if path.suffix == ".json" else len(data) // 2
    path.write_bytes(data[:at] + bytes(byte ^ 0xFF for byte in data[at : at + 30]) + data[at + 30 :])


@dataclass(frozen=True)
class Damage:
    """What is done to which file of a table, and what a run says of it; unguarded ``left`` rows are read as if all."""

    spec: TableSpec
    where: Callable[[Shop, TableSpec], Path]
    hurt: Callable[[Path], None]
    says: str
    left: int | None = None


BROKEN = "is no list of JSON objects"
DAMAGES = {
    "a commit is gone": Damage(bronze.EVENTS, in_log(1), remove, "is missing"),
    "the newest commit is gone": Damage(bronze.EVENTS, in_log(2), remove, "is missing", N_FIRST),
    "a commit is flipped": Damage(bronze.EVENTS, in_log(1), flip, BROKEN, N_FIRST // 2 + N_SECOND),
    "the newest commit is flipped": Damage(bronze.EVENTS, in_log(2), flip, BROKEN, N_FIRST),
    "a commit is cut": Damage(bronze.EVENTS, in_log(1), cut, BROKEN),
    "a commit is empty": Damage(bronze.EVENTS, in_log(1), empty, "is empty", N_SECOND),
    "rows are gone": Damage(bronze.EVENTS, in_rows, remove, "1 of "),
    "rows are cut": Damage(bronze.EVENTS, in_rows, cut, "bytes, expected"),
    "the commit of silver is gone": Damage(silver.EVENTS, in_log(1), remove, "is missing"),
    "the commit of silver is empty": Damage(silver.EVENTS, in_log(1), empty, "is empty", 0),
    "rows of silver are gone": Damage(silver.EVENTS, in_rows, remove, "1 of 2 files"),
    "a commit of the manifest is gone": Damage(ops.FILES, in_log(1), remove, "is missing"),
    "the newest of the manifest is gone": Damage(ops.FILES, in_log(3), remove, "is missing", 2),
    "a commit of the manifest is empty": Damage(ops.FILES, in_log(3), empty, "is empty", 2),
    "a commit of the manifest is cut": Damage(ops.FILES, in_log(3), cut, BROKEN),
    "rows of the manifest are gone": Damage(ops.FILES, in_rows, remove, "not found"),
    "a commit of the releases is empty": Damage(ops.RELEASES, in_log(2), empty, "is empty", 4),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_damage_is_told_by_table_and_file(shop: Shop, damage: Damage) -> None:
    path = damage.where(shop, damage.spec)
    before = path.read_bytes()
    damage.hurt(path)
    assert not path.exists() or path.read_bytes() != before, "nothing was injected"

    ended = shop.run("clean_events" if damage.spec is silver.EVENTS else "ingest_events")

    assert ended.exit_code is ExitCode.INFRASTRUCTURE
    for told in (f"Table {damage.spec.full_name} is damaged", path.name, damage.says):
        assert told in str(ended.reason)
    if damage.spec.layer != "ops":
        with pytest.raises(Infrastructure, match=path.name):
            shop.read(damage.spec)
    if damage.left is not None:
        assert _as_it_is(shop, damage.spec) == damage.left, "the control shows no harm, so the guard proves nothing"


def _as_it_is(shop: Shop, spec: TableSpec) -> int:
    if spec.layer == "ops":
        return int(DeltaTable(table(shop, spec)).to_pyarrow_table().num_rows)
    rows = shop.platform.spark.read.format("delta").load(table(shop, spec))
    return len(rows.select("event_id").collect())  # a count is told by the log alone


def test_flipped_rows_are_told_by_table_and_file(shop: Shop) -> None:
    files = [Path(uri) for uri in DeltaTable(table(shop, bronze.EVENTS)).file_uris()]
    path = _unchecked(max(files, key=lambda file: file.stat().st_mtime))  # those that were cleaned are not read again
    flip(path)
    ended = shop.run("clean_events")
    assert ended.exit_code is ExitCode.INFRASTRUCTURE
    assert path.name in str(ended.reason)
    assert "table bronze.events" in str(ended.reason)
    assert shop.read(silver.EVENTS).count() == N_FIRST, "what was released before is still read"


def test_missing_files_are_ignored_by_no_session_of_ours(shop: Shop) -> None:
    spark = shop.platform.spark
    ignored = ("spark.sql.files.ignoreMissingFiles", "spark.sql.files.ignoreCorruptFiles")
    assert [spark.conf.get(name) for name in ignored] == ["false", "false"]
    in_rows(shop, silver.EVENTS).unlink()
    spark.conf.set(ignored[0], "true")
    try:
        assert _as_it_is(shop, silver.EVENTS) == N_FIRST / 2, "the control"
    finally:
        spark.conf.set(ignored[0], "false")


@pytest.mark.parametrize("spec", [ops.FILES, ops.RELEASES], ids=lambda spec: spec.full_name)
def test_a_manifest_that_was_deleted_is_no_empty_one(
    shop: Shop, spec: TableSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(table(shop, spec))
    for job in ("ingest_events", "clean_events"):
        ended = shop.run(job)
        assert ended.exit_code is ExitCode.INFRASTRUCTURE
        assert f"Table {spec.full_name} is damaged" in str(ended.reason)
    if spec is ops.RELEASES:
        return
    monkeypatch.setattr(OpsStore, "read", _forgetful(OpsStore.read))
    assert shop.run("ingest_events").status is Status.DONE
    rows = shop.read(bronze.EVENTS)
    n = N_FIRST + N_SECOND
    assert (rows.count(), rows.select("file_id", "line_no").distinct().count()) == (2 * n + N_THIRD, n + N_THIRD)


def _forgetful(read: Callable[..., list[Row]]) -> Callable[..., list[Row]]:
    """The control: no manifest is an empty one."""
    return lambda self, spec, version=None: [] if spec is ops.FILES else read(self, spec, version)


def test_a_hint_of_the_last_checkpoint_is_only_a_hint(shop: Shop) -> None:
    log = shop.platform.root.table(bronze.EVENTS) / "_delta_log"
    DeltaTable(table(shop, bronze.EVENTS)).create_checkpoint()
    cut(log / "_last_checkpoint")
    remove(in_log(0)(shop, bronze.EVENTS))  # which the checkpoint makes needless
    assert shop.run("ingest_events").status is Status.DONE
    assert shop.read(bronze.EVENTS).count() == N_FIRST + N_SECOND + N_THIRD


@dataclass(frozen=True)
class PutBack:
    """Which table is put back to which version, the job that writes it next, its rows then; all but ``n_lost``."""

    spec: TableSpec
    version: int
    job: str
    n_rows: int
    n_lost: int = 0


PUT_BACK = {
    "bronze": PutBack(bronze.EVENTS, 1, "ingest_events", N_FIRST + N_SECOND + N_THIRD),
    "silver": PutBack(silver.EVENTS, 0, "clean_events", N_FIRST + N_SECOND),
    "control": PutBack(bronze.EVENTS, 1, "ingest_events", N_FIRST + N_SECOND + N_THIRD, n_lost=N_SECOND),
}


@pytest.mark.parametrize("case", PUT_BACK.values(), ids=PUT_BACK)
def test_a_table_that_was_put_back_by_hand_has_every_slice_once(
    shop: Shop, case: PutBack, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = shop.read(case.spec).count()
    path = table(shop, case.spec)
    shop.platform.spark.sql(f"RESTORE TABLE delta.`{path}` TO VERSION AS OF {case.version}")
    assert _as_it_is(shop, case.spec) < before == shop.read(case.spec).count(), "readers go by the release"
    if case.n_lost:
        monkeypatch.setattr(store, "_is_elsewhere", lambda restored, released: False)

    assert shop.run(case.job).status is Status.DONE

    rows = shop.read(case.spec)
    assert rows.count() == rows.select("event_id").distinct().count() == case.n_rows - case.n_lost


def test_a_day_that_is_written_again_is_there_once(shop: Shop) -> None:
    before = shop.read(silver.EVENTS)
    digest, rows = spark_digest(before, silver.EVENTS), before.localCheckpoint()
    days = [row[0] for row in rows.select("event_date").distinct().collect()]
    assert len(days) == 2
    store = shop.platform.store
    for _ in range(2):
        by_day = rows.sort("event_date").select(*silver.EVENTS.column_names).toArrow().to_batches()
        written = list(Destination.of(silver.EVENTS, "again", store).write(iter(by_day)))
        staged = store.staged_files(written, silver.EVENTS)
        version = store.publish(staged, silver.EVENTS, "again", days)
        assert spark_digest(store.read(silver.EVENTS, version), silver.EVENTS) == digest
    rows.drop("customer_id").write.format("delta").mode("append").save(table(shop, silver.EVENTS))
    assert _as_it_is(shop, silver.EVENTS) == 2 * N_FIRST, "the control doubles them"


def test_tables_of_an_older_specification_tell_the_same_of_all_that_they_had(
    shop: Shop, spark: SparkSession, tmp_path: Path
) -> None:
    other = Shop(tmp_path / "older", spark)
    for name in ("secrets/subject.key", "root.json"):
        shutil.copy(shop.root / name, other.root / name)
    for name in ("2011-01-03.csv", "2011-01-04.csv"):
        shutil.copy(shop.landing / name, other.landing / name)
    lacking = {bronze.EVENTS: ("got", "expected"), silver.QUARANTINE: ("got",)}
    for spec, names in lacking.items():
        columns = tuple(column for column in spec.columns if column.name not in names)
        other.platform.store.ensure(replace(spec, columns=columns, version=0))

    assert [result.status for result in other.ingest()] == [Status.DONE, Status.DONE]

    versions = [table_properties(other.platform.root, spec)[SPEC_VERSION] for spec in lacking]
    assert versions == [str(spec.version) for spec in lacking]
    assert spark_digest(other.read(silver.EVENTS), silver.EVENTS) == spark_digest(
        shop.read(silver.EVENTS), silver.EVENTS
    )
    days = "file_date < '2011-01-05'"
    digests = [spark_digest(one.read(bronze.EVENTS).where(days), bronze.EVENTS) for one in (shop, other)]
    assert digests[0] == digests[1]
