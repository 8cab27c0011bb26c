"""From ids to tokens: what a query found of people, on its way to a table."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache, reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from affinity.core.source import SourceMapping, Subject
from affinity.core.vocabulary import Defect
from affinity.privacy.tokens import canonical, token
from affinity.reading.verdicts import bit

FLAGS = "flags"
_MAX_REMEMBERED = 300_000
# Of somebody who is listed nothing is kept but that there was a line.
_OF_A_PERSON = (
    "subject_key",
    "linked",
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
        """``of`` for one column with ids of people."""
        return self.of(subject.kind, texts.combine_chunks(), subject)


@lru_cache(maxsize=2)
def tokens(key: bytes) -> Tokens:
    """The tokens under a key; a process reads many splits of one log."""
    return Tokens(key)


def people_columns(mapping: SourceMapping) -> tuple[str, ...]:
    """The columns of a query with the ids of people as they stand; one of nulls where the source names nobody."""
    return tuple(f"person_{number}" for number in range(max(1, len(mapping.id_columns))))


@dataclass(frozen=True)
class People:
    """The people of one source: how their ids are spelled, and the tokens of those of whom nothing is to be kept."""

    tokens: Tokens
    mapping: SourceMapping
    suppressed: pa.Array

    def named(self, rows: pa.Table) -> pa.Table:
        """``person_0, …`` → ``subject_kind, subject_key, linked``; of people who are listed nothing but a line is left.

        The subject is the first id that stands there; ``linked`` are the others as kind:token, null where there are
        none. Columns in: the ids, and of events ``flags`` and ``got``.
        """
        names, ids = people_columns(self.mapping), self.mapping.ids or (None,)
        found = [self._tokens(rows[name], each) for name, each in zip(names, ids, strict=True)]
        rows = rows.drop_columns(list(names))
        for name, values in _told(ids, found, len(rows)).items():
            rows = rows.append_column(name, values)
        is_listed = reduce(pc.or_, [pc.is_in(each, value_set=self.suppressed) for each in found])
        keys = rows["subject_key"].combine_chunks()
        if FLAGS not in rows.column_names:
            return rows.filter(pc.and_(keys.is_valid(), pc.invert(is_listed)))
        if self.mapping.subject is not None:
            rows = _flagged(rows, keys.is_null(), Defect.CUSTOMER_MISSING)
        return _without(rows, is_listed) if pc.any(is_listed).as_py() else rows

    def _tokens(self, texts: pa.ChunkedArray, subject: Subject | None) -> pa.Array:
        if subject is None:
            return pa.nulls(len(texts), pa.string())
        return self.tokens.of_person(subject, texts)


def _told(ids: Sequence[Subject | None], found: Sequence[pa.Array], n_rows: int) -> dict[str, pa.Array]:
    """Kind and token of the first id of each line, and the other ids of the line."""
    places = [place for place, each in enumerate(ids) if each is not None and getattr(each, "stands_in", True)]
    valid = np.stack([each.is_valid().to_numpy(zero_copy_only=False) for each in found], axis=1)
    chosen = np.full(n_rows, -1)
    for place in reversed(places):
        chosen[valid[:, place]] = place
    kinds = pa.array([each.kind if each else None for each in ids], pa.string())
    is_other = valid & (chosen[:, None] != np.arange(len(ids)))
    is_other[chosen < 0] = False
    return {
        "subject_kind": kinds.take(pa.array(chosen, mask=chosen < 0)),
        "subject_key": pc.coalesce(*[found[place] for place in places]) if places else pa.nulls(n_rows, pa.string()),
        "linked": _listed([_spelled(each, tokens) for each, tokens in zip(ids, found, strict=True)], is_other),
    }


def _spelled(subject: Subject | None, tokens: pa.Array) -> pa.Array:
    return pc.binary_join_element_wise(f"{subject.kind}:" if subject else "", tokens, "")


def _listed(columns: Sequence[pa.Array], is_told: np.ndarray) -> pa.Array:
    """The values of several columns as one list per row; null where none is told."""
    rows, places = np.nonzero(is_told)
    values = pa.chunked_array(columns, pa.string()).take(pa.array(places * len(is_told) + rows))
    n_told = is_told.sum(axis=1)
    offsets = pa.array(np.concatenate(([0], np.cumsum(n_told))), pa.int32())
    return pa.ListArray.from_arrays(offsets, values.combine_chunks(), mask=pa.array(n_told == 0))


def _without(events: pa.Table, is_listed: pa.Array) -> pa.Table:
    """Events of which those that are listed tell of nobody and nothing."""
    for name in _OF_A_PERSON:
        emptied = pc.if_else(is_listed, None, events[name])
        events = events.set_column(events.column_names.index(name), name, emptied)
    return _flagged(events, is_listed, Defect.SUBJECT_SUPPRESSED)


def _flagged(events: pa.Table, holds: pa.Array, defect: Defect) -> pa.Table:
    flags = pc.add(events[FLAGS].cast(pa.int64()), pc.multiply(holds.cast(pa.int64()), bit(defect)))
    return events.set_column(events.column_names.index(FLAGS), FLAGS, flags)
