"""Files as nobody should deliver them, each line with what must become of it."""

import gzip
import io
import json
import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

DAY = "2025-10-06"
GOOD = "-"  # the reason of a line that is accepted
TILLS = "LineRef,Receipt,Store,LocalTime,Card,SKU,Qty,Price,Kind"
Line = tuple[bytes, str]
_numbers = count(1)


@dataclass(frozen=True)
class BadFile:
    """A landed file; its lines by the reason of their fate, or a part of the reason why the file itself is refused.

    ``n_bad`` counts what is wrong with it on purpose.
    """

    path: str
    data: bytes
    n_bad: int
    fates: Counter[str] = field(default_factory=Counter)
    refused: str | None = None
    drift: dict[str, list[str]] | None = None


def web(**changes: Any) -> bytes:
    """A line of the website's log with an id of its own: a view of an item."""
    usual = {"id": f"w{next(_numbers)}", "ts": f"{DAY}T07:12:33Z", "type": "view", "account": "10012345", "item": "I1"}
    return json.dumps(usual | changes).encode()


def app(epoch: float) -> bytes:
    """A line of the app's log, whose clock counts seconds."""
    return json.dumps({"event": f"a{next(_numbers)}", "epoch": epoch, "action": "find", "text": "tea"}).encode()


def till(**changes: str) -> bytes:
    """A line of a till: two of an item sold."""
    usual = {"LineRef": f"t{next(_numbers)}", "Receipt": "R1", "Store": "S1", "LocalTime": "06/10/2025 09:00:00"}
    usual |= {"Card": "001234567890", "SKU": "I1", "Qty": "2", "Price": "1.50", "Kind": "S"}
    return ",".join((usual | changes).values()).encode()


def order(**changes: Any) -> dict[str, Any]:
    """A row of the order system: three of an item sold."""
    usual: dict[str, Any] = {"line_id": f"o{next(_numbers)}"}
    usual |= {"order_id": "O1", "kind": "order", "account": "10012345", "item": "I1"}
    usual |= {"placed_at": datetime(2025, 10, 6, 9, tzinfo=UTC), "card": None, "currency": "GBP"}
    return usual | {"quantity": 3.0, "unit_price": 2.5} | changes


def good(make: Any, n: int) -> list[Line]:
    """So many lines that nothing is wrong with."""
    return [(make(), GOOD) for _ in range(n)]


def path_of(channel: str, what: str, *, day: str = DAY, suffix: str = "") -> str:
    """Where such a file lands."""
    return f"{channel}/{channel}-{day}-{what}.{'csv' if channel == 'tills' else 'jsonl'}{suffix}"


def log(channel: str, what: str, lines: Sequence[Line], **more: Any) -> BadFile:
    """A log of these lines; a till's has a header, in ``head`` if it is another one than usual."""
    head = more.pop("head", TILLS if channel == "tills" else "").encode()
    end, mark, last = more.pop("end", b"\n"), more.pop("mark", b""), more.pop("last", b"\n")
    data = mark + end.join([*([head] if head else []), *(line for line, _fate in lines)]) + last
    fates = Counter(fate for line, fate in lines if line.strip())
    n_bad = more.pop("n_bad", None) or fates.total() - fates[GOOD]
    return BadFile(path_of(channel, what, day=more.pop("day", DAY)), data, n_bad, fates, **more)


def packed(what: str, data: bytes, refused: str | None, lines: Iterable[Line] = ()) -> BadFile:
    """A packed log of the website."""
    return BadFile(path_of("web", what, suffix=".gz"), data, 1, Counter(fate for _line, fate in lines), refused)


def parquet(what: str, rows: Sequence[tuple[dict[str, Any], str]], **more: Any) -> BadFile:
    """Orders as Parquet."""
    table = pa.Table.from_pylist([row for row, _fate in rows])
    if "card" in table.column_names:
        table = table.set_column(table.column_names.index("card"), "card", table["card"].cast(pa.string()))
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="none")
    fates = Counter(fate for _row, fate in rows)
    n_bad = more.pop("n_bad", None) or fates.total() - fates[GOOD]
    return BadFile(f"orders/orders-{DAY}-{what}.parquet", sink.getvalue(), n_bad, fates, **more)


