import random
from collections import Counter, defaultdict
from datetime import date
from hashlib import sha256

import pytest

from affinity.algorithms import neighbourhood
from affinity.algorithms.identities import IdentityRules, naive, resolved
from affinity.algorithms.identity_updates import updated
from affinity.algorithms.neighbourhood import SAMPLE
from affinity.features.known_ids import Identity, Link

LINKS = "subject_key string, subject_kind string, other_key string, other_kind string, first_date date"
ROWS = (
    "subject_key string, subject_kind string, subject_id string, customer_id string, linked_date date, "
    "is_shared boolean, is_capped boolean"
)
KINDS = {"a": "account", "u": "customer", "c": "cookie", "d": "device"}
RULES = IdentityRules(max_degree=3, max_anchors=3)
MOST_LOOKS = 25


def link(one, other, day=1):
    """Keys tell their kind and their world: a1.x is account 1 of world x."""
    return (one, KINDS[one[0]], other, KINDS[other[0]], date(2026, 1, day))


def alone(key):
    return "c" + sha256(f"customer:{key}".encode()).hexdigest()[:24]


def by_key(frame):
    rows = frame.collect()
    found = {row.subject_key: tuple(row) for row in rows}
    assert len(found) == len(rows)
    assert frame.columns == [part.split()[0] for part in ROWS.split(", ")]
    return found


def customers(found, world):
    """The members of each customer of a world, by the key that gave it its id."""
    names = {row[2]: key for key, row in found.items()}
    groups = defaultdict(set)
    for key, row in found.items():
        if key.endswith(f".{world}"):
            groups[names[row[3]].partition(".")[0]].add(key.partition(".")[0])
    return dict(groups)


def marked(found, world, position):
    return {key.partition(".")[0] for key, row in found.items() if key.endswith(f".{world}") and row[position]}


CASES = {
    "browser": [("c1", "d1", 1), ("a1", "c1", 5), ("d1", "a1", 6)],
    "merge": [("a1", "c1", 2), ("a2", "c2", 1), ("a1", "u3", 9), ("u3", "a2", 9)],
    "family": [("a1", "c1", 1), ("c1", "a2", 1), ("a1", "d1", 1), ("d2", "a2", 1)],
    "one_after_all": [("a1", "c1", 1), ("c1", "a2", 1), ("a2", "a1", 3)],
    "chain": [("a1", "c1", 1), ("c1", "c2", 1), ("c2", "a2", 1)],
    "guest": [("a1", "c1", 1), ("c1", "d1", 1)],
    "nobody": [("c3", "d1", 2), ("d1", "c2", 1), ("c2", "d9", 1)],
    "crowd": [("d1", f"c{n}", n) for n in range(1, 5)],
    "no_crowd": [("d1", f"c{n}", n) for n in range(1, 4)],
    "crowd_but_one": [*(("d1", f"c{n}", n) for n in range(1, 5)), ("a1", "c4", 4)],
    "cap": [("a1", "a2", 1), ("a2", "a3", 1), ("a3", "a4", 1), ("c1", "a1", 1), ("c2", "a1", 1), ("c2", "a2", 1)],
    "no_cap": [("a1", "a2", 1), ("a2", "a3", 1)],
    "itself": [("c1", "c1", 1)],
    "again": [("c2", "c1", 4), ("c2", "c1", 3), ("c1", "c2", 2), ("c3", "c1", 3)],
}


@pytest.fixture(scope="module")
def cases(spark):
    links = [
        link(f"{one}.{world}", f"{other}.{world}", day) for world, seen in CASES.items() for one, other, day in seen
    ]
    frame = spark.createDataFrame(links, LINKS)
    return by_key(resolved(frame, RULES)), by_key(naive(frame, RULES))


