"""Orders and returns of web and app: one Parquet file per day."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from affinity.core.vocabulary import EventType
from affinity.simulate import text
from affinity.simulate.customers import account_on, card, has_card
from affinity.simulate.draws import Bools, unit
from affinity.simulate.events import CODE
from affinity.simulate.faults import Fault
from affinity.simulate.landing.batch import Batch, File, in_order, items, of_fault, pence, units, written_ts
from affinity.simulate.params import CURRENCY
from affinity.simulate.sessions import Rows
from affinity.simulate.text import decimals
from affinity.simulate.world import World


def order_files(batch: Batch, suffix: str) -> Iterator[File]:
    """The file of a day: one row per line of an order or a return."""
    world, rows, events = batch.world, batch.rows, batch.events
    order = in_order(batch, 0)
    shown = has_card(batch.config, rows.customer) & card_at_checkout(world, rows)
    kinds = text.words(("order", "return"), (events.type == CODE[EventType.RETURN]).astype(np.int64))
    columns = {
        "line_id": text.hexadecimal(events.key),
        "order_id": text.spaced("O", text.hexadecimal(rows.key, 12)).take(pa.array(events.row)),
        "kind": text.replaced(kinds, *of_fault(batch, Fault.UNKNOWN_TYPE, lambda _: "gift")),
        "placed_at": pa.array(written_ts(batch) * 1_000_000).cast(pa.timestamp("us", "UTC")),
        "account": text.number(account_on(batch.config, rows.customer, rows.when)).take(pa.array(events.row)),
        "card": text.only(text.number(card(rows.customer)), shown).take(pa.array(events.row)),
        "item": items(batch),
        "quantity": pa.array(units(batch).astype(np.int32)),
        "unit_price": decimals(pence(batch)),
        "currency": text.words((CURRENCY,), np.zeros(len(events), np.int64)),
    }
    if batch.day >= batch.config.drift_day:
        columns["gift_wrap"] = pa.array(unit(events.key.view(np.uint64)) < 0.1)
    yield File(f"orders/orders-{batch.date}{suffix}.parquet", pa.table(columns).take(pa.array(order)), order)


def card_at_checkout(world: World, rows: Rows) -> Bools:
    """Whether an online order names the loyalty card."""
    return rows.uniform(world.draws, "card at checkout") < 0.3
