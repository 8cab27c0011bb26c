"""E-mail: one compressed file of JSON lines per day."""

import gzip
from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from affinity.simulate import text
from affinity.simulate.customers import email_keys
from affinity.simulate.faults import Fault
from affinity.simulate.landing.batch import UNKNOWN_WORD, Batch, File, broken, in_order, of_fault, written_ts, wrong
from affinity.simulate.sessions import Deed
from affinity.simulate.text import spaced_iso

_EMAIL_WORDS = ("sent", "opened", "clicked")


def email_files(batch: Batch, suffix: str) -> Iterator[File]:
    """The file of a day: one line per message sent, opened or clicked."""
    rows, events = batch.rows, batch.events
    order = in_order(batch, 0)
    first, second = email_keys(batch.config, rows.customer)
    is_campaign = (rows.deed == Deed.CAMPAIGN)[events.row]
    names = text.spaced(
        text.words(("newsletter-", "win-back-"), is_campaign.astype(np.int64)),
        text.number(rows.when[events.row], 4),
    )
    words = text.words(_EMAIL_WORDS, events.detail)
    stamp = text.replaced(spaced_iso(written_ts(batch)), *wrong(batch, "soon"))
    lines = text.spaced(
        '{"message":"',
        text.hexadecimal(events.key),
        '","at":"',
        stamp,
        '","what":"',
        text.replaced(words, *of_fault(batch, Fault.UNKNOWN_TYPE, lambda _: UNKNOWN_WORD)),
        '","to":"',
        text.spaced(text.hexadecimal(first), text.hexadecimal(second)).take(pa.array(events.row)),
        '","campaign":"',
        names,
        '"}\n',
    )
    lines = broken(lines, batch).take(pa.array(order))
    packed = gzip.compress(bytes(text.content(lines, 0, len(lines))), compresslevel=1, mtime=0)
    yield File(f"email/email-{batch.date}{suffix}.jsonl.gz", packed, order)