@pytest.mark.parametrize(
    ("world", "groups"),
    [
        ("browser", {"a1": {"a1", "c1", "d1"}}),  # the account gives the id, although the cookie was there before
        ("merge", {"a2": {"a1", "a2", "u3", "c1", "c2"}}),  # a2 was seen first
        ("family", {"c1": {"c1"}, "a1": {"a1", "d1"}, "a2": {"a2", "d2"}}),
        ("one_after_all", {"a1": {"a1", "a2", "c1"}}),  # both seen on the 1st: the smaller key
        ("chain", {"a1": {"a1", "c1"}, "a2": {"a2", "c2"}}),
        ("guest", {"a1": {"a1", "c1"}, "d1": {"d1"}}),
        ("nobody", {"c2": {"c2", "c3", "d1", "d9"}}),
        ("crowd", {"d1": {"d1"}, "c1": {"c1"}, "c2": {"c2"}, "c3": {"c3"}, "c4": {"c4"}}),
        ("no_crowd", {"c1": {"c1", "c2", "c3", "d1"}}),
        ("crowd_but_one", {"c1": {"c1", "c2", "c3", "d1"}, "a1": {"a1", "c4"}}),
        ("cap", {"a1": {"a1", "c1"}, "a2": {"a2"}, "a3": {"a3"}, "a4": {"a4"}, "c2": {"c2"}}),
        ("no_cap", {"a1": {"a1", "a2", "a3"}}),
        ("itself", {"c1": {"c1"}}),
        ("again", {"c1": {"c1", "c2", "c3"}}),  # c1 and c2 on the 2nd, once their three links are one
    ],
)
def test_customers(cases, world, groups):
    assert customers(cases[0], world) == groups


def test_what_is_shared_and_what_is_capped_is_told(cases):
    found = cases[0]
    assert {world: marked(found, world, 5) for world in CASES if marked(found, world, 5)} == {
        "family": {"c1"},
        "crowd": {"d1"},
        "cap": {"c2"},
    }
    assert {world: marked(found, world, 6) for world in CASES if marked(found, world, 6)} == {
        "cap": {"a1", "a2", "a3", "a4"}
    }
    assert found["c1.family"] == ("c1.family", "cookie", alone("c1.family"), alone("c1.family"), None, True, False)


def test_every_link_taken_for_proof_welds_each_world(cases):
    found = cases[1]
    assert {world: len(customers(found, world)) for world in CASES} == dict.fromkeys(CASES, 1)
    assert customers(found, "chain") == {"a1": {"a1", "a2", "c1", "c2"}}
    assert not any(row[5] or row[6] for row in found.values())


def oracle(links, rules):
    """The rules once more, over sets."""
    kinds, first, around = {}, {}, defaultdict(set)
    for one, one_kind, other, other_kind, day in links:
        for key, kind, neighbour in ((one, one_kind, other), (other, other_kind, one)):
            kinds[key] = kind
            first[key] = min(day, first.get(key, day))
            around[key] |= {neighbour} - {key}
    days = {frozenset((one, other)): [] for one, _, other, _, _ in links}
    for one, _, other, _, day in links:
        days[frozenset((one, other))].append(day)
    anchors = {key for key in kinds if kinds[key] in rules.anchor_kinds}
    person = {}
    for group in _groups(anchors, around):
        capped = len(group) > rules.max_anchors
        person |= {key: (key, True) if capped else (min(group), False) for key in group}
    met = {key: around[key] & anchors for key in kinds.keys() - anchors}
    strangers = {key for key in met if not met[key]}
    crowded = {key for key in strangers if len(around[key] & strangers) > rules.max_degree}
    shared = crowded | {key for key in met if len({person[anchor] for anchor in met[key]}) > rules.max_people}
    seen_on = {pair: min(found) for pair, found in days.items()}
    label = {key: person[key][0] for key in anchors} | {key: key for key in shared}
    label |= {key: min(group) for group in _groups(strangers - crowded, around) for key in group}
    owned = met.keys() - strangers - shared
    for key in owned:
        first_met = min(met[key], key=lambda anchor: (seen_on[frozenset((key, anchor))], anchor))
        label[key] = person[first_met][0]
    members = defaultdict(list)
    for key in kinds:
        members[label[key]].append(key)
    oldest = {x: min(group, key=lambda key: (key not in anchors, first[key], key)) for x, group in members.items()}
    linked = {}
    for x, group in members.items():
        linked |= _linked(oldest[x], set(group) - owned, {key: met[key] for key in owned & set(group)}, seen_on)
    return {
        key: (
            *(key, kinds[key], alone(key), alone(oldest[label[key]]), linked[key]),
            *(key in shared, key in anchors and person[key][1]),
        )
        for key in kinds
    }


