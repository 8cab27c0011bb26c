"""Who is who after new links: only what they can change is resolved again.

Links are only ever added: where some were removed, or the rules were changed, ``resolved`` takes all links anew.
"""

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from affinity.algorithms.identities import IdentityRules, is_met, is_unowned, resolved, sides, without_met
from affinity.algorithms.materialize import materialized

_FEW_KEYS = 100_000  # some ten megabytes on each executor


@dataclass(frozen=True)
class _Keys:
    """Distinct keys as they are now: Spark would take them to be as many as what they were sifted from."""

    frame: DataFrame
    are_few: bool

    def named(self, name: str) -> DataFrame:
        """The keys under a name, for the right side of a join: few are sent to every task, and no link is shuffled."""
        keys = self.frame.select(F.col("key").alias(name))
        return F.broadcast(keys) if self.are_few else keys


def updated(fresh: DataFrame, links: DataFrame, identities: DataFrame, rules: IdentityRules) -> DataFrame:
    """List the rows of ``resolved(links)`` that are new, or differ from the current ones, when ``fresh`` links arrived.

    Columns in: ``fresh`` and ``links`` (all known ones, the fresh among them) as in ``resolved``; ``identities`` the
    current rows, as ``resolved`` gave them for the links before, by the same rules. Columns out: those of ``resolved``.
    Joins read the whole frames, some twenty times; what iterates does so on the region alone. Runs jobs at once, and
    keeps what they find (``materialized``): a plan of so many joins would be worked off in each of its uses.
    """
    keys = _affected(fresh, links, identities, rules)
    around = materialized(_region(keys, fresh, links, identities, rules))
    again = resolved(around, rules).transform(_beside, keys, "subject_key")
    known = identities.select(*again.columns).transform(_beside, keys, "subject_key")
    return again.exceptAll(known)


def region(fresh: DataFrame, links: DataFrame, identities: DataFrame, rules: IdentityRules) -> DataFrame:
    """Select the links that must be looked at again when ``fresh`` ones arrived.

    Columns in: those of ``updated``. Columns out: those of ``links``, each pair once, with its first date. For the ids
    whose row may change, and in general for no others, ``resolved`` gives of these links what it gives of all.
    """
    return _region(_affected(fresh, links, identities, rules), fresh, links, identities, rules)


def _affected(fresh: DataFrame, links: DataFrame, identities: DataFrame, rules: IdentityRules) -> _Keys:
    """The ids whose row may change when ``fresh`` links arrived.

    These are (1) the persons of the anchors in ``fresh``; (2) every other id in ``fresh``, and the members of its
    group, where that has no anchor; the neighbours of one that now met its first anchor, for their links to it are
    cut, and the neighbours of one that was crowded and thereby no longer is; (3) whoever was seen with an anchor of
    (1). An id that is shared by enough persons beside those of (1) stays so: a till's card is not looked at each day.
    """
    seen, now = sides(links, rules), sides(fresh, rules)
    anchors = _kept(_anchors(now, identities, rules))
    others = _unowned_groups(_seeds(now, seen, identities, rules), identities, rules)
    met = seen.where(is_met(seen)).transform(_beside, anchors, "other").select("key")
    suspects = _kept(others.union(met))
    settled = _still_shared(suspects, anchors, seen, identities, rules)
    return _kept(anchors.frame.union(suspects.frame.join(settled, on="key", how="left_anti")))


def _beside(frame: DataFrame, keys: _Keys, name: str) -> DataFrame:
    """The rows whose column ``name`` is among the keys."""
    return frame.join(keys.named(name), on=name, how="left_semi")


def _but(frame: DataFrame, keys: _Keys, name: str) -> DataFrame:
    """The rows whose column ``name`` is not among the keys."""
    return frame.join(keys.named(name), on=name, how="left_anti")


def _kept(keys: DataFrame) -> _Keys:
    kept = materialized(keys.select("key").distinct())
    return _Keys(kept, kept.count() <= _FEW_KEYS)


