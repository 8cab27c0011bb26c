"""Who is who after few new links: only what they can change is looked up, and resolved again in one process.

Links are only ever added: where some were removed, or the rules were changed, ``resolved`` takes all links anew.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import date
from typing import NamedTuple, Protocol

from affinity.algorithms.identities import IdentityRules
from affinity.features.known_ids import Identity, Link
from affinity.privacy.tokens import customer_id_of

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


class Change(NamedTuple):
    """A row of ``resolved`` and the one that held before; None where the id is new."""

    row: Identity
    before: Identity | None


def updated(fresh: Iterable[Link], known: Known, rules: IdentityRules) -> list[Change]:
    """List the rows of ``resolved`` that are new, or differ from those that held, when ``fresh`` links arrived.

    ``fresh`` come in any direction; what is ``known`` are the links before and the rows of ``resolved`` for them, by
    the same rules. Looks up three times for most links, and some twenty times at most; what it keeps grows with the
    links of the persons concerned.
    """
    graph = _Graph(fresh, known, rules)
    graph.glance(graph.concerned())
    anchors = graph.anchors_of(key for key in graph.fresh if graph.is_anchor(key))
    others = graph.groups_of(_seeds(graph))
    graph.look_at(anchors)
    suspects = others | {key for anchor in anchors for key in graph.around(anchor) if not graph.is_anchor(key)}
    again = anchors | (suspects - _still_shared(suspects, anchors, graph))
    changes = (Change(row, graph.row(row.subject_key)) for row in _resolved(again, graph))
    return [change for change in changes if not _is_as_before(change)]


def _is_as_before(change: Change) -> bool:
    return change.before is not None and change.before[:-2] == change.row[:-2]  # all but since when, and how often


class _Graph:
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


def _seeds(graph: _Graph) -> set[str]:
    """The ids at which links between ids without an anchor came, went, or count again.

    These are the ids of fresh links; the neighbours of one that met its first anchor, for their links to it are cut;
    and of one that was crowded and is no longer, itself and its neighbours. One that is still crowded is left out.
    """
    own = {key for key in graph.fresh if not graph.is_anchor(key)}
    with_anchor = {key for key in own if graph.is_met_now(key)}
    newly_met = with_anchor - set(graph.met_before(with_anchor))
    graph.look_at(newly_met)
    left = {key for one in newly_met for key in _unowned(one, graph.around(one), graph)}
    changed = own | left
    graph.look_up(changed)
    shared = {key for key in changed if (row := graph.row(key)) and row.is_shared}
    crowded = shared - graph.are_met(shared)
    graph.glance(crowded)
    still = _still_crowded(crowded, graph)
    graph.look_at(crowded - still)
    still |= _still_crowded(crowded - still, graph)
    loosened = {key for one in crowded - still for key in _unowned(one, graph.around(one), graph)}
    return (changed - still) | (loosened - graph.are_met(loosened))


def _unowned(key: str, around: Iterable[str], graph: _Graph) -> set[str]:
    return {other for other in around if other != key and not graph.is_anchor(other)}


def _still_crowded(crowded: Collection[str], graph: _Graph) -> set[str]:
    """Those with more than ``max_degree`` neighbours that were never seen with an anchor, as far as they are known."""
    neighbours = {key: _unowned(key, graph.some_around(key), graph) for key in crowded}
    met = graph.are_met(other for found in neighbours.values() for other in found)
    return {key for key, found in neighbours.items() if len(found - met) > graph.rules.max_degree}


def _still_shared(suspects: Collection[str], anchors: Collection[str], graph: _Graph) -> set[str]:
    """The shared ids that more than ``max_people`` customers outside of ``anchors`` were seen with: they remain so.

    A till's card is not looked at each day; only where some of its links do not show it, all are looked at later.
    """
    graph.look_up(suspects)
    shared = graph.are_met({key for key in suspects if (row := graph.row(key)) and row.is_shared})
    graph.glance(shared)
    met = {
        key: {other for other in graph.some_around(key) if graph.is_anchor(other) and other not in anchors}
        for key in shared
    }
    graph.look_up(other for found in met.values() for other in found)
    people = {key: {row.customer_id for other in found if (row := graph.row(other))} for key, found in met.items()}
    return {key for key, found in people.items() if len(found) > graph.rules.max_people}


class _Group(NamedTuple):
    """Whom an id of a group belongs to: the customer of the oldest, and since when it is seen to hang together."""

    customer: str
    joined: date | None
    is_capped: bool = False


def _resolved(again: Collection[str], graph: _Graph) -> Iterator[Identity]:
    """The rows of ``resolved`` for these ids, which are whole persons and groups; of all others the rows hold."""
    graph.look_at(again)
    anchors = {key for key in again if graph.is_anchor(key)}
    others = set(again) - anchors
    met = graph.are_met(others)
    persons = _persons(anchors, graph)
    crowded, groups = _strangers(others - met, graph)
    seen = {key: {other: at for other, at in graph.around(key).items() if graph.is_anchor(other)} for key in met}
    graph.look_up(other for found in seen.values() for other in found)
    for key in again:
        found = persons.get(key) or groups.get(key)
        is_shared = key in crowded
        if key in met:
            found = _owner(seen[key], persons, graph)
            is_shared = found is None
        own = customer_id_of(key)
        customer = found.customer if found else own
        since = found.joined if found and customer != own else None
        is_capped = found is not None and found.is_capped
        yield Identity(key, graph.kind(key), own, customer, since, is_shared, is_capped)


def _persons(anchors: set[str], graph: _Graph) -> dict[str, _Group]:
    """Anchors that are linked; too many, or with one that was capped before, they are capped and each is alone."""
    merged = {key: {other for other in graph.around(key) if graph.is_anchor(other)} for key in anchors}
    graph.look_up(other for found in merged.values() for other in found)
    persons: dict[str, _Group] = {}
    for members in _components(anchors, lambda key: merged[key] & anchors):
        outside = {other for key in members for other in merged[key]} - members
        if len(members) > graph.rules.max_anchors or outside:  # linked anchors that are nobody's are capped
            persons |= {key: _Group(customer_id_of(key), None, is_capped=True) for key in members}
        else:
            persons |= _joined(members, graph)
    return persons


def _strangers(strangers: Collection[str], graph: _Graph) -> tuple[set[str], dict[str, _Group]]:
    """Those that are crowded, and the groups of the others.

    A neighbour that is not among them, and was never seen with an anchor, is crowded: else it were of their groups.
    """
    neighbours = {key: _unowned(key, graph.around(key), graph) for key in strangers}
    met = graph.are_met(other for found in neighbours.values() for other in found)
    crowded = {key for key, found in neighbours.items() if len(found - met) > graph.rules.max_degree}
    welding = set(strangers) - crowded
    groups: dict[str, _Group] = {}
    for members in _components(welding, lambda key: neighbours[key] & welding):
        groups |= _joined(members, graph)
    return crowded, groups


def _joined(members: Collection[str], graph: _Graph) -> dict[str, _Group]:
    """The oldest of a group names its customer; who was not seen with it belongs to it once all links were seen."""
    around = {key: graph.around(key) for key in members}
    oldest = min(members, key=lambda key: (min(around[key].values()), key))
    inner = [at for key in members for other, at in around[key].items() if other in members and other != key]
    complete, customer = max(inner, default=None), customer_id_of(oldest)
    return {key: _Group(customer, None if key == oldest else around[key].get(oldest, complete)) for key in members}


def _owner(seen: Mapping[str, date], persons: Mapping[str, _Group], graph: _Graph) -> _Group | None:
    """Whose an id is that was seen with these anchors: of the first one's person; None where they are too many."""
    groups = {anchor: persons.get(anchor) or _as_it_was(graph.row(anchor)) for anchor in seen}
    if len({group.customer for group in groups.values()}) > graph.rules.max_people:
        return None
    customer = groups[min(seen, key=lambda anchor: (seen[anchor], anchor))].customer
    ways = [max(seen[a], group.joined or seen[a]) for a, group in groups.items() if group.customer == customer]
    return _Group(customer, min(ways))


def _as_it_was(row: Identity | None) -> _Group:
    assert row is not None  # an anchor of a known link
    return _Group(row.customer_id, row.linked_date)


def _components(nodes: Iterable[str], neighbours: Callable[[str], Iterable[str]]) -> Iterator[set[str]]:
    left = set(nodes)
    while left:
        found, edge = set[str](), [left.pop()]
        while edge:
            key = edge.pop()
            found.add(key)
            fresh = left.intersection(neighbours(key))
            left -= fresh
            edge.extend(fresh)
        yield found
