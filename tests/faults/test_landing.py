"""Landing while it is read, very many files in it, and a reader that dies."""

import gzip
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from affinity.core.errors import ExitCode
from affinity.core.vocabulary import Status
from affinity.io import ingest
from affinity.io.files import Reading
from affinity.reading.kernel import Reader
from affinity.tables import bronze, silver
from tests.digest import spark_digest
from tests.faults import bad_files
from tests.faults.test_channels import MAIL
from tests.faults.test_input import land, run
from tests.shop import Shop, line

N_FILES, N_LINES = 2_000, 10


def _meanwhile(monkeypatch: pytest.MonkeyPatch, work: Callable[[], object]) -> list[str]:
    """Let something happen after the files were listed and before they are read; say when it did."""
    happened: list[str] = []
    read_into = ingest.read_into

    def read(*given: Any) -> Any:
        if not happened:
            work()
            happened.append("once")
        return read_into(*given)

    monkeypatch.setattr(ingest, "read_into", read)
    return happened


def test_a_file_that_comes_meanwhile_is_for_the_next_run(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    happened = _meanwhile(monkeypatch, lambda: shop.land("2011-01-06.csv", [line("2011-01-06")]))
    assert shop.run("ingest_events").status is Status.DONE
    assert happened == ["once"]
    assert [row["path"] for row in shop.manifest()] == ["2011-01-04.csv", "2011-01-05.csv"]
    assert shop.read(bronze.EVENTS).count() == 5
    assert shop.run("ingest_events").rows == {"bronze.events": 1}


def test_a_packed_file_that_is_cut_meanwhile_is_looked_at_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"email/email-{bad_files.DAY}.jsonl.gz"
    mails = (json.dumps({**MAIL, "message": f"m{number}"}) for number in range(N_LINES * N_FILES))
    whole = gzip.compress("\n".join(mails).encode())
    file = land(shop, name, whole)
    happened = _meanwhile(monkeypatch, lambda: file.write_bytes(whole[: len(whole) // 2]))
    assert run(shop, "ingest_events", "email").exit_code is ExitCode.INFRASTRUCTURE
    assert happened == ["once"]
    file.write_bytes(whole)
    assert run(shop, "ingest_events", "email").rows == {"bronze.events": N_LINES * N_FILES}


def _replace(shop: Shop) -> None:
    shop.land("2011-01-05.csv", [line("2011-01-05", Quantity=str(n)) for n in (7, 8, 9)])


def _delete(shop: Shop) -> None:
    (shop.landing / "2011-01-05.csv").unlink()


@pytest.mark.parametrize(("change", "n_rows"), [(_replace, 6), (_delete, 3)])
def test_a_file_that_changes_meanwhile_ends_the_run_and_nothing_is_released(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, change: Callable[[Shop], None], n_rows: int
) -> None:
    monkeypatch.delenv("AFFINITY_DEBUG", raising=False)
    happened = _meanwhile(monkeypatch, lambda: change(shop))

    ended = shop.run("ingest_events")

    assert happened == ["once"]
    assert ended.exit_code is ExitCode.INFRASTRUCTURE, ended
    assert "2011-01-05.csv" in str(ended.reason)
    assert (shop.manifest(), shop.read(bronze.EVENTS).count()) == ([], 0)
    assert shop.run("ingest_events").status is Status.DONE
    assert shop.read(bronze.EVENTS).count() == n_rows


class _Deadly(Reading):
    """The reader of a task that does not survive its input."""

    def reader(self, *, numbers_lines: bool = True) -> Reader:
        os._exit(9)


def test_a_reader_that_dies_ends_the_run_and_leaves_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AFFINITY_DEBUG", raising=False)
    with monkeypatch.context() as patch:
        patch.setattr(ingest, "Reading", _Deadly)
        ended = shop.run("ingest_events")
    assert ended.status is Status.FAILED
    assert (shop.manifest(), shop.read(bronze.EVENTS).count()) == ([], 0)
    assert shop.run("ingest_events").rows == {"bronze.events": 5}


def _small_files(shop: Shop) -> Sequence[Path]:
    day = bad_files.DAY
    return [
        land(shop, f"web/{day}/web-{day}-{number}.jsonl", b"\n".join(bad_files.web() for _ in range(N_LINES)))
        for number in range(N_FILES)
    ]


def test_thousands_of_small_files_become_few_that_hold_the_same(spark: SparkSession, tmp_path: Path) -> None:
    shop = Shop(tmp_path, spark)
    assert len(_small_files(shop)) == N_FILES
    assert run(shop, "ingest_events", "web").rows == {"bronze.events": N_FILES * N_LINES}
    table = str(shop.platform.root.table(bronze.EVENTS))
    assert len(DeltaTable(table).file_uris()) <= 2, "one per task"
    assert shop.run("clean_events").status is Status.DONE
    digests = [spark_digest(shop.read(spec), spec) for spec in (bronze.EVENTS, silver.EVENTS)]
    assert [digest.split("-")[0] for digest in digests] == [str(N_FILES * N_LINES)] * 2
    spark.sql(f"OPTIMIZE delta.`{table}`")
    after = [spark_digest(spark.read.format("delta").load(table), bronze.EVENTS), digests[1]]
    assert after == digests
    assert run(shop, "ingest_events", "web").status is Status.NOTHING_TO_DO
