"""Tills: one CSV file per day, local time, the card if one was shown."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from affinity.core.vocabulary import EventType
from affinity.simulate import text
from affinity.simulate.customers import card, has_card
from affinity.simulate.draws import Ints
from affinity.simulate.events import CODE, midnights
from affinity.simulate.faults import Fault
from affinity.simulate.landing.batch import (
    DAY_SECS,
    Batch,
    File,
    broken,
    in_order,
    items,
    of_fault,
    pence,
    units,
    written_ts,
    wrong,
)

HEADER = "LineRef,Receipt,Store,LocalTime,Card,SKU,Qty,Price,Kind"
N_STORES = 12


def till_files(batch: Batch, suffix: str, *, in_pence: bool) -> Iterator[File]:
    """The file of a day: one line per line of a receipt; ``in_pence`` is how it comes when it is wrong at first."""
    world, rows, events = batch.world, batch.rows, batch.events
    order = in_order(batch, 0)
    shown = has_card(batch.config, rows.customer) & (rows.uniform(world.draws, "shows card") < 0.85)
    cards = text.only(text.number(card(rows.customer)), shown).take(pa.array(events.row))
    is_refund = events.type == CODE[EventType.RETURN]
    quantity = text.number(np.where(is_refund, -1, 1) * units(batch))
    local = written_ts(batch) + _utc_offset(batch)[events.row]
    stamp = text.spaced(text.dates(local, "%d/%m/%Y"), " ", text.clock(local))
    price = pence(batch, times=100 if in_pence else 1)
    kinds = text.words(("S", "R"), is_refund.astype(np.int64))
    lines = text.spaced(
        text.hexadecimal(events.key),
        ",R",
        text.hexadecimal(rows.key, 12).take(pa.array(events.row)),
        ",S",
        text.number(rows.customer % N_STORES, 2).take(pa.array(events.row)),
        ",",
        stamp,
        ",",
        cards,
        ",",
        items(batch),
        ",",
        text.replaced(quantity, *wrong(batch, "two")),
        ",",
        text.money(price),
        ",",
        text.replaced(kinds, *of_fault(batch, Fault.UNKNOWN_TYPE, lambda _: "V")),
        "\n",
    )
    lines = broken(lines, batch, most=0.3).take(pa.array(order))
    body = f"{HEADER}\n".encode() + bytes(text.content(lines, 0, len(lines)))
    yield File(f"tills/tills-{batch.date}{suffix}.csv", body, order, first_line=2)


def _utc_offset(batch: Batch) -> Ints:
    """Seconds by which local time is ahead of UTC on the day of each session."""
    base = midnights(batch.config)[batch.rows.when]
    return np.where(base % DAY_SECS == 0, 0, DAY_SECS - base % DAY_SECS)
