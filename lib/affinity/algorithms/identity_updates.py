"""Who is who after few new links: only what they can change is looked up, and resolved again in one process.

Links are only ever added: where some were removed, or the rules were changed, ``resolved`` takes all links anew.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import date
from typing import NamedTuple

from affinity.algorithms.identities import IdentityRules
from affinity.algorithms.neighbourhood import Known, Neighbourhood
from affinity.features.known_ids import Identity, Link
from affinity.privacy.tokens import customer_id_of


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
    graph = Neighbourhood(fresh, known, rules)
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


def _seeds(graph: Neighbourhood) -> set[str]:
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


def _unowned(key: str, around: Iterable[str], graph: Neighbourhood) -> set[str]:
    return {other for other in around if other != key and not graph.is_anchor(other)}


def _still_crowded(crowded: Collection[str], graph: Neighbourhood) -> set[str]:
    """Those with more than ``max_degree`` neighbours that were never seen with an anchor, as far as they are known."""
    neighbours = {key: _unowned(key, graph.some_around(key), graph) for key in crowded}
    met = graph.are_met(other for found in neighbours.values() for other in found)
    return {key for key, found in neighbours.items() if len(found - met) > graph.rules.max_degree}


def _still_shared(suspects: Collection[str], anchors: Collection[str], graph: Neighbourhood) -> set[str]:
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


def _resolved(again: Collection[str], graph: Neighbourhood) -> Iterator[Identity]:
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


def _persons(anchors: set[str], graph: Neighbourhood) -> dict[str, _Group]:
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


def _strangers(strangers: Collection[str], graph: Neighbourhood) -> tuple[set[str], dict[str, _Group]]:
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


def _joined(members: Collection[str], graph: Neighbourhood) -> dict[str, _Group]:
    """The oldest of a group names its customer; who was not seen with it belongs to it once all links were seen."""
    around = {key: graph.around(key) for key in members}
    oldest = min(members, key=lambda key: (min(around[key].values()), key))
    inner = [at for key in members for other, at in around[key].items() if other in members and other != key]
    complete, customer = max(inner, default=None), customer_id_of(oldest)
    return {key: _Group(customer, None if key == oldest else around[key].get(oldest, complete)) for key in members}


def _owner(seen: Mapping[str, date], persons: Mapping[str, _Group], graph: Neighbourhood) -> _Group | None:
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
