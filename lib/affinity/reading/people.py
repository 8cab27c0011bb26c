"""From ids to tokens: what a query found of people, on its way to a table."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import pyarrow as pa
import pyarrow.compute as pc

from affinity.core.source import SourceMapping
from affinity.core.vocabulary import Defect
from affinity.privacy.tokens import canonical, token
from affinity.reading.verdicts import bit

PERSON = "person"
FLAGS = "flags"
_MAX_REMEMBERED = 500_000
# Of somebody who is listed nothing is kept but that there was a line.
_OF_A_PERSON = (
    "subject_key",
    "order_id",
    "item_id",
    "quantity",
    "unit_price",
    "amount",
    "currency",
    "payload",
    "got",
)


@dataclass
class Tokens:
    """Tokens under one key; those of the last ids are remembered, because people come back in a log."""

    key: bytes
    _known: dict[tuple[str, str], str | None] = field(default_factory=dict)

    def of(self, kind: str, texts: pa.Array, spelled: Callable[[str], str | None] = str) -> pa.Array:
        """The token of each text as it is ``spelled``; null for null."""
        if len(self._known) > _MAX_REMEMBERED:
            self._known.clear()
        found = texts.dictionary_encode()
        tokens = [self._token(kind, text, spelled) for text in found.dictionary.to_pylist()]
        return pa.array(tokens, pa.string()).take(found.indices)

    def of_each(self, kinds: pa.ChunkedArray, texts: pa.ChunkedArray) -> pa.Array:
        """``of`` as a function of a query, whose kind is a constant."""
        return self.of(kinds[0].as_py(), texts.combine_chunks()) if len(texts) else pa.nulls(0, pa.string())

    def _token(self, kind: str, text: str, spelled: Callable[[str], str | None]) -> str | None:
        try:
            return self._known[kind, text]
        except KeyError:
            said = spelled(text)
            found = self._known[kind, text] = None if said is None else token(self.key, kind, said)
            return found


@dataclass(frozen=True)
class People:
    """The people of one source: how their ids are spelled, and the tokens of those of whom nothing is to be kept."""

    tokens: Tokens
    mapping: SourceMapping
    suppressed: pa.Array

    def named(self, rows: pa.Table) -> pa.Table:
        """``person`` → ``subject_kind, subject_key``; of people who are listed events are emptied, statements go.

        Columns in: ``person``, the id as it stands, and of events ``flags`` and ``got``.
        """
        texts, subject = rows[PERSON].combine_chunks(), self.mapping.subject
        keys = pa.nulls(len(rows), pa.string())
        if subject is not None:
            keys = self.tokens.of(subject.kind, texts, partial(canonical, subject=subject))
        kinds = pa.repeat(pa.scalar(subject.kind if subject else None, pa.string()), len(rows))
        rows = rows.drop_columns([PERSON]).append_column("subject_kind", kinds).append_column("subject_key", keys)
        if FLAGS not in rows.column_names:
            is_kept = pc.and_(keys.is_valid(), pc.invert(pc.is_in(keys, value_set=self.suppressed)))
            return rows.filter(is_kept)
        if subject is not None:
            rows = _flagged(rows, keys.is_null(), Defect.CUSTOMER_MISSING)
        return self._without_suppressed(rows, keys)

    def _without_suppressed(self, events: pa.Table, keys: pa.Array) -> pa.Table:
        if not len(self.suppressed):
            return events
        is_listed = pc.is_in(keys, value_set=self.suppressed)
        for name in _OF_A_PERSON:
            column = events[name]
            emptied = pc.if_else(is_listed, pa.scalar(None, column.type), column)
            events = events.set_column(events.column_names.index(name), name, emptied)
        return _flagged(events, is_listed, Defect.SUBJECT_SUPPRESSED)


def _flagged(events: pa.Table, holds: pa.Array, defect: Defect) -> pa.Table:
    flags = pc.add(events[FLAGS].cast(pa.int64()), pc.multiply(holds.cast(pa.int64()), bit(defect)))
    return events.set_column(events.column_names.index(FLAGS), FLAGS, flags)
