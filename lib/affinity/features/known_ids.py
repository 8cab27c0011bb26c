"""Links and identities as they were before a run, looked up by keys: few rows come back, however many there are."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from affinity.features.grouped import Files
from affinity.features.key_index import Kept, KeyIndex, indexed

_WORD = pa.dictionary(pa.int32(), pa.string())
_PAIR = ("subject_key", "other_key")
_LINKS = Kept(
    pa.schema(
        [
            *((name, pa.string()) for name in _PAIR),
            *((name, _WORD) for name in ("subject_kind", "other_kind", "file_id")),
            ("first_date", pa.date32()),
        ]
    ),
    keys=(("subject_key",), ("other_key",), _PAIR),
)
_IDENTITIES = Kept(
    pa.schema(
        [
            *((name, pa.string()) for name in ("subject_key", "subject_id", "customer_id")),
            ("subject_kind", _WORD),
            *((name, pa.bool_()) for name in ("is_shared", "is_capped")),
            *((name, pa.date32()) for name in ("linked_date", "valid_from_date")),
            ("change_no", pa.int32()),
        ]
    ),
    keys=(("subject_key",), ("customer_id",)),
)


class Link(NamedTuple):
    """Two ids that were seen together: a row of silver.links."""

    subject_key: str
    subject_kind: str
    other_key: str
    other_kind: str
    first_date: date


class Identity(NamedTuple):
    """Whose an id is: a row of silver.identity_changes that holds, or, without ``change_no``, is found out now."""

    subject_key: str
    subject_kind: str
    subject_id: str
    customer_id: str
    linked_date: date | None
    is_shared: bool
    is_capped: bool
    valid_from_date: date | None = None
    change_no: int | None = None


@dataclass(frozen=True)
class IdFiles:
    """Files of silver.links, of which those count whose witness is among ``file_ids``, and of silver.identity_changes.

    What is needed to find rows in them is made in ``index``, once of each file.
    """

    links: Files
    identities: Files
    file_ids: Collection[str]
    index: Path

    def opened(self) -> "KnownIds":
        """What they say."""
        links = indexed(self.links, _LINKS, self.index / "links", {"file_id": frozenset(self.file_ids)})
        return KnownIds(links, indexed(self.identities, _IDENTITIES, self.index / "identities", {}))


@dataclass(frozen=True)
class KnownIds:
    """Looks up links that count and identities that hold."""

    links: KeyIndex
    identities: KeyIndex

    def identities_of(self, keys: Collection[str]) -> list[Identity]:
        """Whose these ids are."""
        rows = self.identities.rows(("subject_key",), _values("subject_key", keys)).sort_by("change_no")
        return list({row.subject_key: row for row in _all(Identity, rows)}.values())

    def members_of(self, customers: Collection[str]) -> list[Identity]:
        """All ids of these customers."""
        asked = frozenset(customers)
        were = self.identities.rows(("customer_id",), _values("customer_id", asked))
        return [row for row in self.identities_of(set(were["subject_key"].to_pylist())) if row.customer_id in asked]

    def links_of(self, keys: Collection[str], *, most: int | None = None) -> list[Link]:
        """The links of these ids, which come first in them; of each at least ``most``, if there are."""
        there, back = (self.links.rows((name,), _values(name, keys), most=most) for name in _PAIR)
        turned = (Link(other, other_kind, key, kind, at) for key, kind, other, other_kind, at in _all(Link, back))
        return [*_all(Link, there), *(link for link in turned if link.subject_key != link.other_key)]

    def met(self, keys: Collection[str], kinds: Collection[str]) -> set[str]:
        """Those of the ids that were seen with one of these kinds."""
        found: set[str] = set()
        for key, other in (("subject", "other"), ("other", "subject")):
            rows = self.links.rows((f"{key}_key",), _values(f"{key}_key", keys))
            is_met = pc.is_in(rows[f"{other}_kind"], pa.array(kinds, pa.string()))
            found |= set(rows.filter(is_met)[f"{key}_key"].to_pylist())
        return found

    def news(self, found: pa.Table) -> pa.Table:
        """The pairs that are not known, or not from so early a day: each once, with its first witness.

        ``found`` are rows of silver.links without ``run_id``; a pair may come any number of times.
        """
        known = self.links.rows(_PAIR, found)
        since: dict[tuple[str, str], date] = {}
        for one, other, day in _rows(known.select((*_PAIR, "first_date"))):
            since[one, other] = min(day, since.get((one, other), day))
        first = [("first_date", "ascending"), ("file_id", "ascending")]
        seen: dict[tuple[str, str], int] = {}
        rows = found.sort_by(first)
        for number, (one, other, day) in enumerate(_rows(rows.select((*_PAIR, "first_date")))):
            if day < since.get((one, other), date.max):
                seen.setdefault((one, other), number)
        return rows.take(pa.array(seen.values(), pa.int64()))


_Row = TypeVar("_Row", Link, Identity)


def _values(name: str, values: Collection[str]) -> pa.Table:
    return pa.table({name: pa.array(values, pa.string())})


def _all(kind: type[_Row], found: pa.Table) -> list[_Row]:
    return [kind(*values) for values in _rows(found.select(kind._fields))]


def _rows(found: pa.Table) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.to_pylist() for column in found.columns), strict=True)
