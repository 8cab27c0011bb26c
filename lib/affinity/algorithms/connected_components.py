"""Connected components: which nodes hang together, by way of any number of edges."""

from itertools import count

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from affinity.algorithms.materialize import materialized
from affinity.core.errors import AffinityError


def connected_components(edges: DataFrame, *, max_iter: int = 50) -> DataFrame:
    """Tell for each node the component it is in, named for its smallest node.

    Columns in: a, b string, neither null, in any direction, any number of times; a row with a = b tells of a node.
    Columns out: node, component string; one row per node. Rounds grow with the logarithm of the longest path: a dozen
    for a path of 1,000 nodes. Each round runs two jobs, and keeps its edges (``materialized``).

    Raises:
        AffinityError: after ``max_iter`` rounds some tree was still deeper than one edge.

    Source: large-star and small-star by turns, Kiveris et al. (2014), Connected Components in MapReduce and Beyond.
    """
    stars = _stars(materialized(_downhill(edges)), max_iter)
    nodes = edges.select(F.explode(F.array("a", "b")).alias("node")).distinct()
    named = nodes.join(stars, on="node", how="left")
    return named.select("node", F.coalesce("parent", "node").alias("component"))


def _downhill(edges: DataFrame) -> DataFrame:
    """Each edge once, from its greater end (node) to its smaller (parent); loops are left out."""
    ends = edges.where(F.col("a") != F.col("b"))
    return ends.select(F.greatest("a", "b").alias("node"), F.least("a", "b").alias("parent")).distinct()


def _stars(forest: DataFrame, max_iter: int) -> DataFrame:
    """Turn edges into stars, one per component, whose centre is the smallest node."""
    for n_rounds in count():
        n_open = _n_open(forest)
        if n_open == 0:
            return forest
        if n_rounds >= max_iter:
            break
        forest = materialized(forest.transform(_large_star).transform(_small_star))
    raise AffinityError(
        f"Connected components: expected stars after max_iter = {max_iter} rounds, got {n_open} nodes that still have "
        "two parents or a parent and children; give more rounds."
    )


def _n_open(forest: DataFrame) -> int:
    """How many nodes have a parent and another edge: at zero all is stars, and both steps would change nothing."""
    as_child = F.struct(F.col("node"), F.lit(1).alias("is_child"))
    as_parent = F.struct(F.col("parent").alias("node"), F.lit(0).alias("is_child"))
    ends = forest.select(F.inline(F.array(as_child, as_parent)))
    degrees = ends.groupBy("node").agg(F.sum("is_child").alias("n_parents"), F.count("*").alias("n_edges"))
    return degrees.where((F.col("n_parents") > 0) & (F.col("n_edges") > 1)).count()


def _large_star(forest: DataFrame) -> DataFrame:
    """Hang each greater neighbour of a node from the smallest of the node and all its neighbours."""
    there = F.struct(F.col("node"), F.col("parent").alias("other"))
    back = F.struct(F.col("parent").alias("node"), F.col("node").alias("other"))
    both = forest.select(F.inline(F.array(there, back)))
    smallest = both.select("node", "other", F.least("node", _smallest("other")).alias("parent"))
    return smallest.where("other > node").select(F.col("other").alias("node"), "parent")


def _small_star(forest: DataFrame) -> DataFrame:
    """Hang each node and its smaller neighbours from the smallest of them."""
    smallest = forest.select("node", "parent", _smallest("parent").alias("least"))
    own = F.struct(F.col("node"), F.col("least").alias("parent"))
    neighbour = F.struct(F.col("parent").alias("node"), F.col("least").alias("parent"))
    return smallest.select(F.inline(F.array(own, neighbour))).where("node > parent").distinct()


def _smallest(name: str) -> Column:
    everything = Window.partitionBy("node").rowsBetween(Window.unboundedPreceding, Window.unboundedFollowing)
    return F.min(name).over(everything)
