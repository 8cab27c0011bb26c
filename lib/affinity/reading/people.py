"""From ids to tokens: what a query found of people, on its way to a table."""

from dataclasses import dataclass, field
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from affinity.core.source import SourceMapping, Subject
from affinity.core.vocabulary import Defect
from affinity.privacy.tokens import canonical, token
from affinity.reading.verdicts import bit

PERSON = "person"
FLAGS = "flags"
_MAX_REMEMBERED = 300_000
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
    _known: dict[tuple[str, Subject | None], dict[str, str | None]] = field(default_factory=dict)

    def of(self, kind: str, texts: pa.Array, subject: Subject | None = None) -> pa.Array:
        """The token of each text, where a subject is given of the id as that one spells it; null for null."""
        known = self._known.setdefault((kind, subject), {})
        if len(known) > _MAX_REMEMBERED:
            known.clear()
        found = texts.dictionary_encode()
        asked = found.dictionary.to_pylist()
        for text in asked:
            if text not in known:
                said = canonical(text, subject) if subject else text
                known[text] = None if said is None else token(self.key, kind, said)
        return pa.array([known[text] for text in asked], pa.string()).take(found.indices)

    def of_each(self, kinds: pa.ChunkedArray, texts: pa.ChunkedArray) -> pa.Array:
        """``of`` as a function of a query, whose kind is a constant."""
        return self.of(kinds[0].as_py(), texts.combine_chunks()) if len(texts) else pa.nulls(0, pa.string())

    def of_person(self, subject: Subject, texts: pa.ChunkedArray) -> pa.Array:
        """``of`` for a column with ids of people."""
        return self.of(subject.kind, texts.combine_chunks(), subject)


@lru_cache(maxsize=2)
def tokens(key: bytes) -> Tokens:
    """The tokens under a key; a process reads many splits of one log."""
    return Tokens(key)


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
        subject = self.mapping.subject
        keys = self.tokens.of_person(subject, rows[PERSON]) if subject else pa.nulls(len(rows), pa.string())
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
            emptied = pc.if_else(is_listed, None, events[name])
            events = events.set_column(events.column_names.index(name), name, emptied)
        return _flagged(events, is_listed, Defect.SUBJECT_SUPPRESSED)


def _flagged(events: pa.Table, holds: pa.Array, defect: Defect) -> pa.Table:
    flags = pc.add(events[FLAGS].cast(pa.int64()), pc.multiply(holds.cast(pa.int64()), bit(defect)))
    return events.set_column(events.column_names.index(FLAGS), FLAGS, flags)