def _linked(oldest, core, met, seen_on):
    """Since when each id of a group is seen to belong to the oldest: by a link of two, of three, or by all of them."""
    inner = {pair: day for pair, day in seen_on.items() if len(pair) == 2 and pair <= core}
    joined = {key: inner.get(frozenset((key, oldest))) or max(inner.values()) for key in core - {oldest}}
    early = {oldest: date.min, **joined}
    ways = {
        key: min(max(seen_on[frozenset((key, anchor))], early[anchor]) for anchor in anchors & core)
        for key, anchors in met.items()
    }
    return {oldest: None, **joined, **ways}


def _groups(nodes, around):
    left = set(nodes)
    while left:
        group, edge = set(), {left.pop()}
        while edge:
            group |= edge
            edge = {neighbour for key in edge for neighbour in around[key] & nodes} - group
        left -= group
        yield group


def draw_world(draws, world):
    sizes = {"a": draws.randint(0, 5), "c": draws.randint(1, 5), "d": draws.randint(1, 4)}
    keys = [f"{kind}{number}.{world}" for kind, size in sizes.items() for number in range(size)]
    return [link(draws.choice(keys), draws.choice(keys), draws.randint(1, 6)) for _ in range(draws.randint(2, 22))]


@pytest.fixture
def frame_of(spark):
    # A frame of Python rows goes through a Python worker whenever it is read, and these are read often.
    return lambda rows, schema: spark.createDataFrame(list(rows), schema).localCheckpoint()


class Told:
    """Links and rows, looked up one by one; counts how often."""

    def __init__(self, links, rows):
        self.n_asked = 0
        self.rows = [Identity(*row) for row in rows]
        self.sides = [Link(*link) for link in links]
        self.sides += [Link(two, kind, one, own, day) for one, own, two, kind, day in self.sides if one != two]

    def _those(self, rows, by, values):
        self.n_asked += 1
        return [row for row in rows if getattr(row, by) in values]

    def identities_of(self, keys):
        return self._those(self.rows, "subject_key", keys)

    def members_of(self, customers):
        return self._those(self.rows, "customer_id", customers)

    def links_of(self, keys, *, most=None):
        found = self._those(self.sides, "subject_key", keys)
        met = Counter()
        for side in found:
            met[side.subject_key] += 1
            if most is None or met[side.subject_key] <= most:
                yield side

    def met(self, keys, kinds):
        return {side.subject_key for side in self._those(self.sides, "subject_key", keys) if side.other_kind in kinds}


def changed_by(fresh, told, rules):
    return {change.row.subject_key: change.row[:7] for change in updated([Link(*link) for link in fresh], told, rules)}


def after(state, fresh, known, rules):
    """The current rows, as updated by a batch; every row that came was new or differed."""
    told = Told(known, state.values())
    changes = changed_by(fresh, told, rules)
    assert [key for key, row in changes.items() if state.get(key) == row] == []
    assert told.n_asked <= MOST_LOOKS
    return state | changes


def draw_batches(seed, n_batches):
    draws = random.Random(seed)
    batches = [[] for _ in range(n_batches)]
    for seen in (seen for world in range(400) for seen in draw_world(draws, world)):
        draws.choice(batches).append(seen)
    return batches


@pytest.mark.parametrize("sample", [1, 3, SAMPLE])
@pytest.mark.parametrize("seed", range(8))
def test_batch_by_batch_is_all_at_once(monkeypatch, seed, sample):
    monkeypatch.setattr(neighbourhood, "SAMPLE", sample)
    rules = IdentityRules(max_degree=1 + seed % 3, max_anchors=2 + seed % 2, max_people=1 + seed % 2)
    known, state = [], {}
    for batch in draw_batches(seed, 4):
        state = after(state, batch, known, rules)
        known = known + batch
        assert state == oracle(known, rules)
    assert sum(row[5] for row in state.values()) > 20
    assert sum(row[6] for row in state.values()) > 20


def test_all_at_once(frame_of):
    rules = IdentityRules(max_degree=2, max_anchors=3)
    (links,) = draw_batches(1, 1)
    assert by_key(resolved(frame_of(links, LINKS), rules)) == oracle(links, rules)


