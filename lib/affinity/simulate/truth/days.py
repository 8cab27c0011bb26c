"""The truth about a day: what truly happened, and what is wrong with its files."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from affinity.simulate import text
from affinity.simulate.events import TYPES, Events
from affinity.simulate.faults import DISPOSITION, Fault
from affinity.simulate.landing.batch import File, item_ids
from affinity.simulate.sessions import Feed, Rows
from affinity.simulate.text import decimals
from affinity.simulate.world import World

_WORDS = ("fault", "file", "event_id", "original_event_id", "expected_disposition")
LEDGER = pa.schema([(name, pa.string()) for name in _WORDS]).insert(2, pa.field("line", pa.int64()))


def event_table(world: World, rows: Rows, made: Events, feed: Feed) -> pa.Table:
    """``events``: what truly happened, once each, of what arrives on a day: no copies, true times and items."""
    return pa.table(
        {
            "event_id": text.hexadecimal(made.key),
            "customer": rows.customer[made.row],
            "session": text.hexadecimal(rows.key).take(pa.array(made.row)),
            "true_ts": pa.array(made.ts * 1_000_000).cast(pa.timestamp("us", "UTC")),
            "type": text.few([str(kind) for kind in TYPES], made.type),
            "item": text.coded(item_ids(world), made.item),
            "units": made.units,
            "unit_price": decimals(made.pence),
            "channel": text.few([feed.name.lower()], np.zeros(len(made), np.int64)),
        }
    )


def ledger_table(files: Sequence[File], made: Events) -> pa.Table:
    """The faulty lines of some files of one batch."""
    nothing = np.zeros(0, np.int64)
    positions = np.concatenate([nothing, *(file.events for file in files)])
    lines = np.concatenate([nothing, *(file.first_line + np.arange(len(file.events)) for file in files)])
    file_of = np.repeat(np.arange(len(files)), np.array([len(file.events) for file in files], np.int64))
    there = np.flatnonzero(made.fault[positions])
    events = made.take(positions[there])
    copies = np.isin(events.fault, (Fault.DELIVERED_TWICE, Fault.DUPLICATE_LINE, Fault.SAME_ID))
    ids = text.hexadecimal(events.key)
    kinds = [fault.name.lower() for fault in Fault]
    dispositions = [str(DISPOSITION.get(fault, "")) for fault in Fault]
    return pa.table(
        {
            "fault": text.words(kinds, events.fault),
            "file": text.words([file.path for file in files], file_of[there]),
            "line": lines[there],
            "event_id": ids,
            "original_event_id": text.only(ids, copies),
            "expected_disposition": text.words(dispositions, events.fault),
        },
        schema=LEDGER,
    )


def ledger_row(fault: Fault, path: str, event_id: str | None = None) -> pa.Table:
    """A fault of a whole file, or of somebody who is no person."""
    values = [fault.name.lower(), path, None, event_id, None, str(DISPOSITION[fault])]
    return pa.table({field.name: [value] for field, value in zip(LEDGER, values, strict=True)}, schema=LEDGER)


def delivery_table(delivered: Sequence[tuple[str, str, int, int, int]]) -> pa.Table:
    """``deliveries``: one row per delivery of a file: path, feed, day, lines (of catalogue and CRM: rows) and bytes.

    A wrong file whose correction comes within the days that are made together is not delivered.
    """
    path, feed, day, n_lines, n_bytes = zip(*delivered, strict=True) if delivered else ((),) * 5
    return pa.table(
        {
            "file": pa.array(path, pa.string()),
            "feed": pa.array(feed, pa.string()),
            "day": pa.array(day, pa.int64()),
            "n_lines": pa.array(n_lines, pa.int64()),
            "n_bytes": pa.array(n_bytes, pa.int64()),
        }
    )
