"""Who is who: the ids that belong to one customer, from the pairs in which they were seen."""

from pydantic import Field
from pyspark.sql import Column, DataFrame, Window, WindowSpec
from pyspark.sql import functions as F

from affinity.algorithms.connected_components import connected_components
from affinity.algorithms.materialize import materialized
from affinity.core.settings import Settings
from affinity.privacy.columns import customer_id


class IdentityRules(Settings):
    """Which links are believed."""

    anchor_kinds: tuple[str, ...] = Field(
        default=("account", "customer"), min_length=1, description="Kinds of id that stand for one person"
    )
    max_people: int = Field(
        default=1, ge=1, description="Most persons an id is seen with; one seen with more is shared and belongs to none"
    )
    max_degree: int = Field(
        default=20, ge=1, description="Most ids without a person that such an id is seen with before it is shared"
    )
    max_anchors: int = Field(
        default=10, ge=1, description="Most accounts of one person; beyond it none of their merges is believed"
    )


def resolved(links: DataFrame, rules: IdentityRules) -> DataFrame:
    """Tell whose each id is. The answer follows from the set of links: not from their order, direction or repetition.

    Columns in: subject_key, subject_kind, other_key, other_kind string; first_date date; none null; one row per pair
    that was seen, equal keys of equal kinds. Columns out, one row per key: subject_key, subject_kind; subject_id, the
    customer that the id alone would be; customer_id; linked_date date, null where both are one; is_shared, is_capped
    boolean.

    - Anchors (ids of ``anchor_kinds``) that are linked are one person, unless they came to be more than
      ``max_anchors``: then each stays alone and is capped.
    - Any other id belongs to the person it was seen with. Seen with more than ``max_people`` it is shared and alone;
      seen with several, but not more, it belongs to the one it was seen with first (ties: the smaller anchor key).
    - Links between ids of which neither was ever seen with an anchor make persons of their own; an id with more than
      ``max_degree`` of such neighbours is shared and alone. All other links weld nobody.

    A customer bears the subject_id of its oldest anchor or, where it has none, of its oldest id: by the first date of
    any link, then by key. ``linked_date`` is the first day on which the links were seen that make an id the customer's:
    its own with that oldest id; with an anchor, and that one's with the oldest; or, where the way is longer, all links
    by which the customer's anchors, or ids without one, hang together. Who looks back to an earlier day must take the
    id for a customer of its own.

    Reads ``links`` some ten times. Runs the jobs of the connected components at once, and keeps what they found, who is
    crowded, and who hangs together, (``materialized``): each is used several times and dear to find again.
    """
    seen = _sides(links, rules)
    strangers = _strangers(seen)
    crowded = materialized(_crowded(strangers, rules))
    welding = seen.where("is_anchor AND is_other_anchor").unionByName(_without_met(strangers, crowded))
    core = materialized(_core(seen, welding, rules.max_anchors))
    placed = _ids(seen)
    for frame in (core, _owned(seen, core), crowded):
        placed = placed.join(frame, on="key", how="left")
    is_shared = F.coalesce(F.col("n_people") > rules.max_people, F.col("n_acquaintances").isNotNull(), F.lit(False))
    return placed.withColumn("is_shared", is_shared).transform(_named)


def naive(links: DataFrame, rules: IdentityRules) -> DataFrame:
    """Take every link for proof, as plain components do: what ``resolved`` is to be measured against.

    Columns in and out, and the choice of customer_id: those of ``resolved``; nothing is shared or capped.
    """
    seen = _sides(links, rules)
    placed = _ids(seen).join(_core(seen, seen, None), on="key", how="left")
    none = {"is_shared": F.lit(False), "owner": F.lit(None), "met_date": F.lit(None).cast("date")}
    return placed.withColumns(none).transform(_named)


def beside_naive(identities: DataFrame, links: DataFrame, rules: IdentityRules) -> DataFrame:
    """Whose each linked id is now, and whose it would be if every link were believed.

    Columns in: rows of silver.identity_changes that hold, silver.links. Columns out: subject_key (unique), customer_id,
    naive_customer_id.
    """
    believed = naive(links, rules).withColumnRenamed("customer_id", "naive_customer_id")
    current = identities.select("subject_key", "customer_id")
    return current.join(believed.select("subject_key", "naive_customer_id"), on="subject_key", how="left")


def _sides(links: DataFrame, rules: IdentityRules) -> DataFrame:
    """List every link from both of its ends.

    Columns in: those of ``resolved``. Columns out, two rows per row: key, kind, other, other_kind string, first_date
    date; is_anchor, is_other_anchor boolean.
    """
    there = _side("subject", "other")
    back = _side("other", "subject")
    both = links.select(F.inline(F.array(there, back)))
    is_anchor = {"is_anchor": _is_anchor("kind", rules), "is_other_anchor": _is_anchor("other_kind", rules)}
    return both.withColumns(is_anchor)


def _is_met(seen: DataFrame) -> Column:
    """Whether a side (of ``_sides``) is that of an id that is no anchor and was seen with one."""
    return ~seen["is_anchor"] & seen["is_other_anchor"]


def _is_unowned(seen: DataFrame) -> Column:
    """Whether neither end of a side (of ``_sides``) is an anchor, and they are two."""
    return ~seen["is_anchor"] & ~seen["is_other_anchor"] & (seen["key"] != seen["other"])