# World: what was known, what is fresh, whose rows change.
NEWS = {
    "merge": ([("a1", "c1", 1), ("a2", "c2", 2)], [("a1", "a2", 3)], {"a2", "c2"}),
    "split": ([("a1", "c1", 1), ("a1", "d1", 1)], [("c1", "a2", 2)], {"c1", "a2"}),
    "unshared": ([("a1", "c1", 1), ("c1", "a2", 2)], [("a2", "a1", 3)], {"c1", "a2"}),
    "login": ([("c1", "d1", 1)], [("c1", "a1", 2), ("d1", "a1", 2)], {"c1", "d1", "a1"}),
    # c1 named the three; c2 goes to its account, and the link of c1 and c3 went through it.
    "parted": ([("c1", "c2", 1), ("c2", "c3", 2)], [("c2", "a1", 3)], {"c2", "c3", "a1"}),
    "crowd": ([("d1", "c1", 1), ("d1", "c2", 2), ("d1", "c3", 3)], [("d1", "c4", 4)], {"d1", "c2", "c3", "c4"}),
    # One of the crowd is somebody's: of d1, c1, c2 and c3 all but c1 get its name.
    "roomy": ([("d1", f"c{n}", n) for n in range(1, 5)], [("c4", "a1", 5)], {"d1", "c2", "c3", "c4", "a1"}),
    # Each alone again: a1 gave the name before, and keeps it; c1 was seen with two of them.
    "cap": (
        [("a1", "a2", 1), ("a2", "a3", 1), ("a1", "c1", 1), ("a2", "c1", 1)],
        [("a3", "a4", 2)],
        {"a1", "a2", "a3", "a4", "c1"},
    ),
    "capped": ([("a1", f"a{n}", 1) for n in range(2, 5)], [("a4", "a5", 2), ("a5", "c1", 2)], {"a5", "c1"}),
    "earlier": ([("a1", "a2", 2)], [("c1", "a2", 1)], {"a1", "a2", "c1"}),
    "repeated": ([("a1", "c1", 1), ("c1", "d1", 1)], [("c1", "a1", 2)], set()),
    # A till's card, a5's cookie and a quiet customer.
    "till": ([("c1", f"a{n}", 1) for n in range(1, 5)] + [("a4", "c4", 1)], [("c1", "a5", 2)], {"a5"}),
    "quiet": ([("a1", "c1", 1), ("c2", "c3", 1)], [], set()),
}


def told_of(position, worlds=NEWS):
    return [
        link(f"{one}.{world}", f"{other}.{world}", day) for world in worlds for one, other, day in NEWS[world][position]
    ]


def test_news_change_these_rows_and_no_others():
    known, fresh = told_of(0), told_of(1)
    before = oracle(known, RULES)
    changes = changed_by(fresh, Told(known, before.values()), RULES)
    told = {world: {key.partition(".")[0] for key in changes if key.endswith(f".{world}")} for world in NEWS}
    assert told == {world: changed for world, (_, _, changed) in NEWS.items()}
    after = before | changes
    assert after == oracle(known + fresh, RULES)
    assert customers(before, "parted") == {"c1": {"c1", "c2", "c3"}}
    assert customers(after, "parted") == {"c1": {"c1"}, "c3": {"c3"}, "a1": {"a1", "c2"}}
    assert customers(after, "unshared") == {"a1": {"a1", "a2", "c1"}}
    assert marked(after, "split", 5) == {"c1"}
    assert marked(after, "capped", 6) == {"a1", "a2", "a3", "a4", "a5"}


class Sampled(Told):
    """Remembers of whom all links were asked for."""

    def __init__(self, links, rows):
        super().__init__(links, rows)
        self.whole = set()

    def links_of(self, keys, *, most=None):
        self.whole |= set() if most else set(keys)
        return super().links_of(keys, most=most)


@pytest.mark.parametrize(
    ("world", "n_asked", "whole"),
    [
        ("quiet", 0, set()),
        ("merge", 3, set()),
        ("split", 3, set()),
        ("login", 3, set()),
        ("till", 4, set()),
        ("parted", 5, {"c2"}),
        ("crowd", 5, {"d1"}),
    ],
)
def test_few_looks_tell_and_all_links_are_seen_only_of_ids_that_may_change(monkeypatch, world, n_asked, whole):
    monkeypatch.setattr(neighbourhood, "SAMPLE", 2)
    known, fresh = told_of(0, [world]), told_of(1, [world])
    told = Sampled(known, oracle(known, RULES).values())
    changed_by(fresh, told, RULES)
    assert (told.n_asked, {key.partition(".")[0] for key in told.whole}) == (n_asked, whole)
