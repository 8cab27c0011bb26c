"""Bad input gets one paragraph that says what to do, the documented exit code, and nothing half-written."""

import contextlib
import io
import sys
from pathlib import Path

import pytest

from affinity.core.errors import BadInput, ExitCode
from affinity.io.config import load_config
from affinity.io.leases import walk_lease
from affinity.io.root import open_root
from affinity.jobs import cli
from affinity.tables import gold, ops
from tests.shop import Shop, line

pytestmark = pytest.mark.usefixtures("no_jvm")


@pytest.fixture
def no_jvm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mistakes are found before a session is made."""
    monkeypatch.setenv("JAVA_HOME", "/nonexistent")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = Shop(tmp_path)
    made.land("2011-01-04.csv", [line("2011-01-04")])
    made.land("2011-01-05.csv", [line("2011-01-05")])
    return made


def affinity(*arguments: str) -> tuple[int, str]:
    """Run the command line in this process; exit code and all it said."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["affinity", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
    return int(ended.value.code or 0), said.getvalue()


def run(shop: Shop, *more: str, as_of: str = "2011-01-06", source: str = "online_retail") -> tuple[int, str]:
    arguments = ["--source", source, "--landing", str(shop.landing), "--as-of", as_of, "--root", str(shop.root)]
    return affinity("run", *arguments, *more)


def refused(said: tuple[int, str], *words: str) -> None:
    code, text = said
    assert code == ExitCode.BAD_INPUT, text
    for word in words:
        assert word in text


def test_no_landing_folder(shop: Shop) -> None:
    missing = str(shop.folder / "nowhere")
    said = affinity(
        "run", "--source", "online_retail", "--landing", missing, "--as-of", "2011-01-06", "--root", str(shop.root)
    )
    refused(said, missing, "does not exist")


def test_empty_landing_folder(shop: Shop) -> None:
    for path in shop.landing.glob("*"):
        path.rename(path.with_suffix(".csv.tmp"))
    refused(run(shop), "holds no file of source 'online_retail'", ".tmp", "wait")


def test_wrong_header(shop: Shop) -> None:
    for path in shop.landing.glob("*"):  # where others can be read they are
        path.unlink()
    (shop.landing / "2011-01-06.csv").write_text("InvoiceNo,StockCode,Price\n1,2,3\n")
    said = affinity(
        *("job", "ingest_events", "--source", "online_retail", "--landing", str(shop.landing), "--root", str(shop.root))
    )
    refused(
        said, "2011-01-06.csv", "missing ['Description'", "got ['InvoiceNo', 'StockCode', 'Price']", "Nothing was read"
    )


def test_unknown_source(shop: Shop) -> None:
    refused(run(shop, source="online_retial"), "'online_retial' is unknown", 'did you mean "online_retail"?')


@pytest.mark.parametrize("as_of", ["2011-01-04", "2010-01-01", "2011-01-07"])
def test_a_date_that_cannot_be_served(shop: Shop, as_of: str) -> None:
    refused(run(shop, as_of=as_of), as_of, "2011-01-05 to 2011-01-06")


def test_a_setting_with_a_typo(shop: Shop) -> None:
    refused(run(shop, "--set", "jobs.mine_rules.min_suport=0.1"), "'min_suport' is unknown", '"min_support"')
    refused(run(shop, "--set", "store.rot=x"), "'store.rot' is unknown", '"root"')
    refused(run(shop, "--set", "jobs.mine_ruls.min_support=0.1"), "'mine_ruls'", '"mine_rules"')
    refused(run(shop, "--set", "jobs.mine_rules.min_support=2"), "jobs.mine_rules", "got 2")


def test_all_faults_of_the_settings_are_told_at_once(shop: Shop) -> None:
    said = run(shop, "--set", "store.rot=x", "--set", "spark.mastr=y")
    refused(said, "store.rot", "spark.mastr")


def test_a_backfill_that_goes_backwards(shop: Shop) -> None:
    arguments = ["--source", "online_retail", "--landing", str(shop.landing), "--root", str(shop.root)]
    refused(affinity("run", *arguments, "--from", "2011-01-06", "--to", "2011-01-05"), "goes forward")
    refused(affinity("run", *arguments, "--from", "2011-01-05", "--to", "2011-01-06", "--every", "week"), "7d")
    refused(affinity("run", *arguments), "--as-of DATE")


def test_another_key_once_tables_exist(shop: Shop) -> None:
    other = shop.folder / "other.key"
    other.write_text("ab" * 32)
    refused(run(shop, "--set", f"privacy.key_file={other}"), "another key", "mount the original key")
    assert "ab" * 32 not in run(shop, "--set", f"privacy.key_file={other}")[1]


def test_a_missing_key(shop: Shop) -> None:
    shop.platform.root.key_file.unlink()
    refused(run(shop), "subject.key is missing", "mount the key")


def test_another_business_zone(shop: Shop) -> None:
    refused(run(shop, "--set", "store.business_zone=Europe/Paris"), "Europe/London", "set it back")
    refused(run(shop, "--set", "store.business_zone=Mars/Base"), "no IANA time zone")


def test_a_table_path_that_leads_outside_the_root(shop: Shop) -> None:
    outside = shop.folder / "outside"
    outside.mkdir()
    (shop.root / "tables").mkdir(exist_ok=True)
    (shop.root / "tables" / "gold").symlink_to(outside)
    root = open_root(load_config(overrides=[f"store.root={shop.root}"]), create=False)
    with pytest.raises(BadInput, match=r"outside the root .* Remove the link"):
        root.table(gold.RECOMMENDATIONS)


def test_an_environment_that_is_no_name(shop: Shop) -> None:
    refused(run(shop, "--env", "../../secrets"), "is no name")


@pytest.mark.parametrize("source", ["online_retail", "nobody"])
def test_a_dry_or_refused_run_makes_no_root(shop: Shop, source: str) -> None:
    fresh = shop.folder / "fresh"
    arguments = ["--source", source, "--landing", str(shop.landing), "--root", str(fresh)]
    days = ["--from", "2011-01-05", "--to", "2011-01-06"]
    if source == "nobody":
        refused(affinity("run", *arguments, *days), "'nobody' is unknown")
    else:
        code, said = affinity("run", *arguments, *days, "--dry-run")
        assert code == ExitCode.DONE
        assert [word in said for word in ("2011-01-05", "2011-01-06", "would run", "done with the first date")] == [
            True
        ] * 4
    assert not fresh.exists()


def test_a_first_line_that_is_no_header_is_not_repeated(shop: Shop) -> None:
    for path in shop.landing.glob("*"):
        path.unlink()
    (shop.landing / "2011-01-06.csv").write_text("536365,85123A,LANTERN,6,2011-01-06 08:26:00,2.55,17850.0,France\n")
    said = affinity(
        *("job", "ingest_events", "--source", "online_retail", "--landing", str(shop.landing), "--root", str(shop.root))
    )
    refused(said, "2011-01-06.csv: its first line, of 8 fields, is no header", "'CustomerID'")
    assert "17850" not in said[1]


def test_a_second_walk_at_once_is_refused_before_any_work(shop: Shop) -> None:
    with walk_lease(shop.platform.root):
        code, said = run(shop)
    assert code == ExitCode.LEASE_HELD
    assert "Another run is writing the tables of this root" in said
    assert shop.platform.ops.read(ops.RUNS) == []


def test_nothing_is_written_by_a_refused_run(shop: Shop) -> None:
    before = sorted(path for path in shop.root.rglob("*"))
    run(shop, as_of="2012-01-01")
    run(shop, source="nobody")
    assert sorted(path for path in shop.root.rglob("*")) == before
