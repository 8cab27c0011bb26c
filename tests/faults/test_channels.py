"""Seven channels of one shop, each by its mapping: events, a catalogue and a CRM side by side."""

import gzip
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from affinity.core.errors import ExitCode
from affinity.core.vocabulary import FileState, Status
from affinity.features.identities import holding
from affinity.io.ask import ask
from affinity.io.job import find
from affinity.io.plan import Request
from affinity.io.releases import Releases
from affinity.io.runner import Attempt, Result, run_job
from affinity.jobs.catalog import JOBS
from affinity.tables import bronze, gold, ops, silver
from tests.shop import Shop

DAY = "2025-10-06"
WEB = {"id": "w1", "ts": f"{DAY}T07:12:33Z", "type": "view", "cookie": "cookie-7", "account": "10012345", "item": "I1"}
APP = {"event": "a1", "epoch": 1759735953, "action": "find", "device": "device-7", "user": "10012345", "text": "tea"}
TILLS = "LineRef,Receipt,Store,LocalTime,Card,SKU,Qty,Price,Kind"
AT = datetime(2025, 10, 6, 9, tzinfo=UTC)
ORDER = {"line_id": "o1", "order_id": "O1", "placed_at": AT, "account": "10012345", "item": "I1", "currency": "GBP"}
ORDERED = {"quantity": pa.int32(), "unit_price": pa.decimal128(18, 2), "placed_at": pa.timestamp("us", tz="UTC")}
MAIL = {"message": "m1", "at": f"{DAY} 09:00:00", "what": "opened", "to": "ab" * 16, "campaign": "newsletter-003"}


@pytest.fixture
def shop(spark: SparkSession, tmp_path: Path) -> Shop:
    return Shop(tmp_path, spark)


def run(shop: Shop, job: str, source: str) -> Result:
    return run_job(shop.platform, find(job, JOBS), Request(None, (source,), shop.landing))


def jsonl(shop: Shop, name: str, *lines: Mapping[str, Any]) -> None:
    path = shop.landing / name
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)


def parquet(shop: Shop, name: str, rows: Sequence[Mapping[str, Any]], **types: pa.DataType) -> None:
    path = shop.landing / name
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist([dict(row) for row in rows])
    for column, kind in types.items():
        table = table.set_column(table.column_names.index(column), column, table[column].cast(kind))
    pq.write_table(table, path)


def land_all(shop: Shop) -> None:
    """One day of every channel; each log has one line that is not accepted."""
    jsonl(shop, f"web/{DAY}/web-{DAY}T07.jsonl", WEB, WEB, {**WEB, "id": "w2", "account": None, "type": "cart"})
    jsonl(shop, f"app/{DAY}/app-{DAY}T07.jsonl", APP, {**APP, "event": "a2", "epoch": 1759735953000})
    (shop.landing / "tills").mkdir()
    sold = [f"t1,R1,S1,06/10/2025 09:00:00,001234567890,I1,2,1.50,{kind}" for kind in ("S", "X")]
    back = "t3,R2,S1,06/10/2025 09:30:00,,I1,-1,1.50,R"
    (shop.landing / f"tills/tills-{DAY}.csv").write_text("\n".join([TILLS, *sold, back]) + "\n")
    lines = [
        {**ORDER, "kind": "order", "quantity": 3, "unit_price": Decimal("2.50"), "card": "001234567890"},
        {**ORDER, "line_id": "o2", "kind": "return", "quantity": 1, "unit_price": Decimal("2.50"), "card": None},
        {**ORDER, "line_id": "o3", "kind": "order", "quantity": None, "unit_price": None, "card": None},
    ]
    parquet(shop, f"orders/orders-{DAY}.parquet", lines, **ORDERED)
    jsonl(shop, f"email/email-{DAY}.jsonl.gz", MAIL, {**MAIL, "message": "m2", "what": "bounced"})
    blank = dict.fromkeys(("name", "description", "category_1", "category_2", "category_3", "brand", "price", "stock"))
    goods = [
        {"item": "I1", **blank, "name": "Tea", "category_1": "Food", "price": Decimal("2.50"), "status": "active"},
        {"item": "I2", **blank, "name": "Cup", "price": Decimal("4.00"), "status": "withdrawn"},
    ]
    parquet(shop, f"catalogue/catalogue-{DAY}.parquet", goods, price=pa.decimal128(18, 2))
    who = {"email_hash": "x", "card": "001234567890", "country": "GB", "birth_year": 1970, "group": "a"}
    more = {"consent_email": True, "consent_profiling": False, "merged_into": None, "joined": date(2020, 1, 1)}
    for part, account, tier in (("0", "10012345", "gold"), ("1", "10012346", None)):
        rows = [{"account": account, "tier": tier, **who, **more}]
        parquet(shop, f"crm/crm-{DAY}-part-0000{part}.parquet", rows, tier=pa.string())


