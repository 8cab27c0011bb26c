"""Who was erased or opted out does not come back with the next file."""

import io
import sys

import pytest
from deltalake import DeltaTable

from affinity.core.errors import ExitCode, Infrastructure
from affinity.io.ask import ask
from affinity.io.suppression import suppressed_files
from affinity.jobs import cli
from affinity.tables import bronze, ops, silver
from tests.shop import Shop, line


def _suppress(shop: Shop, ids: str, patch: pytest.MonkeyPatch) -> int:
    patch.setattr(sys, "stdin", io.StringIO(ids))
    arguments = ["customer", "suppress", "--source", "online_retail", "--reason", "erased", "--root", str(shop.root)]
    patch.setattr(sys, "argv", ["affinity", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_events_of_an_erased_person_are_counted_and_not_kept(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, stays = "12345", "17850"
    assert _suppress(shop, "", monkeypatch) == ExitCode.BAD_INPUT
    assert suppressed_files(shop.platform.root) == ()
    assert _suppress(shop, f" {gone}.0 \n\n", monkeypatch) == ExitCode.DONE
    for path in shop.landing.glob("*"):
        path.unlink()
    mine = [line("2011-01-06", CustomerID=gone, InvoiceNo="600001", Quantity=n) for n in ("3", "many")]
    shop.land("2011-01-06.csv", [*mine, line("2011-01-06", CustomerID=stays)])

    shop.ingest()

    assert [row["order_id"] for row in shop.read(silver.EVENTS).collect()] == ["500001"]
    rejected = shop.read(silver.QUARANTINE).select("disposition", "reason", "payload", "line_no").collect()
    assert sorted(map(tuple, rejected)) == [
        ("filtered", "subject_suppressed", None, 2),
        ("filtered", "subject_suppressed", None, 3),
    ]
    of_theirs = [row for row in shop.read(bronze.EVENTS).collect() if row["line_no"] in (2, 3)]
    told = ("subject_key", "order_id", "item_id", "quantity", "unit_price", "amount", "payload", "got")
    assert [[row[name] for name in told] for row in of_theirs] == [[None] * len(told)] * 2
    (balance,) = shop.manifest()
    assert (balance["n_rows"], balance["n_accepted"], balance["n_filtered"]) == (3, 1, 2)
    (listed,) = shop.platform.ops.read(ops.SUPPRESSIONS)
    assert gone not in str(listed)
    assert ask(shop.platform.root, "SELECT * FROM ops.suppressions") == [listed]


def test_a_damaged_list_is_no_shorter_one(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for person in ("12345", "12346"):
        assert _suppress(shop, person, monkeypatch) == ExitCode.DONE
    path = shop.platform.root.table(ops.SUPPRESSIONS)
    commit = path / "_delta_log" / f"{2:020}.json"
    assert commit.stat().st_size > 0
    commit.write_bytes(b"")
    assert DeltaTable(str(path)).to_pyarrow_table().num_rows == 1, "the control: one of the two would come back"
    with pytest.raises(Infrastructure, match=f"ops.suppressions is damaged: .*{commit.name} is empty"):
        suppressed_files(shop.platform.root)
