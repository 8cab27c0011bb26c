"""Links and identities as they were before a run, looked up by keys: tasks read the files, and few rows come back."""

import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from affinity.features.grouped import ARRIVED, KEPT, Ask, Files, kept, parquet
from affinity.tables import silver

_PAIR = ("subject_key", "other_key")
_TYPES: Mapping[str, str] = MappingProxyType(
    {column.name: column.type for spec in (silver.LINKS, silver.IDENTITIES) for column in spec.columns}
)
_BACK = ("other_key", "other_kind", "subject_key", "subject_kind", "first_date")


class Link(NamedTuple):
    """Two ids that were seen together: a row of silver.links."""

    subject_key: str
    subject_kind: str
    other_key: str
    other_kind: str
    first_date: date


class Identity(NamedTuple):
    """Whose an id is: a row of silver.identities that holds, or, without ``valid_from_date``, is found out now."""

    subject_key: str
    subject_kind: str
    subject_id: str
    customer_id: str
    linked_date: date | None
    is_shared: bool
    is_capped: bool
    valid_from_date: date | None = None


@dataclass(frozen=True)
class IdFiles:
    """Files of silver.links, of which those count whose witness is among ``file_ids``, and of silver.identities.

    What is asked goes to ``scratch``, where tasks find it.
    """

    links: Files
    identities: Files
    file_ids: Collection[str]
    scratch: Path

    @contextmanager
    def opened(self) -> "Iterator[KnownIds]":
        """What they say."""
        counting = f"file_id IN {_listed('file_id', self.file_ids, self.scratch)}"
        standing = f"SELECT {', '.join(Link._fields)} FROM {ARRIVED} WHERE {counting}"
        holding = f"SELECT * FROM {ARRIVED} WHERE valid_to_date IS NULL"
        with kept(self.links, standing) as links, kept(self.identities, holding) as identities:
            yield KnownIds(links, identities, self.scratch)


@dataclass(frozen=True)
class KnownIds:
    """Looks up links that count and identities that hold."""

    links: Ask
    identities: Ask
    scratch: Path

    def identities_of(self, keys: Collection[str]) -> list[Identity]:
        """Whose these ids are."""
        return self._held("subject_key", keys)

    def members_of(self, customers: Collection[str]) -> list[Identity]:
        """All ids of these customers."""
        return self._held("customer_id", customers)

    def links_of(self, keys: Collection[str], *, most: int | None = None) -> list[Link]:
        """The links of these ids, which come first in them; of each at least ``most``, if there are."""
        few = f" QUALIFY row_number() OVER (PARTITION BY subject_key) <= {most}" if most else ""
        return _all(Link, self.links(f"SELECT * FROM ({self._sides(keys)}){few}", _types(Link._fields)))

    def met(self, keys: Collection[str], kinds: Collection[str]) -> set[str]:
        """Those of the ids that were seen with one of these kinds."""
        those = f"FROM ({self._sides(keys)}) WHERE other_kind IN {_listed('other_kind', kinds, self.scratch)}"
        found = self.links(f"SELECT DISTINCT subject_key {those}", _types(["subject_key"]))
        return set(found["subject_key"].to_pylist())

    def news(self, found: pa.Table) -> pa.Table:
        """The pairs that are not known, or not from so early a day: each once, with its first witness.

        ``found`` are rows of silver.links without ``run_id``; a pair may come any number of times.
        """
        asked = _written(found.select(_PAIR).group_by(list(_PAIR)).aggregate([]), self.scratch)
        those = f"FROM {KEPT} SEMI JOIN {asked} USING ({', '.join(_PAIR)}) GROUP BY ALL"
        known = self.links(f"SELECT {', '.join(_PAIR)}, min(first_date) {those}", _types([*_PAIR, "first_date"]))
        since: dict[tuple[str, str], date] = {}
        for one, other, day in _rows(known):
            since[one, other] = min(day, since.get((one, other), day))
        first = [("first_date", "ascending"), ("file_id", "ascending")]
        seen: dict[tuple[str, str], int] = {}
        rows = found.sort_by(first)
        for number, (one, other, day) in enumerate(_rows(rows.select((*_PAIR, "first_date")))):
            if day < since.get((one, other), date.max):
                seen.setdefault((one, other), number)
        return rows.take(pa.array(seen.values(), pa.int64()))

    def _held(self, by: str, values: Collection[str]) -> list[Identity]:
        those = f"FROM {KEPT} WHERE {by} IN {_listed(by, values, self.scratch)}"
        found = self.identities(f"SELECT {', '.join(Identity._fields)} {those}", _types(Identity._fields))
        return _all(Identity, found)

    def _sides(self, keys: Collection[str]) -> str:
        """The links of these ids, from either end; the links are read once."""
        asked = _listed("key", keys, self.scratch)
        there, back = (
            "{" + ", ".join(f"'{name}': {of}" for name, of in zip(Link._fields, names, strict=True)) + "}"
            for names in (Link._fields, _BACK)
        )
        return f"""
            SELECT unnest(
                CASE WHEN NOT is_back THEN [{there}] WHEN NOT is_there OR subject_key = other_key THEN [{back}]
                ELSE [{there}, {back}] END, recursive := true)
            FROM (
                SELECT *, subject_key IN {asked} AS is_there, other_key IN {asked} AS is_back
                FROM {KEPT} WHERE is_there OR is_back
            )"""


def _listed(name: str, values: Collection[str], scratch: Path) -> str:
    return f"(SELECT {name} FROM {_written(pa.table({name: pa.array(values, pa.string())}), scratch)})"


def _written(asked: pa.Table, scratch: Path) -> str:
    folder = scratch / uuid.uuid4().hex
    folder.mkdir(parents=True)
    pq.write_table(asked, folder / "asked.parquet")
    return parquet(folder)


_Row = TypeVar("_Row", Link, Identity)


def _types(names: Sequence[str]) -> dict[str, str]:
    return {name: _TYPES[name] for name in names}


def _all(kind: type[_Row], found: pa.Table) -> list[_Row]:
    return [kind(*values) for values in _rows(found)]


def _rows(found: pa.Table) -> Iterator[tuple[Any, ...]]:
    return zip(*(column.to_pylist() for column in found.columns), strict=True)