def _shared(identities: DataFrame) -> DataFrame:
    return identities.where("is_shared").select(F.col("subject_key").alias("key"))


def _known(identities: DataFrame, rules: IdentityRules) -> DataFrame:
    is_anchor = F.col("subject_kind").isin(*rules.anchor_kinds)
    return identities.select(
        F.col("subject_key").alias("key"), is_anchor.alias("is_anchor"), "customer_id", "is_shared", "is_capped"
    )


def _of_customers(known: DataFrame, keys: _Keys) -> DataFrame:
    """The rows of all ids whose customer is that of one of the keys."""
    customers = _kept(known.transform(_beside, keys, "key").select(F.col("customer_id").alias("key")))
    return known.transform(_beside, customers, "customer_id")


def _anchors(now: DataFrame, identities: DataFrame, rules: IdentityRules) -> DataFrame:
    """The anchors of the fresh links with those of the same customer. One that was capped stays so, and alone."""
    known = _known(identities, rules).where("is_anchor")
    named = _kept(now.where("is_anchor"))
    capped = _kept(known.where("is_capped").transform(_beside, named, "key"))
    mine = _kept(named.frame.transform(_but, capped, "key"))
    return mine.frame.union(_of_customers(known, mine).select("key"))


def _seeds(now: DataFrame, seen: DataFrame, identities: DataFrame, rules: IdentityRules) -> _Keys:
    """The ids at which links between ids without an anchor came, went, or count again."""
    unowned = seen.where(is_unowned(seen))
    own = now.where("NOT is_anchor").select("key")
    left = unowned.transform(_beside, _newly_met(now, seen), "other").select("key")
    changed = _kept(own.union(left))
    shared = _kept(_shared(identities).transform(_beside, changed, "key"))
    around = materialized(unowned.transform(_beside, shared, "key"))
    strangers = without_met(around, _met_of(around, seen))
    roomy = strangers.groupBy("key").agg(F.count_distinct("other").alias("n")).where(F.col("n") <= rules.max_degree)
    loosened = strangers.join(roomy.select("key"), on="key", how="left_semi").select(F.col("other").alias("key"))
    return _kept(changed.frame.union(loosened))


def _newly_met(now: DataFrame, seen: DataFrame) -> _Keys:
    """The ids that the fresh links show with their first anchors."""
    met = now.where(is_met(now)).select("key", "other").distinct()
    keys = _kept(met)
    before = seen.where(is_met(seen)).transform(_beside, keys, "key").join(met, on=["key", "other"], how="left_anti")
    return _kept(keys.frame.join(before.select("key"), on="key", how="left_anti"))


def _met_of(unowned: DataFrame, seen: DataFrame) -> DataFrame:
    """Of the ids at either end of these sides, those that were seen with an anchor."""
    ends = _kept(unowned.select(F.explode(F.array("key", "other")).alias("key")))
    return seen.where(is_met(seen)).transform(_beside, ends, "key").select("key").distinct()


def _unowned_groups(seeds: _Keys, identities: DataFrame, rules: IdentityRules) -> DataFrame:
    """The seeds with all members of their groups, as far as these have no anchor."""
    members = _of_customers(_known(identities, rules), seeds)
    owned = members.where("is_anchor").select("customer_id").distinct()
    return seeds.frame.union(members.join(owned, on="customer_id", how="left_anti").select("key"))


def _still_shared(
    suspects: _Keys, anchors: _Keys, seen: DataFrame, identities: DataFrame, rules: IdentityRules
) -> DataFrame:
    """The shared ids that more than ``max_people`` customers outside of ``anchors`` were seen with: they remain so."""
    shared = _kept(_shared(identities).transform(_beside, suspects, "key"))
    met = materialized(seen.where(is_met(seen)).transform(_beside, shared, "key").transform(_but, anchors, "other"))
    others = _kept(met.select(F.col("other").alias("key")))
    customers = _known(identities, rules).transform(_beside, others, "key").withColumnRenamed("key", "other")
    people = met.select("key", "other").join(customers.select("other", "customer_id"), on="other", how="inner")
    counted = people.groupBy("key").agg(F.count_distinct("customer_id").alias("n"))
    return counted.where(F.col("n") > rules.max_people).select("key")


