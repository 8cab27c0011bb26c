"""The shop on Spark: blocks of customers live their days, then every day is written by one task.

Neither the driver nor any worker ever holds more than one block of customers or one day of events.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import timedelta

import numpy as np
import pyarrow as pa
from pyspark import TaskContext
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from affinity.simulate import blocks, place
from affinity.simulate.behaviour import live
from affinity.simulate.blocks import joined, main_cut, main_horizon, sessions_of
from affinity.simulate.ceilings import Ceiling, propensity, rules, segments, tastes
from affinity.simulate.days import Day
from affinity.simulate.draws import Draws, Ints
from affinity.simulate.place import COUNTS, Shop
from affinity.simulate.sessions import Rows, orders_once, rows
from affinity.simulate.truth.shop import complement_table, item_table, parameter_table, trap_table
from affinity.simulate.world import world_of

Batches = Iterator[pa.RecordBatch]
_NAMES = [field.name for field in fields(Rows)]
_ROWS = pa.schema([(name, pa.int64()) for name in _NAMES])
_COUNTED = ("n_events", "n_lines", "n_files", "n_bytes")
_MAX_ROWS = 50_000
_CUSTOMERS_PER_TASTE_TASK = 2_500


@dataclass(frozen=True)
class Written:
    """What a run wrote: true events, lines of event files (copies included), files, bytes; and the ceilings."""

    n_events: int
    n_lines: int
    n_files: int
    n_bytes: int
    ceilings: tuple[Ceiling, ...]


def simulate(spark: SparkSession, shop: Shop, *, add: bool = False) -> Written:
    """Write the landing area and the truth area of a shop for its days.

    What lies there afterwards depends on the settings and the days alone, not on partitions, cores or workers; all
    workers must see the folder. The ceilings of rules and recommendations need all days from the first on and are left
    out otherwise.

    Raises:
        BadInput: the folder holds something, or the days lie outside the span; nothing was written.
    """
    place.check(shop, add=add)
    shop.make_room()
    spark.sparkContext.setJobDescription("days of the shop")
    counted = _written(_lived(spark, shop), shop)
    spark.sparkContext.setJobDescription("ceilings")
    found = tuple(_ceilings(spark, shop))
    _tell(shop, found)
    shop.as_delta()
    return Written(**counted, ceilings=found)


def n_tasks(shop: Shop) -> int:
    """Tasks of the two great stages, for a progress bar."""
    return _n_blocks(shop) + shop.end - shop.first


def _n_blocks(shop: Shop) -> int:
    return -(-shop.config.customers // blocks.SIZE)


def _lived(spark: SparkSession, shop: Shop) -> DataFrame:
    """Sessions that arrive on the days, one partition per day; the truth about customers is written on the way."""

    def live_blocks(batches: Batches) -> Batches:
        for batch in batches:
            for block in batch.column(0).to_pylist():
                made = sessions_of(shop, block)
                table = pa.table({name: getattr(made, name) for name in _NAMES}, schema=_ROWS)
                yield from table.to_batches(max_chunksize=_MAX_ROWS)

    numbers = spark.range(0, _n_blocks(shop), 1, numPartitions=_n_blocks(shop))
    sessions = numbers.mapInArrow(live_blocks, ", ".join(f"{name} bigint" for name in _NAMES))
    return sessions.repartitionById(shop.end - shop.first, (F.col("arrival") - shop.first).cast("int"))


def _written(sessions: DataFrame, shop: Shop) -> dict[str, int]:
    """Write every day in a task of its own; a partition is a day, also where nobody came."""

    def write_day(batches: Batches) -> Batches:
        context = TaskContext.get()
        assert context is not None
        day = Day(shop, shop.first + context.partitionId())
        day.write(_in_order(pa.Table.from_batches(batches, schema=_ROWS)))
        yield pa.RecordBatch.from_pylist([{name: getattr(day, name) for name in _COUNTED}])

    days = sessions.mapInArrow(write_day, ", ".join(f"{name} bigint" for name in _COUNTED))
    sums = [F.coalesce(F.sum(name), F.lit(0)).alias(name) for name in _COUNTED]
    total = days.agg(F.count("*").alias("n_days"), *sums).first()
    assert total is not None
    if total["n_days"] != shop.end - shop.first:
        raise RuntimeError(f"{total['n_days']} days were written of {shop.end - shop.first}: a partition is no day")
    return {name: total[name] for name in _COUNTED}


def _in_order(table: pa.Table) -> Rows:
    """The sessions of a day in their own order, whatever the order in which they come."""
    columns = {name: table[name].to_numpy() for name in _NAMES}
    order = np.lexsort([columns[name] for name in ("delivery", "when", "feed", "deed", "day", "customer")])
    return Rows(**{name: values[order] for name, values in columns.items()})


def _ceilings(spark: SparkSession, shop: Shop) -> Iterator[Ceiling]:
    counted = shop.truth / COUNTS
    chances = _summed(spark, str(counted / "propensity"), ("score", "horizon", "as_of_day", "bin"))
    yield from propensity.ceilings(chances)
    pairs = _summed(spark, str(counted / "rules"), ("kind", "a", "c"))
    shop.keep("complements", "all", complement_table(world_of(shop.config), pairs))
    shop.keep("traps", "all", trap_table(world_of(shop.config), pairs))
    if shop.first == 0:
        yield from rules.ceilings(pairs, shop.end)
    if (day := main_cut(shop)) is not None:
        labels = _summed(spark, str(counted / "segments"), ("kind", "draw", "label", "archetype"))
        yield segments.ceiling(labels, day)
        if shop.first == 0:
            yield _taste_ceiling(spark, shop, day)


def _summed(spark: SparkSession, folder: str, keys: tuple[str, ...]) -> pa.Table:
    """Counts of all parts summed by Spark: what is left is as small as its keys."""
    parts = spark.read.parquet(folder)
    sums = [F.sum(name).alias(name) for name in parts.columns if name not in keys]
    return parts.groupBy(*keys).agg(*sums).orderBy(*keys).toArrow()


def _taste_ceiling(spark: SparkSession, shop: Shop, day: int) -> Ceiling:
    horizon = main_horizon(shop)
    assert horizon is not None
    popular = _popular(spark, shop, day)
    share = min(1.0, 2 * tastes.N_TASTED / shop.config.customers)

    def judge(batches: Batches) -> Batches:
        for batch in batches:
            numbers = batch.column(0).to_numpy()
            chosen = Draws(shop.config.seed).uniform("taste sample", numbers) < share
            who = joined(shop, numbers[chosen], day)
            orders = orders_once(rows(who, live(who, day + horizon)))
            window = (day, day + horizon)
            found = tastes.relevant_items(world_of(shop.config), who, orders, window, popular)
            shop.keep("relevant_items", f"customers-{numbers[0]:010d}", found)
            yield from found.select(list(tastes.RANKINGS)).to_batches()

    n_tasks = -(-int(share * shop.config.customers) // _CUSTOMERS_PER_TASTE_TASK)
    numbers = spark.range(0, shop.config.customers, 1, numPartitions=n_tasks)
    figures = numbers.mapInArrow(judge, ", ".join(f"{name} double" for name in tastes.RANKINGS))
    mean = figures.agg(F.count("*").alias("n"), *[F.avg(name).alias(name) for name in tastes.RANKINGS]).first()
    assert mean is not None
    return Ceiling(
        task="recommendations",
        as_of_day=day,
        horizon=horizon,
        population="bought something new",
        metric=f"ndcg_at_{tastes.TOP_K}",
        expected=mean["redraw"],
        realised=mean["oracle"],
        baseline=mean["popularity"],
        baseline_name="most bought items",
        n=mean["n"],
    )


def _popular(spark: SparkSession, shop: Shop, day: int) -> Ints:
    """Items by falling purchases before a day; ties by item."""
    start = shop.config.start_date + timedelta(days=day)
    happened = spark.read.parquet(str(shop.truth / "events"))
    bought = happened.where((F.col("type") == "purchase") & (F.col("true_ts") < F.lit(start)))
    ranked = bought.groupBy("item").count().orderBy(F.desc("count"), "item").select("item").toArrow()
    return np.array([int(item[1:]) for item in ranked["item"].to_pylist()], np.int64)


def _tell(shop: Shop, found: tuple[Ceiling, ...]) -> None:
    """Write the tables about the shop as a whole."""
    shop.keep("parameters", "all", parameter_table(shop))
    shop.keep("items", "all", item_table(world_of(shop.config)))
    start = shop.config.start_date
    told = [{"as_of": start + timedelta(days=row.as_of_day), **asdict(row)} for row in found]
    if told:
        shop.keep("ceilings", "all", pa.Table.from_pylist(told))