def flipped(data: bytes, start: int, n: int) -> bytes:
    """The same with some bytes turned over."""
    return data[:start] + bytes(byte ^ 0xFF for byte in data[start : start + n]) + data[start + n :]


UNPARSABLE, NO_TIME, FUTURE, LATE = "unparsable", "event_ts_invalid", "event_ts_future", "event_ts_late"
NO_TYPE, NO_QUANTITY, NO_PRICE, NOT_POSITIVE = (
    "event_type_unknown",
    "quantity_invalid",
    "price_invalid",
    "price_not_positive",
)


def broken_lines() -> list[BadFile]:
    """What is wrong with single lines and with how they end."""
    few_or_more = [(till() + b",more", UNPARSABLE), (till().rpartition(b",")[0], UNPARSABLE), (b"t0", UNPARSABLE)]
    deep = web()[:-1] + b', "query": ' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    return [
        log("web", "malformed", [*good(web, 99), (web()[:40], UNPARSABLE), *good(web, 99), (b"502 Bad", UNPARSABLE)]),
        log("web", "cut", [*good(web, 2), (web()[:-9], UNPARSABLE)], last=b""),
        log("web", "blank", [(b"", GOOD), *good(web, 1), (b" \t", GOOD), (b"", GOOD), *good(web, 2)], n_bad=3),
        log("web", "mark", good(web, 3), mark=b"\xef\xbb\xbf", n_bad=1),
        log("web", "crlf", good(web, 3), end=b"\r\n", last=b"\r\n", n_bad=4),
        log("tills", "mark-and-crlf", good(till, 3), mark=b"\xef\xbb\xbf", end=b"\r\n", n_bad=5),
        log("web", "latin", [*good(web, 2), (web()[:-1] + b', "query": "caf\xe9"}', UNPARSABLE)]),
        log("tills", "tokens", [*good(till, 2), *few_or_more, *good(till, 1)]),
        log("web", "deep", [*good(web, 1), (deep, GOOD), (deep[:-20], UNPARSABLE)], n_bad=2),
        log("web", "kinds", [(web(type=word), NO_TYPE) for word in ("veiw", "", None)] + good(web, 2)),
        log("web", "only-bad", [(b"<html>", UNPARSABLE), (web(ts="soon"), NO_TIME)]),
    ]


def odd_values() -> list[BadFile]:
    """Values that are none, of another type, or beyond all measure."""
    quantities = [
        ("12", GOOD),
        ("12.0", GOOD),
        ("12.5", GOOD),
        ("n/a", NO_QUANTITY),
        ("9999999999", GOOD),
        ("99999999999", "amount_invalid"),
    ]
    quantities += [("9" * 20, NO_QUANTITY), ("", NO_QUANTITY), ("0", NO_QUANTITY), ("1e9", GOOD)]
    prices: list[tuple[float | None, str]] = [
        (-1.0, NOT_POSITIVE),
        (0.0, NOT_POSITIVE),
        (float("nan"), NO_PRICE),
        (float("inf"), NO_PRICE),
    ]
    prices += [(None, NO_PRICE), (0.01, GOOD), (1e10, GOOD), (1e11, NO_PRICE)]
    currencies = [("EUR", GOOD), (None, GOOD), ("eur", NO_PRICE), ("pounds", NO_PRICE)]
    too_much = (order(quantity=1e9, unit_price=1e9), "amount_invalid")
    strange = [(order(item="never listed", account=account), GOOD) for account in ("99999999", None)]
    return [
        log("tills", "types", [(till(Qty=told), fate) for told, fate in quantities]),
        parquet("prices", [*((order(unit_price=told), fate) for told, fate in prices), too_much]),
        parquet("currencies", [(order(currency=told), fate) for told, fate in currencies]),
        parquet("orphans", strange, n_bad=2),
        log("web", "blank-ids", [(web(account=told), GOOD) for told in (None, "", "  ", "null", "NaN")], n_bad=5),
        log("web", "odd-ids", [(web(account=told), GOOD) for told in ODD_IDS * 2], n_bad=2 * len(ODD_IDS)),
        log("web", "surrogate", [(web(account="\ud800"), UNPARSABLE), *good(web, 1)]),
    ]


