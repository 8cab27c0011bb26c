import random
from itertools import pairwise

import pytest

from affinity.algorithms.connected_components import connected_components
from affinity.core.errors import AffinityError


@pytest.fixture
def components(spark):
    def make(*edges, **options):
        frame = spark.createDataFrame(list(edges), "a string, b string")
        found = connected_components(frame, **options).collect()
        assert len({row.node for row in found}) == len(found)
        return {row.node: row.component for row in found}

    return make


def union_find(edges):
    parents = {}

    def root(node):
        while parents.setdefault(node, node) != node:
            node = parents[node]
        return node

    for a, b in edges:
        low, high = sorted((root(a), root(b)))
        parents[high] = low
    return {node: root(node) for node in parents}


def path(name, n_nodes, seed=None):
    nodes = [f"{name}{number:04}" for number in range(n_nodes)]
    if seed is not None:
        random.Random(seed).shuffle(nodes)
    return list(pairwise(nodes))


def test_no_edges(components):
    assert components() == {}


def test_loops_repeats_and_both_directions(components):
    found = components(("b", "a"), ("a", "b"), ("b", "a"), ("b", "c"), ("z", "z"), ("y", "x"), ("y", "y"))
    assert found == {"a": "a", "b": "a", "c": "a", "z": "z", "x": "x", "y": "x"}


def test_a_thousand_nodes_in_a_row_take_few_rounds(components):
    edges = [*path("p", 1000), *path("q", 1000, seed=1), *(("s500", f"s{leaf:03}") for leaf in range(500))]
    found = components(*edges, max_iter=12)
    assert {node for node in found if found[node] == "p0000"} == {f"p{number:04}" for number in range(1000)}
    assert {node for node in found if found[node] == "q0000"} == {f"q{number:04}" for number in range(1000)}
    assert {node for node in found if found[node] == "s000"} == {f"s{number:03}" for number in range(501)}


def test_any_graph_as_by_union_find(components):
    draws = random.Random(7)
    edges = []
    for graph in range(80):
        n_nodes = draws.randint(1, 30)
        for _ in range(draws.randint(1, 2 * n_nodes)):
            a, b = (f"g{graph:02}-{draws.randrange(n_nodes):02}" for _ in range(2))
            edges.append((a, b))
    assert components(*edges) == union_find(edges)


def test_too_few_rounds_are_told(components):
    with pytest.raises(AffinityError, match=r"max_iter = 1 rounds, got \d+ nodes"):
        components(*path("p", 100), max_iter=1)