def test_every_channel_arrives(shop: Shop) -> None:
    land_all(shop)
    for source in ("web", "app", "tills", "orders", "email"):
        assert run(shop, "ingest_events", f"shop_{source}").status is Status.DONE
    for job, source in (("ingest_items", "catalogue"), ("ingest_customers", "crm"), ("clean_events", "web")):
        assert run(shop, job, f"shop_{source}").status is Status.DONE
    assert run(shop, "ingest_events", "shop_catalogue").status is Status.NOTHING_TO_DO
    assert run(shop, "ingest_events", "shop_web").status is Status.NOTHING_TO_DO

    events = shop.read(silver.EVENTS)
    found = events.selectExpr("source", "event_type", "hour(event_ts)", "item_id", "amount", "currency").collect()
    assert sorted(map(tuple, found)) == [
        ("shop_app", "search", 7, None, None, None),
        ("shop_email", "contact", 9, None, None, None),
        ("shop_orders", "purchase", 9, "I1", Decimal("7.5"), "GBP"),
        ("shop_orders", "return", 9, "I1", Decimal("2.5"), "GBP"),
        ("shop_tills", "purchase", 8, "I1", Decimal(3), "GBP"),
        ("shop_tills", "return", 8, "I1", Decimal("1.5"), "GBP"),
        ("shop_web", "cart", 7, "I1", None, None),
        ("shop_web", "view", 7, "I1", None, None),
    ]
    # The account of web, app and orders is one customer; the card and the address are two others.
    assert events.where("customer_id IS NOT NULL").select("customer_id").distinct().count() == 3
    rejected = shop.read(silver.QUARANTINE).select("source", "reason").collect()
    assert sorted(map(tuple, rejected)) == [
        ("shop_app", "event_ts_future"),
        ("shop_email", "event_type_unknown"),
        ("shop_orders", "quantity_invalid"),
        ("shop_tills", "event_type_unknown"),
        ("shop_web", "same_event_id"),
    ]
    items = shop.read(silver.ITEMS).select("item_id", "description", "unit_price", "category_1", "is_recommendable")
    assert sorted(map(tuple, items.collect())) == [
        ("I1", "Tea", Decimal("2.5"), "Food", True),
        ("I2", "Cup", Decimal(4), None, False),
    ]
    customers = shop.read(silver.CUSTOMERS).selectExpr("customer_id", "tier", "country", "string(observed_date)")
    known = {row[0]: tuple(row)[1:] for row in customers.collect()}
    assert sorted(known.values(), key=str) == [("gold", "GB", DAY), (None, "GB", DAY)]
    (buyer,) = events.where("source = 'shop_orders'").select("customer_id").distinct().collect()
    assert known[buyer[0]][0] == "gold"
    kept = [str(row.asDict()) for spec in (bronze.EVENTS, silver.QUARANTINE) for row in shop.read(spec).collect()]
    raw_ids = ("10012345", "001234567890", "cookie-7", "device-7", MAIL["to"])
    assert not [row for row in kept if any(raw in row for raw in raw_ids)]


def test_an_id_that_comes_again_with_another_time_is_one_event_whatever_days_are_judged(shop: Shop) -> None:
    def deliver(day: str, *lines: Mapping[str, Any]) -> dict[str, str]:
        """Land a file of a day, ingest and clean; the day and item of each accepted event."""
        jsonl(shop, f"web/{day}/web-{day}T07.jsonl", *lines)
        for job in ("ingest_events", "clean_events"):
            assert run(shop, job, "shop_web").status is Status.DONE
        rows = shop.read(silver.EVENTS).selectExpr("item_id", "string(event_date)").collect()
        assert len(rows) == len({row[0] for row in rows})
        return {row[0]: row[1] for row in rows}

    fifth, sixth, seventh = (f"2025-10-0{n}T07:00:00Z" for n in (5, 6, 7))
    line = {**WEB, "cookie": None}  # of people there is nothing to find out
    first, second = {**line, "ts": sixth}, {**line, "ts": fifth}
    other, third = {**line, "id": "w2", "item": "I2", "ts": seventh}, {**line, "id": "w3", "item": "I3", "ts": sixth}

    assert deliver("2025-10-06", first) == {"I1": "2025-10-06"}
    # The earlier file holds, though the later one tells of an earlier day.
    assert deliver("2025-10-07", second, other) == {"I1": "2025-10-06", "I2": "2025-10-07"}
    # A day to which something is added keeps its winner.
    assert deliver("2025-10-08", third) == {"I1": "2025-10-06", "I2": "2025-10-07", "I3": "2025-10-06"}
    # Once the earlier file says no more of it, the later one holds, on a day of which nothing else is new.
    assert deliver("2025-10-06", {**third, "id": "w4", "item": "I4"})["I1"] == "2025-10-05"
    # What lands late and comes before takes the event from a day that has nothing new.
    assert deliver("2025-10-05", first, {**third, "id": "w5", "item": "I5"}) == {
        "I1": "2025-10-06",
        "I2": "2025-10-07",
        "I3": "2025-10-06",
        "I4": "2025-10-06",
        "I5": "2025-10-06",
    }
    counted = shop.read(ops.DISPOSITIONS).groupBy("disposition").sum("n_rows").collect()
    assert {row[0]: row[1] for row in counted} == {"accepted": 5, "duplicate": 1}