ODD_IDS = ["10\x0012", "🫖🫖", "x" * 4096, "10 012 345"]


CLOCKED = "seen by wrong clocks"
"""The item at which one person looks twice within an hour by a right clock, and often by wrong ones."""


def clocks() -> list[BadFile]:
    """Clocks that are wrong, of another unit, or say no zone; the nominal date of the files is ``DAY``."""
    told = {
        f"{DAY}T23:59:59Z": GOOD,
        "2025-10-07T01:59:59Z": GOOD,
        "2025-10-08T00:00:00Z": FUTURE,
        "2026-10-06T07:00:00Z": FUTURE,
        "9999-12-31T23:59:59Z": FUTURE,
        "1970-01-01T00:00:00Z": LATE,
        f"{DAY}T06:12:33Z": GOOD,
        "2025-10-03T07:12:33Z": GOOD,
        "2025-08-27T07:12:33Z": LATE,
        f"{DAY}T07:12:33": GOOD,
        "06/10/2025 07:12": NO_TIME,
        "1759735953": NO_TIME,
        "": NO_TIME,
    }
    visits = {f"{DAY}T09:00:00Z": GOOD, f"{DAY}T09:20:00Z": GOOD, f"{DAY}T10:15:00Z": GOOD}
    visits |= {ts: fate for ts, fate in told.items() if fate != GOOD}
    epochs = {1759735953: GOOD, 1759735953_000: FUTURE, 1759735953_000_000: FUTURE, 0: LATE, -1: LATE}
    gap = [(till(LocalTime=f"30/03/2025 0{hour}:30:00"), GOOD) for hour in (0, 1, 2)]
    return [
        log("web", "clocks", [(web(ts=ts), fate) for ts, fate in told.items()]),
        log("web", "visits", [(web(ts=ts, account="20000001", item=CLOCKED), fate) for ts, fate in visits.items()]),
        log("app", "clocks", [(app(epoch), fate) for epoch, fate in epochs.items()]),
        log("tills", "clocks", [*good(till, 1), (till(LocalTime=f"{DAY}T09:00:00"), NO_TIME)]),
        log("tills", "gap", gap, day="2025-03-30", n_bad=1),
    ]


DOTTED = {"missing": ["cookie", "query", "rating"]}  # item.id is a key of its own, and not id within item


def other_layouts() -> list[BadFile]:
    """Columns that are new, gone, renamed, in another order, or twice."""
    names = TILLS.split(",")
    backwards = [(b",".join(reversed(till().split(b","))), GOOD) for _ in range(3)]
    no_card = [({name: told for name, told in order().items() if name != "card"}, GOOD) for _ in range(2)]
    no_item = [({name: told for name, told in order().items() if name != "item"}, GOOD)]
    clerk = [(line + b",Ann", GOOD) for line, _fate in good(till, 2)]
    one_less = [(line.rpartition(b",")[0], GOOD) for line, _fate in good(till, 2)]
    renamed = TILLS.replace("Qty", "Quantity")
    return [
        log("tills", "new", clerk, head=f"{TILLS},Clerk", drift={"new": ["Clerk"]}, n_bad=1),
        parquet("optional", no_card, drift={"missing": ["card"]}, n_bad=1),
        parquet("required", no_item, refused="missing ['item'] (expected ['line_id', 'order_id'", n_bad=1),
        log("tills", "required", one_less, head=TILLS.removesuffix(",Kind"), refused="missing ['Kind']", n_bad=1),
        log("tills", "renamed", good(till, 2), head=renamed, refused="missing ['Qty'] (expected", n_bad=1),
        log("tills", "backwards", backwards, head=",".join(reversed(names)), n_bad=1),
        log("tills", "headless", good(till, 2), head="", refused="is no header", n_bad=1),
        log("tills", "case", clerk, head=f"{TILLS},qty", refused="one name but for upper and lower case", n_bad=1),
        log("web", "twice", [(web()[:-1] + b', "item": "I2"}', GOOD)], refused="a line has ['item'] twice", n_bad=1),
        log("web", "dotted", [(web(**{"item.id": "I2"}), GOOD)], drift=DOTTED, n_bad=1),
    ]