def _without_met(unowned: DataFrame, met: DataFrame) -> DataFrame:
    """Keep the sides of which neither end is among the keys of ``met``."""
    keys = met.select("key").distinct()
    kept = unowned.join(keys, on="key", how="left_anti")
    return kept.join(keys.withColumnRenamed("key", "other"), on="other", how="left_anti")


def _side(one: str, other: str) -> Column:
    return F.struct(
        F.col(f"{one}_key").alias("key"),
        F.col(f"{one}_kind").alias("kind"),
        F.col(f"{other}_key").alias("other"),
        F.col(f"{other}_kind").alias("other_kind"),
        "first_date",
    )


def _is_anchor(kind: str, rules: IdentityRules) -> Column:
    return F.col(kind).isin(*rules.anchor_kinds)


def _edges(seen: DataFrame) -> DataFrame:
    return seen.select(F.col("key").alias("a"), F.col("other").alias("b"))


def _strangers(seen: DataFrame) -> DataFrame:
    """The sides between ids of which neither was ever seen with an anchor."""
    return _without_met(seen.where(_is_unowned(seen)), seen.where(_is_met(seen)))


def _crowded(strangers: DataFrame, rules: IdentityRules) -> DataFrame:
    degrees = strangers.groupBy("key").agg(F.count_distinct("other").alias("n_acquaintances"))
    return degrees.where(F.col("n_acquaintances") > rules.max_degree)


def _ids(seen: DataFrame) -> DataFrame:
    """One row per id: key, kind, is_anchor, first_date."""
    return seen.groupBy("key").agg(
        F.min("kind").alias("kind"), F.bool_or("is_anchor").alias("is_anchor"), F.min("first_date").alias("first_date")
    )


def _core(seen: DataFrame, welding: DataFrame, max_anchors: int | None) -> DataFrame:
    """The ids that make customers: anchors, and what ``welding`` sides hang together.

    Columns out: key; person and oldest, of the group it is in, the key that names it and the oldest; joined_date, from
    which it is seen to hang together with the oldest, null for that; is_capped.
    """
    components = materialized(connected_components(_edges(welding)).withColumnRenamed("node", "key"))
    ids = _ids(seen).join(components, on="key", how="left").where("is_anchor OR component IS NOT NULL")
    component = F.coalesce("component", "key")
    n_anchors = F.count_if("is_anchor").over(_all_of("component"))
    sized = ids.withColumn("component", component)
    is_capped = F.lit(False) if max_anchors is None else n_anchors > max_anchors
    person = F.when(F.col("is_capped"), F.col("key")).otherwise(F.col("component"))
    oldest = F.min(F.struct(~F.col("is_anchor"), "first_date", "key")).over(_all_of("person"))["key"]
    grouped = sized.withColumn("is_capped", is_capped).withColumn("person", person).withColumn("oldest", oldest)
    pairs = welding.where("key != other").groupBy("key", "other").agg(F.min("first_date").alias("seen_date"))
    direct = F.min(F.when(F.col("other") == F.col("oldest"), F.col("seen_date")))
    ways = (
        pairs.join(grouped.where("NOT is_capped").select("key", "oldest"), on="key", how="inner")
        .groupBy("key")
        .agg(direct.alias("direct_date"), F.max("seen_date").alias("last_date"))
    )
    complete_date = F.max("last_date").over(_all_of("person"))
    joined = F.when(F.col("key") != F.col("oldest"), F.coalesce("direct_date", complete_date))
    found = grouped.join(ways, on="key", how="left").withColumn("joined_date", joined)
    return found.select("key", "person", "oldest", "joined_date", "is_capped")


def _owned(seen: DataFrame, core: DataFrame) -> DataFrame:
    """Ids that were seen with anchors: key, n_people, owner (oldest id of the person of the first), met_date."""
    anchors = core.select(F.col("key").alias("other"), "person", F.col("oldest").alias("owner"), "joined_date")
    met = seen.where(_is_met(seen)).join(anchors, on="other", how="inner")
    first = F.min(F.struct("first_date", "other", "person", "owner")).over(_all_of("key"))
    way = F.when(F.col("person") == F.col("first.person"), F.greatest("first_date", "joined_date"))
    owned = met.withColumn("first", first).withColumn("way_date", way)
    return owned.groupBy("key").agg(
        F.count_distinct("person").alias("n_people"),
        F.min("first.owner").alias("owner"),
        F.min("way_date").alias("met_date"),
    )


def _named(placed: DataFrame) -> DataFrame:
    """Give each id the customer of the oldest id of its group, itself where it is shared or in none."""
    customer = F.when(F.col("is_shared"), F.col("key")).otherwise(F.coalesce("oldest", "owner", "key"))
    since = F.when(F.col("key") != customer, F.coalesce("joined_date", "met_date"))
    return placed.select(
        F.col("key").alias("subject_key"),
        F.col("kind").alias("subject_kind"),
        customer_id(F.col("key")).alias("subject_id"),
        customer_id(customer).alias("customer_id"),
        since.alias("linked_date"),
        "is_shared",
        F.coalesce("is_capped", F.lit(False)).alias("is_capped"),
    )


def _all_of(name: str) -> WindowSpec:
    return Window.partitionBy(name).rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
