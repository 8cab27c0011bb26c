"""Known ids around fresh links, looked up as far as they are asked for."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import date
from typing import Protocol

from affinity.algorithms.identities import IdentityRules
from affinity.features.known_ids import Identity, Link

SAMPLE = 100
"""How many links of an id are looked at before all of them are: most have fewer, a till's card has many more."""


class Known(Protocol):
    """What was known before the new links. Each call looks through everything: callers ask for many keys at once."""

    def identities_of(self, keys: Collection[str]) -> Iterable[Identity]:
        """The current rows of these ids."""

    def members_of(self, customers: Collection[str]) -> Iterable[Identity]:
        """The current rows of all ids of these customers."""

    def links_of(self, keys: Collection[str], *, most: int | None = None) -> Iterable[Link]:
        """The links in which they are the subject, from both sides; of each key any ``most`` or more, if there are."""

    def met(self, keys: Collection[str], kinds: Collection[str]) -> Collection[str]:
        """Those of the keys that were seen with an id of one of the kinds."""


class Neighbourhood:
    """The neighbourhood of fresh links, as far as it was looked at."""

    def __init__(self, fresh: Iterable[Link], known: Known, rules: IdentityRules) -> None:
        self.rules = rules
        self.fresh: dict[str, dict[str, date]] = defaultdict(dict)
        self._known = known
        self._kinds: dict[str, str] = {}
        self._rows: dict[str, Identity | None] = {}
        self._members: dict[str, list[Identity]] = {}
        self._before: dict[str, dict[str, date]] = {}
        self._have_more: set[str] = set()
        self._met: dict[str, bool] = {}
        for one, one_kind, other, other_kind, first_date in fresh:
            self._kinds |= {one: one_kind, other: other_kind}
            _note(self.fresh[one], other, first_date)
            _note(self.fresh[other], one, first_date)

    def kind(self, key: str) -> str:
        """The kind of an id that was come by."""
        return self._kinds[key]

    def is_anchor(self, key: str) -> bool:
        """Whether an id that was come by stands for one person."""
        return self._kinds[key] in self.rules.anchor_kinds

    def row(self, key: str) -> Identity | None:
        """The current row of an id; None where it is new."""
        self.look_up([key])
        return self._rows[key]

    def look_up(self, keys: Iterable[str]) -> None:
        """Come to know the rows of these ids."""
        if missing := {key for key in keys if key not in self._rows}:
            self._take(self._known.identities_of(missing))
            self._rows |= dict.fromkeys(key for key in missing if key not in self._rows)

    def glance(self, keys: Iterable[str]) -> None:
        """Come to know links of these ids: all, or ``SAMPLE`` and more of one that may have more."""
        if missing := {key for key in keys if key not in self._before}:
            n_seen = self._see(missing, most=SAMPLE)
            self._have_more |= {key for key in missing if n_seen[key] >= SAMPLE}
            shown = {key: any(map(self.is_anchor, self._before[key])) for key in missing}
            self._met |= {key: is_met for key, is_met in shown.items() if is_met or key not in self._have_more}

    def look_at(self, keys: Iterable[str]) -> None:
        """Come to know all links of these ids."""
        asked = set(keys)
        self.glance(asked)
        if missing := asked & self._have_more:
            self._see(missing)
            self._have_more -= missing

    def _see(self, keys: Collection[str], *, most: int | None = None) -> Counter[str]:
        n_seen = Counter[str]()
        self._before |= {key: {} for key in keys}
        for key, _, other, kind, first_date in self._known.links_of(keys, most=most):
            n_seen[key] += 1
            self._kinds[other] = kind
            _note(self._before[key], other, first_date)
        return n_seen

    def around(self, key: str) -> Mapping[str, date]:
        """All ids that an id was seen with, and when first; one that was looked at."""
        assert key not in self._have_more
        return self.some_around(key)

    def some_around(self, key: str) -> Mapping[str, date]:
        """``around`` of one that was glanced at: ``SAMPLE`` and more, or all."""
        seen = dict(self._before[key])
        for other, first_date in self.fresh.get(key, {}).items():
            _note(seen, other, first_date)
        return seen

    def are_met(self, keys: Iterable[str]) -> set[str]:
        """Those of the ids, of which none is an anchor, that were ever seen with one."""
        asked = set(keys)
        now = {key for key in asked if self.is_met_now(key)}
        return now | self.met_before(asked - now)

    def is_met_now(self, key: str) -> bool:
        """Whether a fresh link shows an id with an anchor."""
        return any(self.is_anchor(other) for other in self.fresh.get(key, ()))

    def met_before(self, keys: Collection[str]) -> set[str]:
        """Those of the ids, of which none is an anchor, that were seen with one before."""
        if missing := {key for key in keys if key not in self._met}:
            found = self._known.met(missing, self.rules.anchor_kinds)
            self._met |= {key: key in found for key in missing}
        return {key for key in keys if self._met[key]}

    def concerned(self) -> set[str]:
        """The ids of fresh links, with all others of a person whose anchor is among them, and of groups without one."""
        members = self._of_customers(self.fresh)
        anchors = {key for key in self.fresh if self.is_anchor(key)}
        mine = {row.customer_id for key in anchors if (row := self.row(key))}
        return self.groups_of(self.fresh) | {row.subject_key for row in members if row.customer_id in mine}

    def anchors_of(self, keys: Iterable[str]) -> set[str]:
        """Anchors with all those of the same customer. One that was capped stays so, and is left out."""
        named = set(keys)
        mine = {key for key in named if not ((row := self.row(key)) and row.is_capped)}
        return mine | {row.subject_key for row in self._of_customers(mine) if self.is_anchor(row.subject_key)}

    def groups_of(self, seeds: Collection[str]) -> set[str]:
        """Ids with all members of their groups, as far as these have no anchor."""
        members = self._of_customers(seeds)
        owned = {row.customer_id for row in members if self.is_anchor(row.subject_key)}
        return {*seeds, *(row.subject_key for row in members if row.customer_id not in owned)}

    def _of_customers(self, keys: Collection[str]) -> list[Identity]:
        self.look_up(keys)
        customers = {row.customer_id for key in keys if (row := self._rows[key])}
        if missing := {customer for customer in customers if customer not in self._members}:
            self._members |= {customer: [] for customer in missing}
            for row in self._take(self._known.members_of(missing)):
                self._members[row.customer_id].append(row)
        return [row for customer in customers for row in self._members[customer]]

    def _take(self, rows: Iterable[Identity]) -> list[Identity]:
        taken = list(rows)
        for row in taken:
            self._rows[row.subject_key], self._kinds[row.subject_key] = row, row.subject_kind
        return taken


def _note(seen: dict[str, date], other: str, first_date: date) -> None:
    seen[other] = min(first_date, seen.get(other, first_date))
