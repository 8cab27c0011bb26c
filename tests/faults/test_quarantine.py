"""Lines that were not accepted, and what a corrected mapping takes of them later."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from affinity.core.errors import ExitCode, Infrastructure
from affinity.core.vocabulary import Disposition, Feed, FileState, Status
from affinity.io import files
from affinity.io.chain import walk
from affinity.io.config import conf_dir, load_config
from affinity.io.ops import Row
from affinity.io.plan import Request
from affinity.io.platform import Platform
from affinity.io.publication import Publication
from affinity.io.quarantine import Wanted, sections
from affinity.io.runner import Result
from affinity.jobs import clean_events, replay_quarantine
from affinity.tables import bronze, ops, silver
from tests.digest import spark_digest
from tests.shop import Shop

MAPPING = """
name = "online_retail"
time_zone = "UTC"
currency = "GBP"

[files]
format = "csv"
pattern = "**/*.csv"
date_pattern = '(?P<date>\\d{4}-\\d{2}-\\d{2})'
columns = ["Receipt", "At", "Item", "Qty", "Price", "Kind", "Card"]
escape = '"'

[subject]
column = "Card"
kind = "card"
canonical = "verbatim"

[events]
event_ts = "At"
event_ts_format = "%Y-%m-%d %H:%M:%S"
order_id = "Receipt"
item_id = "Item"
quantity = "Qty"
unit_price = "Price"

