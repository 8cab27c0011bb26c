"""Who is who after new links: only what they can change is resolved again.

Links are only ever added: where some were removed, or the rules were changed, ``resolved`` takes all links anew.

What can change is looked for among digests of keys, eight bytes each, which are kept for the time: a look at all links
costs as little as that. Two keys of one digest would be looked at together, which changes no row.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from affinity.algorithms.identities import IdentityRules, is_met, is_unowned, resolved, sides, without_met
from affinity.algorithms.materialize import counted, materialized

_FEW_KEYS = 100_000  # some megabytes on each executor


@dataclass(frozen=True)
class _Keys:
    """Digests of keys as they are, some twice: Spark would take them to be as many as what they were sifted from."""

    frame: DataFrame
    are_few: bool

    def named(self, name: str) -> DataFrame:
        """The keys under a name, for the right side of a join: few are sent to every task, and no link is shuffled."""
        keys = self.frame.select(F.col("key").alias(name))
        return F.broadcast(keys) if self.are_few else keys


@dataclass(frozen=True)
class _Graph:
    """What is known, by digests of keys and customers.

    ``now`` and ``seen`` are the sides of fresh and of all links: key, other, first_date, is_anchor, is_other_anchor.
    ``known`` are the ids as they are: key, customer, is_anchor, is_shared, is_capped.
    """

    now: DataFrame
    seen: DataFrame
    known: DataFrame
    rules: IdentityRules

    @property
    def shared(self) -> DataFrame:
        """The keys of shared ids."""
        return self.known.where("is_shared").select("key")


def updated(fresh: DataFrame, links: DataFrame, identities: DataFrame, rules: IdentityRules) -> DataFrame:
    """List the rows of ``resolved(links)`` that are new, or differ from the current ones, when ``fresh`` links arrived.

    Columns in: ``fresh`` and ``links`` (all known ones, the fresh among them) as in ``resolved``; ``identities`` the
    current rows, as ``resolved`` gave them for the links before, by the same rules. Columns out: those of ``resolved``.
    Reads the whole frames twice, and some twenty times their digests; what iterates does so on the region alone. Runs
    jobs at once, and keeps what they find (``materialized``): a plan of so many joins would be worked off in each use.
    """
    with _digested(fresh, links, identities, rules) as graph:
        keys = _affected(graph)
        around = materialized(_of_pairs(links, _region(keys, graph)))
    again = _of_keys(resolved(around, rules), keys)
    return again.exceptAll(_of_keys(identities.select(*again.columns), keys))


def region(fresh: DataFrame, links: DataFrame, identities: DataFrame, rules: IdentityRules) -> DataFrame:
    """Select the links that must be looked at again when ``fresh`` ones arrived.

    Columns in: those of ``updated``. Columns out: those of ``links``. For the ids whose row may change, and in general
    for no others, ``resolved`` gives of these links what it gives of all.
    """
    with _digested(fresh, links, identities, rules) as graph:
        return materialized(_of_pairs(links, _region(_affected(graph), graph)))


@contextmanager
def _digested(fresh: DataFrame, links: DataFrame, identities: DataFrame, rules: IdentityRules) -> Iterator[_Graph]:
    seen, now = _sides(links, rules).persist(), _sides(fresh, rules).persist()
    known = identities.select(
        _digest("subject_key").alias("key"),
        _digest("customer_id").alias("customer"),
        F.col("subject_kind").isin(*rules.anchor_kinds).alias("is_anchor"),
        "is_shared",
        "is_capped",
    ).persist()
    try:
        yield _Graph(now, seen, known, rules)
    finally:
        for frame in (seen, now, known):
            frame.unpersist()


def _sides(links: DataFrame, rules: IdentityRules) -> DataFrame:
    digests = {name: _digest(name) for name in ("subject_key", "other_key")}
    return sides(links.withColumns(digests), rules).drop("kind", "other_kind")


def _digest(name: str) -> Column:
    return F.xxhash64(name)


def _of_keys(rows: DataFrame, keys: _Keys) -> DataFrame:
    """The rows of ``resolved`` whose subject_key is among the keys."""
    return rows.withColumn("digest", _digest("subject_key")).transform(_beside, keys, "digest").select(*rows.columns)


def _of_pairs(links: DataFrame, around: DataFrame) -> DataFrame:
    """The links whose sides are among those of ``around``."""
    pairs, n_pairs = counted(around.select(F.col("key").alias("one"), F.col("other").alias("two")))
    both = pairs.unionByName(pairs.select(F.col("two").alias("one"), F.col("one").alias("two")))
    ends = {"one": _digest("subject_key"), "two": _digest("other_key")}
    wanted = F.broadcast(both) if n_pairs <= _FEW_KEYS else both
    return links.withColumns(ends).join(wanted, on=["one", "two"], how="left_semi").select(*links.columns)


def _affected(graph: _Graph) -> _Keys:
    """The ids whose row may change when the fresh links arrived.

    These are (1) the persons of the anchors in them; (2) every other id in them, and the members of its group, where
    that has no anchor; the neighbours of one that now met its first anchor, for their links to it are cut, and the
    neighbours of one that was crowded and thereby no longer is; (3) whoever was seen with an anchor of (1). An id that
    is shared by enough persons beside those of (1) stays so: a till's card is not looked at each day.
    """
    anchors = _kept(_anchors(graph))
    others = _unowned_groups(_seeds(graph), graph)
    met = graph.seen.where(is_met(graph.seen)).transform(_beside, anchors, "other").select("key")
    suspects = _kept(others.union(met))
    settled = _still_shared(suspects, anchors, graph)
    return _kept(anchors.frame.union(suspects.frame.join(settled, on="key", how="left_anti")))


def _beside(frame: DataFrame, keys: _Keys, name: str) -> DataFrame:
    """The rows whose column ``name`` is among the keys."""
    return frame.join(keys.named(name), on=name, how="left_semi")


def _but(frame: DataFrame, keys: _Keys, name: str) -> DataFrame:
    """The rows whose column ``name`` is not among the keys."""
    return frame.join(keys.named(name), on=name, how="left_anti")


def _kept(keys: DataFrame) -> _Keys:
    kept, n_keys = counted(keys.select("key"))
    return _Keys(kept, n_keys <= _FEW_KEYS)


def _of_customers(known: DataFrame, keys: _Keys) -> DataFrame:
    """The rows of all ids whose customer is that of one of the keys."""
    customers = _kept(known.transform(_beside, keys, "key").select(F.col("customer").alias("key")))
    return known.transform(_beside, customers, "customer")


def _anchors(graph: _Graph) -> DataFrame:
    """The anchors of the fresh links with those of the same customer. One that was capped stays so, and alone."""
    known = graph.known.where("is_anchor")
    named = _kept(graph.now.where("is_anchor"))
    capped = _kept(known.where("is_capped").transform(_beside, named, "key"))
    mine = _kept(named.frame.transform(_but, capped, "key"))
    return mine.frame.union(_of_customers(known, mine).select("key"))


def _seeds(graph: _Graph) -> _Keys:
    """The ids at which links between ids without an anchor came, went, or count again."""
    unowned = graph.seen.where(is_unowned(graph.seen))
    own = graph.now.where("NOT is_anchor").select("key")
    left = unowned.transform(_beside, _newly_met(graph), "other").select("key")
    changed = _kept(own.union(left))
    shared = _kept(graph.shared.transform(_beside, changed, "key"))
    around = materialized(unowned.transform(_beside, shared, "key"))
    strangers = without_met(around, _met_of(around, graph.seen))
    degrees = strangers.groupBy("key").agg(F.count_distinct("other").alias("n"))
    roomy = degrees.where(F.col("n") <= graph.rules.max_degree)
    loosened = strangers.join(roomy.select("key"), on="key", how="left_semi").select(F.col("other").alias("key"))
    return _kept(changed.frame.union(loosened))


def _newly_met(graph: _Graph) -> _Keys:
    """The ids that the fresh links show with their first anchors."""
    met = graph.now.where(is_met(graph.now)).select("key", "other").distinct()
    keys, seen = _kept(met), graph.seen
    before = seen.where(is_met(seen)).transform(_beside, keys, "key").join(met, on=["key", "other"], how="left_anti")
    return _kept(keys.frame.join(before.select("key"), on="key", how="left_anti"))


def _met_of(unowned: DataFrame, seen: DataFrame) -> DataFrame:
    """Of the ids at either end of these sides, those that were seen with an anchor."""
    ends = _kept(unowned.select(F.explode(F.array("key", "other")).alias("key")))
    return seen.where(is_met(seen)).transform(_beside, ends, "key").select("key").distinct()


def _unowned_groups(seeds: _Keys, graph: _Graph) -> DataFrame:
    """The seeds with all members of their groups, as far as these have no anchor."""
    members = _of_customers(graph.known, seeds)
    owned = members.where("is_anchor").select("customer").distinct()
    return seeds.frame.union(members.join(owned, on="customer", how="left_anti").select("key"))


def _still_shared(suspects: _Keys, anchors: _Keys, graph: _Graph) -> DataFrame:
    """The shared ids that more than ``max_people`` customers outside of ``anchors`` were seen with: they remain so."""
    seen = graph.seen
    shared = _kept(graph.shared.transform(_beside, suspects, "key"))
    met = materialized(seen.where(is_met(seen)).transform(_beside, shared, "key").transform(_but, anchors, "other"))
    others = _kept(met.select(F.col("other").alias("key")))
    customers = graph.known.transform(_beside, others, "key").select(F.col("key").alias("other"), "customer")
    people = met.select("key", "other").join(customers, on="other", how="inner")
    counted_people = people.groupBy("key").agg(F.count_distinct("customer").alias("n"))
    return counted_people.where(F.col("n") > graph.rules.max_people).select("key")


def _region(keys: _Keys, graph: _Graph) -> DataFrame:
    inside = materialized(graph.seen.transform(_beside, keys, "key"))
    parts = (_of_other_persons(keys, inside, graph), _of_neighbours(keys, inside, graph), _of_capped(graph))
    around = inside
    for part in parts:
        around = around.unionByName(part)
    return around


def _of_other_persons(keys: _Keys, inside: DataFrame, graph: _Graph) -> DataFrame:
    """All links of the unchanged persons that an affected id was seen with, for their merges and their first dates.

    A capped anchor is alone, and stays so, with no more links than those inside.
    """
    known = graph.known.where("is_anchor AND NOT is_capped")
    met = _kept(inside.where(is_met(inside)).transform(_but, keys, "other").select(F.col("other").alias("key")))
    return graph.seen.transform(_beside, _kept(_of_customers(known, met)), "key")


def _of_neighbours(keys: _Keys, inside: DataFrame, graph: _Graph) -> DataFrame:
    """What shows of an unaffected neighbour that it was seen with an anchor, or is crowded: their links do not count.

    For the first a single link will do; the second keeps all its links to ids that are no anchors.
    """
    seen = graph.seen
    unowned = seen.where(is_unowned(seen))
    neighbours = _kept(
        inside.where(is_unowned(inside)).transform(_but, keys, "other").select(F.col("other").alias("key"))
    )
    met = seen.where(is_met(seen)).transform(_beside, neighbours, "key")
    proof = materialized(met.groupBy("key").agg(F.min(F.struct(*met.columns)).alias("side")).select("side.*"))
    shared = graph.shared.transform(_beside, neighbours, "key")
    strangers = _kept(shared.join(proof.select("key"), on="key", how="left_anti"))
    return proof.unionByName(unowned.transform(_beside, strangers, "key"))


def _of_capped(graph: _Graph) -> DataFrame:
    """All merges of capped anchors, if a fresh one concerns any: else none, and each is alone as it should be.

    Whom they were merged with is not written anywhere, as they are alone; that they are many shows in their links.
    """
    is_merge = "is_anchor AND is_other_anchor"
    capped = _kept(graph.known.where("is_capped").select("key"))
    merges = graph.seen.where(is_merge).transform(_beside, capped, "key")
    now = graph.now.where(is_merge).transform(_beside, capped, "key")
    is_concerned = now.agg((F.count("*") > 0).alias("is_concerned"))
    return merges.crossJoin(F.broadcast(is_concerned)).where("is_concerned").drop("is_concerned")