def damaged_files() -> list[BadFile]:
    """Bytes that no reader should get to the end of."""
    lines = good(web, 2_000)
    text = b"".join(line + b"\n" for line, _fate in lines)
    whole = gzip.compress(text)
    damaged = "it cannot be unpacked: it is cut, or its bytes are damaged"
    sold = parquet("page", [(order(item=f"I{n}"), GOOD) for n in range(3_000)], refused="a page of it is damaged")
    middle = sold.data.index(b"I1500")
    no_text = random.Random(1).randbytes(2_000)
    return [
        packed("whole", whole, None, lines),
        packed("cut", whole[: len(whole) // 2], damaged),
        packed("flipped", flipped(whole, len(whole) // 2, 40), damaged),
        packed("bomb", gzip.compress(web() + b'\n{"id": "x"}' * 6_000_000, 6), "more than 300 times as long"),
        packed("endless", gzip.compress(b"x" * 17_000_000, 1), "it has a line of more than 16 MB"),
        BadFile(path_of("web", "long"), b'{"id": "' + b"x" * 17_000_000, 1, refused="a line of more than 16 MB"),
        BadFile(path_of("web", "utf-16"), text[:500].decode().encode("utf-16"), 1, refused="it is no UTF-8"),
        BadFile(path_of("web", "no-text"), b"\x00" + no_text, 1, refused="it is no UTF-8"),
        BadFile(sold.path, flipped(sold.data, middle - 3_000, 6_000), 1, sold.fates, sold.refused),
        BadFile(sold.path.replace("page", "cut"), sold.data[:-9], 1, sold.fates, "it is no whole Parquet file"),
        BadFile(path_of("web", "empty"), b"", 1),
        BadFile(path_of("tills", "header-alone"), f"{TILLS}\n".encode(), 1),
    ]


def again() -> list[BadFile]:
    """Lines that were delivered before, and ids that come with other words: of one id the first line stands."""
    sent = [web() for _ in range(3)]
    lost = [(line, SAME_ID) for line in sent]
    return [
        log("web", "sent", [*((line, GOOD) for line in sent), *good(web, 1)], n_bad=3),
        log("web", "sent-anew", list(reversed(lost)), day="2025-10-07", end=b"\r\n"),
        log("web", "same-id", [(web(id="same", item="I2"), GOOD), (web(id="same"), SAME_ID)]),
        log("web", "same-id", [(web(id="same", item="I3", ts=LATER), SAME_ID)], day="2025-10-07"),
        log("web", "tie", [(web(id="tie", item="first"), GOOD), (web(id="tie", item="second"), SAME_ID)]),
    ]


LATER, SAME_ID = "2025-10-07T08:00:00Z", "same_event_id"


def odd_names() -> list[BadFile]:
    """Names with marks that mean something elsewhere."""
    names = ("a b", "a%2Fb", "crème-🫖", "a=b", "a'b", "[a]{b}*?", "a;DROP TABLE x", "a:b#c")
    plain = [log("web", name, good(web, 2), n_bad=1) for name in names]
    folders = [log("web", "", good(web, 2), n_bad=1) for _ in range(2)]
    paths = (f"web/day=2025-10-07/web-{DAY}.jsonl", f"web/a b/%20/web-{DAY}.jsonl")
    return plain + [replace(file, path=path) for file, path in zip(folders, paths, strict=True)]


HIDDEN = [f"web/{name}web-{DAY}.jsonl" for name in ("_", ".", "_under/way/")]
WAITING = [*HIDDEN, f"web/web-{DAY}.jsonl.tmp"]