[events.type_words]
column = "Kind"
words = { S = "purchase" }
"""
HEADER = "Receipt,At,Item,Qty,Price,Kind,Card"
SOLD = "R1,2025-10-06 09:00:00,tea,2,1.50,S,ann"
VOUCHER = "R2,2025-10-05 09:00:00,tea,1,1.50,V,bob"
COMMA = 'R3,2025-10-06 09:00:00,tea,1,"1,50",V,bob'
# Two spellings of one content; quotes have a backslash in the first, which the mapping does not know at first.
ESCAPED = 'R4,2025-10-06 09:00:00,"pot \\"red\\"",1,4.00,S,cid'
BARE = 'R4,2025-10-06 09:00:00,pot "red",1,4.00,S,cid'


@dataclass
class MappedShop(Shop):
    """A shop that writes its own mapping."""

    def reopen(self) -> None:
        """Look at the root and the mapping with fresh eyes."""
        self.map()

    def map(self, **changed: str) -> None:
        """Write the mapping, one text of it for another."""
        conf = self.folder / "conf"
        (conf / "sources").mkdir(parents=True, exist_ok=True)
        (conf / "affinity.toml").write_bytes((conf_dir() / "affinity.toml").read_bytes())
        text = MAPPING
        for old, new in ((SPELLED[name], text) for name, text in changed.items()):
            assert old in text
            text = text.replace(old, new)
        (conf / "sources" / "online_retail.toml").write_text(text)
        self.configure("unparsable")

    def configure(self, reason: str) -> None:
        """Open the root with the reason among the settings."""
        overrides = [f"store.root={self.root}", f"jobs.replay_quarantine.reason={reason}"]
        config = load_config(self.folder / "conf" / "affinity.toml", overrides=overrides)
        self.platform = Platform.open(config, session=self.spark)

    def land_text(self, name: str, *lines: str) -> Path:
        """Write a landed file as it stands."""
        path = self.landing / name
        path.write_text("\n".join([HEADER, *lines]) + "\n")
        return path

    def replay(self, reason: str) -> Result:
        """Read the lines again that were rejected for the reason."""
        self.configure(reason)
        return self.run(replay_quarantine.JOB)

    def counts(self) -> dict[tuple[str, str], int]:
        """Lines by disposition and reason."""
        rows = self.read(ops.DISPOSITIONS).groupBy("disposition", "reason").sum("n_rows").collect()
        return {(row[0], row[1]): row[2] for row in rows}

    def noted(self, path: str) -> Row:
        """The manifest row of a file."""
        (row,) = [row for row in self.manifest() if row["path"] == path]
        return row

    def defects(self, path: str) -> dict[str, int]:
        """Lines of a file by defect."""
        found: dict[str, int] = json.loads(self.noted(path)["defects"])
        return found

    def facts(self, path: str) -> list[object]:
        """State, readings and balance of a file."""
        row = self.noted(path)
        balance = [row[f"n_{disposition}"] for disposition in Disposition]
        assert row["n_rows"] == sum(balance)
        return [row["state"], row["n_readings"], *balance]


SPELLED = {
    "words": 'words = { S = "purchase" }',
    "escape": "escape = '\"'",
    "card": '"Card"]',
    "own": "[events.type_words]",
}


@pytest.fixture
def shop(spark: SparkSession, tmp_path: Path) -> MappedShop:
    """Two judged days, of which six lines were not taken."""
    made = MappedShop(tmp_path, spark)
    made.land_text("2025-10-06.csv", SOLD, VOUCHER, VOUCHER, COMMA, ESCAPED, BARE)
    made.land_text("2025-10-07.csv", SOLD.replace("10-06", "10-07"), ESCAPED.replace("10-06", "10-07"))
    assert [result.status for result in made.ingest()] == [Status.DONE, Status.DONE]
    return made


ACCEPTED, QUARANTINED = (Disposition.ACCEPTED, "-"), Disposition.QUARANTINED
UNKNOWN, UNPARSABLE = (QUARANTINED, "event_type_unknown"), (QUARANTINED, "unparsable")
OF_LINES = {"price_invalid": 1, "repeated_line": 1}
OF_NO_LINE = {"unparsable": 1, "event_ts_invalid": 1, "customer_missing": 1, "event_type_unknown": 1}


def test_a_corrected_mapping_takes_in_what_it_can_read_once(shop: MappedShop, monkeypatch: pytest.MonkeyPatch) -> None:
    assert shop.counts() == {ACCEPTED: 3, UNKNOWN: 3, UNPARSABLE: 2}
    assert shop.defects("2025-10-06.csv") == OF_LINES | OF_NO_LINE | {"event_type_unknown": 3 + 1}
    _same_mapping(shop)
    _known_word(shop, monkeypatch)
    _right_quotes(shop, monkeypatch)
    counted = sections(shop.platform.root, Wanted())["counts"]
    assert [(row["reason"], row["n_lines"], row["n_files"]) for row in counted] == [
        ("event_type_unknown", 1, 1),
        ("unparsable", 1, 1),
    ]


def _same_mapping(shop: MappedShop) -> None:
    """Control: nothing comes of the mapping as it was, and the second time nothing is even read."""
    versions, digests = shop.versions(), _digests(shop)
    assert shop.replay("price_invalid").status is Status.NOTHING_TO_DO, "a line has one reason"
    control = shop.replay("event_type_unknown")
    assert (control.status, control.reason) == (Status.DONE, "0 of 3 lines are taken now")
    assert shop.replay("event_type_unknown").status is Status.NOTHING_TO_DO
    assert (shop.versions(), _digests(shop)) == (versions, digests)


def _known_word(shop: MappedShop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A word becomes known, and another means something else now: what was accepted before stays what it was."""
    first_ids = _ids(shop, "event_type_unknown")
    shop.map(words='words = { S = "cart", V = "purchase" }')
    with monkeypatch.context() as patch:
        patch.setattr(
            files, "BLOCK_BYTES", 1
        )  # read in parts and numbered by Spark, the ids are those of the first time
        replayed = shop.replay("event_type_unknown")
    assert (replayed.status, replayed.reason) == (Status.DONE, "2 of 3 lines are taken now")
    assert replayed.rows == {"bronze.events": 2}
    early = shop.replay("unparsable")
    assert early.exit_code is ExitCode.BAD_INPUT
    assert "run `affinity job clean_events` first" in (early.reason or "")
    assert shop.run("clean_events").status is Status.DONE
    assert shop.counts() == {ACCEPTED: 5, UNKNOWN: 1, UNPARSABLE: 2}
    vouchers = shop.read(silver.EVENTS).where("event_date = '2025-10-05'").collect()
    assert [(row["event_type"], row["order_id"]) for row in vouchers] == [("purchase", "R2")] * 2
    assert {row["event_id"] for row in vouchers} < first_ids
    assert shop.read(silver.EVENTS).where("event_type != 'purchase'").count() == 0
    assert shop.facts("2025-10-06.csv") == [FileState.CLEANED, 2, 4, 0, 0, 2]
    assert shop.facts("2025-10-07.csv") == [FileState.CLEANED, 1, 1, 0, 0, 1]
    assert shop.defects("2025-10-06.csv") == OF_LINES | OF_NO_LINE | {"event_type_unknown": 1 + 1}
    assert shop.replay("event_type_unknown").status is Status.NOTHING_TO_DO