def test_the_same_bytes_for_another_source_are_refused(shop: Shop) -> None:
    name = f"{DAY}/{{0}}-{DAY}T07.jsonl"
    for source in ("web", "app"):
        jsonl(shop, f"{source}/{name.format(source)}", {**WEB, **APP})
    jsonl(shop, f"app/{DAY}/app-{DAY}T08.jsonl", APP)
    sources = ("shop_web", "shop_app")

    ingest = run_job(shop.platform, find("ingest_events", JOBS), Request(None, sources, shop.landing))
    assert ingest.status is Status.DONE
    assert run(shop, "clean_events", "shop_web").status is Status.DONE

    (refused,) = [row for row in shop.manifest() if row["state"] == FileState.REFUSED]
    assert refused["path"].startswith("app/")
    assert "'shop_web'" in refused["reason"]
    assert sorted(row["source"] for row in shop.read(silver.EVENTS).collect()) == ["shop_app", "shop_web"]
    assert run(shop, "ingest_events", "shop_app").status is Status.NOTHING_TO_DO


def test_one_id_with_a_third_of_all_events_is_flagged_and_changes_nobody(shop: Shop) -> None:
    def features() -> dict[str, dict[str, Any]]:
        """A slice over all that has landed, by customer."""
        for job, source in (
            ("ingest_events", "shop_orders"),
            ("ingest_events", "shop_web"),
            ("clean_events", "shop_web"),
        ):
            assert run(shop, job, source).exit_code is ExitCode.DONE
        asked = Request(date(2025, 10, 7), restate=True)
        assert run_job(shop.platform, find("build_features", JOBS), asked).status is Status.DONE
        rows = ask(shop.platform.root, "SELECT * EXCLUDE (run_id) FROM gold.customer_features")
        return {row["customer_id"]: row for row in rows}

    accounts = [str(20_000_000 + n) for n in range(40)]
    heavy = "66666666"
    bought = {**ORDER, "kind": "order", "quantity": 1, "unit_price": Decimal("2.50"), "card": None}
    orders = [
        {**bought, "line_id": f"o{n}", "order_id": f"O{n}", "account": account, "placed_at": AT - timedelta(days=1)}
        for n, account in enumerate([*accounts, *accounts, heavy])
    ]
    parquet(shop, f"orders/orders-{DAY}.parquet", orders, **ORDERED, card=pa.string())
    seen = [{**WEB, "id": f"v{n}", "account": accounts[n % 40], "cookie": f"c{n % 40}"} for n in range(1_200)]
    jsonl(shop, f"web/{DAY}/web-{DAY}T07.jsonl", *seen)
    before = features()
    many = [{**WEB, "id": f"h{n}", "account": heavy, "cookie": "c-heavy"} for n in range(700)]
    jsonl(shop, f"web/{DAY}/web-{DAY}T08.jsonl", *many)

    after = features()

    (bot,) = ask(shop.platform.root, "SELECT customer_id, rule FROM silver.bots")
    assert bot["rule"] == "many_events"
    assert {c for c, row in after.items() if row["is_bot"]} == {bot["customer_id"]}
    assert after.pop(bot["customer_id"])["n_views_30d"] == 700
    assert not before.pop(bot["customer_id"])["is_bot"]
    assert len(after) == 40
    assert after == before