def _region(keys: _Keys, fresh: DataFrame, links: DataFrame, identities: DataFrame, rules: IdentityRules) -> DataFrame:
    seen = sides(links, rules)
    inside = materialized(seen.transform(_beside, keys, "key"))
    parts = (
        _of_other_persons(keys, inside, seen, identities, rules),
        _of_neighbours(keys, inside, seen, identities),
        _of_capped(fresh, seen, identities, rules),
    )
    around = inside
    for part in parts:
        around = around.unionByName(part)
    return _as_links(around)


def _of_other_persons(
    keys: _Keys, inside: DataFrame, seen: DataFrame, identities: DataFrame, rules: IdentityRules
) -> DataFrame:
    """All links of the unchanged persons that an affected id was seen with, for their merges and their first dates.

    A capped anchor is alone, and stays so, with no more links than those inside.
    """
    known = _known(identities, rules).where("is_anchor AND NOT is_capped")
    met = _kept(inside.where(is_met(inside)).transform(_but, keys, "other").select(F.col("other").alias("key")))
    return seen.transform(_beside, _kept(_of_customers(known, met)), "key")


def _of_neighbours(keys: _Keys, inside: DataFrame, seen: DataFrame, identities: DataFrame) -> DataFrame:
    """What shows of an unaffected neighbour that it was seen with an anchor, or is crowded: their links do not count.

    For the first a single link will do; the second keeps all its links to ids that are no anchors.
    """
    unowned = seen.where(is_unowned(seen))
    neighbours = _kept(
        inside.where(is_unowned(inside)).transform(_but, keys, "other").select(F.col("other").alias("key"))
    )
    met = seen.where(is_met(seen)).transform(_beside, neighbours, "key")
    proof = materialized(met.groupBy("key").agg(F.min(F.struct(*met.columns)).alias("side")).select("side.*"))
    shared = _shared(identities).transform(_beside, neighbours, "key")
    strangers = _kept(shared.join(proof.select("key"), on="key", how="left_anti"))
    return proof.unionByName(unowned.transform(_beside, strangers, "key"))


def _of_capped(fresh: DataFrame, seen: DataFrame, identities: DataFrame, rules: IdentityRules) -> DataFrame:
    """All merges of capped anchors, if a fresh one concerns any: else none, and each is alone as it should be.

    Whom they were merged with is not written anywhere, as they are alone; that they are many shows in their links.
    """
    capped = _kept(identities.where("is_capped").select(F.col("subject_key").alias("key")))
    merges = seen.where("is_anchor AND is_other_anchor").transform(_beside, capped, "key")
    now = sides(fresh, rules).where("is_anchor AND is_other_anchor").transform(_beside, capped, "key")
    is_concerned = now.agg((F.count("*") > 0).alias("is_concerned"))
    return merges.crossJoin(F.broadcast(is_concerned)).where("is_concerned").drop("is_concerned")


def _as_links(around: DataFrame) -> DataFrame:
    """Sides to links: each pair once, the smaller key first."""
    one, other = (
        F.struct(*names)
        for names in (("key", "kind"), (F.col("other").alias("key"), F.col("other_kind").alias("kind")))
    )
    pairs = around.groupBy(F.least(one, other).alias("one"), F.greatest(one, other).alias("two"))
    return pairs.agg(F.min("first_date").alias("first_date")).select(
        F.col("one.key").alias("subject_key"),
        F.col("one.kind").alias("subject_kind"),
        F.col("two.key").alias("other_key"),
        F.col("two.kind").alias("other_kind"),
        "first_date",
    )