def _right_quotes(shop: MappedShop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file is gone, a run that dies is completed, and two spellings of one content are two sales."""
    (shop.landing / "2025-10-07.csv").unlink()
    shop.map(escape="escape = '\\'")
    with monkeypatch.context() as patch:
        patch.setattr(Publication, "release", _die)
        assert shop.replay("unparsable").exit_code is ExitCode.INFRASTRUCTURE
    jobs = [clean_events.JOB, replay_quarantine.JOB, clean_events.JOB]  # as the command line does
    idle, recovered, cleaned = walk(shop.platform, jobs, Request(None, ("online_retail",), shop.landing))
    assert (idle.status, recovered.status, cleaned.status) == (Status.NOTHING_TO_DO, Status.RECOVERED, Status.DONE)
    gone = "files with such lines no longer lie in landing: 2025-10-07.csv"
    assert recovered.reason == f"1 of 1 lines are taken now. 1 {gone}"
    assert shop.counts() == {ACCEPTED: 6, UNKNOWN: 1, UNPARSABLE: 1}
    pots = shop.read(silver.EVENTS).where("order_id = 'R4'").collect()
    assert (len({row["event_id"] for row in pots}), {row["item_id"] for row in pots}) == (2, {'pot "red"'})
    assert shop.facts("2025-10-06.csv") == [FileState.CLEANED, 3, 5, 0, 0, 1]
    assert shop.defects("2025-10-06.csv") == OF_LINES | {"event_type_unknown": 1}
    assert shop.read(bronze.EVENTS).count() == 8 + 2 + 1
    last = shop.replay("unparsable")
    assert (last.status, last.reason) == (Status.NOTHING_TO_DO, f"the {gone}")


def test_lines_that_are_taken_later_keep_the_date_of_their_file(shop: MappedShop) -> None:
    file_id = shop.noted("2025-10-06.csv")["file_id"]
    (shop.landing / "2025-10-06.csv").rename(shop.landing / "2025-10-09.csv")
    shop.map(words='words = { S = "purchase", V = "purchase" }')
    replayed = shop.replay("event_type_unknown")
    assert (replayed.status, replayed.reason) == (Status.DONE, "2 of 3 lines are taken now")
    moved = shop.read(bronze.EVENTS).where(F.col("file_id") == file_id)
    dates = {(row["reading"], row["file_date"].day) for row in moved.collect()}
    assert dates == {(1, 6), (2, 6)}


def test_lines_of_a_moved_file_are_held_against_the_date_by_which_it_came(shop: MappedShop) -> None:
    good = SOLD.replace("R1,2025-10-06", "R8,2025-10-10")
    ahead = shop.land_text("2025-10-10.csv", good, good.replace("R8,2025-10-10", "R9,2025-10-12"))
    assert [result.status for result in shop.ingest()] == [Status.DONE, Status.DONE]
    assert shop.counts()[QUARANTINED, "event_ts_future"] == 1
    ahead.rename(shop.landing / "2025-10-11.csv")
    replayed = shop.replay("event_ts_future")
    assert (replayed.status, replayed.reason) == (Status.DONE, "0 of 1 lines are taken now")
    assert shop.counts()[QUARANTINED, "event_ts_future"] == 1


def test_statements_that_are_put_back_are_known_for_it_though_they_were_refused_between(shop: MappedShop) -> None:
    def noted(**changed: str) -> list[tuple[str, int, bool]]:
        """States and readings of the first file's statements, and whether they have a correction, after another look
        at what landed.
        """
        shop.map(own='[customers]\ncountry = "Item"\n\n[events.type_words]', **changed)
        shop.run("ingest_customers")
        of_file = [row for row in shop.manifest() if (row["file_id"], row["feed"]) == (file_id, Feed.CUSTOMERS)]
        return [(row["state"], row["n_readings"], row["superseded_by"] is not None) for row in of_file]

    file_id, path = shop.noted("2025-10-06.csv")["file_id"], shop.landing / "2025-10-06.csv"
    first = path.read_bytes()
    assert noted() == [(FileState.INGESTED, 1, False)]
    shop.land_text(path.name, SOLD)
    assert noted() == [(FileState.SUPERSEDED, 1, True)]
    path.write_bytes(first)
    assert noted(card='"Card", "Till"]') == [(FileState.REFUSED, 1, True)]
    assert noted() == [(FileState.INGESTED, 2, False)]


def _digests(shop: Shop) -> list[str]:
    return [spark_digest(shop.read(spec), spec) for spec in (bronze.EVENTS, silver.EVENTS, silver.QUARANTINE)]


def _ids(shop: Shop, reason: str) -> set[str]:
    rows = shop.read(bronze.EVENTS).where(f"rejection = '{reason}'").select("event_id").collect()
    return {row["event_id"] for row in rows}


def _die(_publication: Publication) -> None:
    raise Infrastructure("the store is gone")