def test_whose_amounts_are_in_several_currencies_can_be_asked(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AFFINITY_DEBUG", raising=False)
    priced = {**ORDER, "kind": "order", "quantity": 1, "unit_price": Decimal("2.50"), "card": None}
    euros = {**priced, "line_id": "o2", "order_id": "O2", "currency": "EUR"}
    parquet(shop, f"orders/orders-{DAY}.parquet", [priced, euros], **ORDERED, card=pa.string())
    for job in ("ingest_events", "clean_events"):
        assert run(shop, job, "shop_orders").status is Status.DONE

    ended = run_job(shop.platform, find("build_features", JOBS), Request(date(2025, 10, 7)))

    assert ended.exit_code is ExitCode.BAD_INPUT
    said, query = str(ended.reason).split(" Whose these are: ")
    assert said.startswith("Amounts of a customer are in several currencies, expected one, got at least EUR and GBP")
    assert len(ask(shop.platform.root, query)) == 1


def test_links_go_with_the_file_that_tells_of_them_and_come_again_with_it(shop: Shop) -> None:
    def n_joined(*cookies: str) -> int:
        """How many ids are another's, as a file of one account with these cookies tells."""
        lines = [{**WEB, "id": f"w{number}", "cookie": cookie} for number, cookie in enumerate(cookies)]
        jsonl(shop, f"web/{DAY}/web-{DAY}T07.jsonl", *lines)
        for job in ("ingest_events", "clean_events"):
            assert run(shop, job, "shop_web").status is Status.DONE
        return holding(shop.read(silver.IDENTITY_CHANGES)).where("customer_id <> subject_id").count()

    assert [n_joined("one", "two"), n_joined("one"), n_joined("one", "two")] == [2, 1, 2]


def crm(shop: Shop, part: int, account: str | None = "10012345", **said: Any) -> None:
    """One of the files in which the CRM states its customers on a day."""
    columns = ("account", "card", "email_hash", "tier", "country", "merged_into")
    withheld = {"birth_year": 1970, "group": "a", "consent_email": True, "consent_profiling": False, "joined": None}
    rows = [{**dict.fromkeys(columns), "account": account, **withheld, **said}]
    types = dict.fromkeys(columns, pa.string()) | {"joined": pa.date32()}
    parquet(shop, f"crm/crm-{DAY}-part-0000{part}.parquet", rows, **types)


def n_others(shop: Shop) -> int:
    """How many ids are another's."""
    return holding(shop.read(silver.IDENTITY_CHANGES)).where("customer_id <> subject_id").count()


def test_every_file_of_a_day_is_heard_and_goes_alone(shop: Shop) -> None:
    def taken_in(*, and_cleaned: bool = True) -> int:
        for job in ("ingest_customers", *(["clean_events"] if and_cleaned else [])):
            assert run(shop, job, "shop_crm").status is Status.DONE
        return n_others(shop)

    crm(shop, 0, card="1", tier="gold")
    assert taken_in() == 1
    crm(shop, 1, email_hash="ab")
    assert taken_in() == 2, "of an account that another file has named for the day"
    for part in (2, 3):
        crm(shop, part, card=str(part))
        taken_in(and_cleaned=False)
    crm(shop, 4, card="4")
    assert taken_in() == 5, "of files that came in turns before they were heard"
    crm(shop, 0, tier="silver")
    assert taken_in() == 4, "of the corrected file alone"
    said = shop.read(silver.CUSTOMERS).where("tier IS NOT NULL").select("tier").collect()
    assert [row.tier for row in said] == ["silver"]
    assert shop.read(silver.CUSTOMERS).count() == 5


def test_a_file_that_takes_the_name_of_one_that_is_gone_is_there_once(shop: Shop) -> None:
    crm(shop, 0, card="1")
    crm(shop, 1, card="2")
    assert run(shop, "ingest_customers", "shop_crm").status is Status.DONE
    assert run(shop, "clean_events", "shop_crm").status is Status.DONE
    crm(shop, 0, card="2")
    assert run(shop, "ingest_customers", "shop_crm").status is Status.DONE
    assert run(shop, "clean_events", "shop_crm").status is Status.DONE
    assert shop.read(silver.CUSTOMERS).count() == 1
    assert n_others(shop) == 1


def test_files_that_wait_are_heard_though_another_of_their_day_is_taken_back(shop: Shop) -> None:
    for part, account, card in ((0, "10012345", "1"), (1, "10012346", "2"), (1, None, None)):
        crm(shop, part, account, card=card)
        ingested = run(shop, "ingest_customers", "shop_crm")
        assert ingested.status is Status.DONE
    assert shop.read(silver.CUSTOMERS).count() == 1
    release = Releases.of(shop.platform.ops).slice(silver.CUSTOMERS, date.fromisoformat(DAY))
    assert release is not None
    assert release.run_id == ingested.run_id, "who saw the day before saw what is gone"
    assert run(shop, "clean_events", "shop_crm").status is Status.DONE
    assert n_others(shop) == 1


def test_rules_that_change_part_who_was_joined_and_join_them_again(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def cleaned(max_anchors: int) -> int:
        shop.overrides = (f"jobs.clean_events.max_anchors={max_anchors}",)
        shop.reopen()
        assert run(shop, "clean_events", "shop_crm").status is Status.DONE
        assert run(shop, "clean_events", "shop_crm").status is Status.NOTHING_TO_DO
        return n_others(shop)

    seen_with(shop, DAY, None)
    crm(shop, 0, merged_into="10012346")
    assert run(shop, "ingest_events", "shop_web").status is Status.DONE
    assert run(shop, "ingest_customers", "shop_crm").status is Status.DONE
    assert [cleaned(n) for n in (10, 1, 10)] == [1, 0, 1]
    record = Attempt._record

    def dies(attempt: Attempt, status: Status, *args: Any, **more: Any) -> None:
        if status is not Status.STARTED:
            raise OSError("power")
        record(attempt, status, *args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Attempt, "_record", dies)
        with pytest.raises(OSError, match="power"):
            cleaned(1)
    assert n_others(shop) == 0, "it was released"
    assert cleaned(10) == 1


def test_a_file_that_another_source_cannot_read_is_nobody_elses(shop: Shop) -> None:
    bought = {**ORDER, "kind": "order", "quantity": 1, "unit_price": Decimal("2.50"), "card": None}
    parquet(shop, f"orders/orders-{DAY}.parquet", [bought], **ORDERED, card=pa.string())
    sold = "\n".join([TILLS, "t1,R1,S1,06/10/2025 09:00:00,001234567890,I1,2,1.50,S"]) + "\n"
    for name in (f"orders/orders-{DAY}-b.parquet", f"tills/tills-{DAY}.csv"):
        (shop.landing / name).parent.mkdir(exist_ok=True)
        (shop.landing / name).write_text(sold)

    found = run_job(
        shop.platform, find("ingest_events", JOBS), Request(None, ("shop_orders", "shop_tills"), shop.landing)
    )

    assert found.status is Status.DONE
    assert sorted((row["source"], row["state"]) for row in shop.manifest()) == [
        ("shop_orders", "ingested"),
        ("shop_orders", "refused"),
        ("shop_tills", "ingested"),
    ]


def test_who_is_met_later_changes_nobody_of_before(shop: Shop) -> None:
    order = {**ORDER, "kind": "order", "quantity": 1, "unit_price": Decimal("2.50"), "card": None}
    others = {**order, "line_id": "o2", "order_id": "O2", "account": "10012346"}
    parquet(shop, f"orders/orders-{DAY}.parquet", [order, others], **ORDERED)
    seen_with(shop, DAY, "10012345", None)
    seen_with(shop, "2025-10-07", None)
    before = features(shop, date(2025, 10, 8))
    assert sorted(row["n_views"] for row in before) == [0, 3]

    seen_with(shop, "2025-10-09", "10012346")  # whose is the cookie now?

    assert features(shop, date(2025, 10, 8)) == before
    assert sorted(row["n_views"] for row in features(shop, date(2025, 10, 10))) == [1, 1]


def seen_with(shop: Shop, day: str, *accounts: str | None) -> None:
    """One cookie on the web, with an account or with none."""
    views = [
        {**WEB, "id": f"{day}-{n}", "ts": f"{day}T0{n}:00:00Z", "account": account}
        for n, account in enumerate(accounts)
    ]
    jsonl(shop, f"web/{day}/web-{day}T07.jsonl", *views)


def features(shop: Shop, as_of: date) -> list[dict[str, Any]]:
    """What is known at a date from all that has landed."""
    for job, sources in (("ingest_events", ("shop_web", "shop_orders")), ("clean_events", ())):
        result = run_job(shop.platform, find(job, JOBS), Request(None, sources, shop.landing))
        assert result.status in (Status.DONE, Status.NOTHING_TO_DO)
    assert shop.run("build_features", as_of, restate=True).status is Status.DONE
    found = shop.read(gold.CUSTOMER_FEATURES).where(f"as_of_date = DATE '{as_of}'").drop("run_id")
    return [row.asDict() for row in found.orderBy("customer_id").collect()]
