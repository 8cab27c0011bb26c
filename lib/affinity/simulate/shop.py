"""The shop on Spark: blocks of customers live their days, then every day is written by one task.

Neither the driver nor any worker ever holds more than one block of customers or some days of events. Spark's RDDs and
not its frames: what goes from task to task are bytes, and a plan of columns would only cost time.
"""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyspark import RDD, SparkContext
from pyspark.sql import SparkSession

from affinity.simulate import blocks
from affinity.simulate.behaviour import live
from affinity.simulate.blocks import joined, main_cut, main_horizon, sessions_of
from affinity.simulate.ceilings import Ceiling, propensity, rules, segments, tastes
from affinity.simulate.days import Day
from affinity.simulate.draws import Draws
from affinity.simulate.place import COUNTS, Shop
from affinity.simulate.sessions import Rows, orders_once, rows
from affinity.simulate.truth.shop import complement_table, item_table, parameter_table, trap_table
from affinity.simulate.world import world_of

_CEILINGS = pa.schema(
    {
        "as_of": pa.date32(),
        "task": pa.string(),
        "as_of_day": pa.int64(),
        "horizon": pa.int64(),
        "population": pa.string(),
        "metric": pa.string(),
        "expected": pa.float64(),
        "realised": pa.float64(),
        "baseline": pa.float64(),
        "baseline_name": pa.string(),
        "n": pa.int64(),
    }
)
_COUNTED = ("n_events", "n_lines", "n_files", "n_bytes")
_MAX_DAYS_PER_TASK, _LEAST_TASKS = 4, 40
_CUSTOMERS_PER_TASTE_TASK = 1_000
_FILES_PER_SUM = 32


@dataclass(frozen=True)
class Written:
    """What a run wrote: true events, lines of event files (copies included), files, bytes; and the ceilings."""

    n_events: int
    n_lines: int
    n_files: int
    n_bytes: int
    ceilings: tuple[Ceiling, ...]


def simulate(spark: SparkSession, shop: Shop) -> Written:
    """Write the landing area and the truth area of a shop for its days.

    What lies there afterwards depends on the settings and the days alone, not on partitions, cores or workers; all
    workers must see the folder, and ``place.placed`` said that it may be written to. The ceilings of rules and
    recommendations need all days from the first on and are left out otherwise.
    """
    shop.make_room()
    context = spark.sparkContext
    counted = _written(_lived(context, shop), shop)
    snapshots = _snapshots(shop)
    counted |= {"n_files": counted["n_files"] + len(snapshots), "n_bytes": counted["n_bytes"] + sum(snapshots)}
    found = tuple(_ceilings(context, shop))
    _tell(shop, found)
    shop.as_delta()
    return Written(**counted, ceilings=found)


def n_tasks(shop: Shop) -> int:
    """Tasks of the two great stages, for a progress bar."""
    return _n_blocks(shop) + _n_day_tasks(shop)


def _n_blocks(shop: Shop) -> int:
    return -(-shop.config.customers // blocks.SIZE)


def _days_per_task(shop: Shop) -> int:
    return max(1, min(_MAX_DAYS_PER_TASK, (shop.end - shop.first) // _LEAST_TASKS))


def _n_day_tasks(shop: Shop) -> int:
    return -(-(shop.end - shop.first) // _days_per_task(shop))


def _lived(context: SparkContext, shop: Shop) -> "RDD[tuple[int, bytes]]":
    """Sessions by day of arrival, packed; the truth about customers is written on the way."""

    def live_block(block: int) -> Iterator[tuple[int, bytes]]:
        return _packed(sessions_of(shop, block))

    first, per_task = shop.first, _days_per_task(shop)
    numbers = context.parallelize(range(_n_blocks(shop)), _n_blocks(shop))
    return numbers.flatMap(live_block).partitionBy(_n_day_tasks(shop), lambda day: (day - first) // per_task)


def _packed(made: Rows) -> Iterator[tuple[int, bytes]]:
    """Through Spark's shuffle go some bytes per day and block, not millions of rows."""
    ordered = made.take(np.argsort(made.arrival, kind="stable"))
    content, size = ordered.packed(), Rows.packed_size()
    days, starts = np.unique(ordered.arrival, return_index=True)
    for day, start, end in zip(days.tolist(), starts, np.append(starts, len(ordered))[1:], strict=True):
        yield day, content[start * size : end * size]


def _written(sessions: "RDD[tuple[int, bytes]]", shop: Shop) -> dict[str, int]:
    """Write every day, also one on which nobody came."""
    per_task = _days_per_task(shop)

    def write_days(task: int, arrived: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, ...]]:
        parts: dict[int, list[bytes]] = {}
        for number, content in arrived:
            parts.setdefault(number, []).append(content)
        first = shop.first + task * per_task
        for number in range(first, min(first + per_task, shop.end)):
            day = Day(shop, number)
            day.write(_in_order(Rows.unpacked(b"".join(parts.pop(number, [])))))
            yield tuple(getattr(day, name) for name in _COUNTED)

    counted = sessions.mapPartitionsWithIndex(write_days).collect()
    return {name: sum(day[place] for day in counted) for place, name in enumerate(_COUNTED)}


def _snapshots(shop: Shop) -> list[int]:
    """Bytes of each file of the CRM's snapshots, which the blocks of customers wrote."""
    parts = (shop.truth / "deliveries").glob(f"{blocks.deliveries_part(shop, '*')}.parquet")
    return [n_bytes for part in parts for n_bytes in pq.ParquetFile(part).read(["n_bytes"])["n_bytes"].to_pylist()]


def _in_order(arrived: Rows) -> Rows:
    """The sessions of a day in their own order, whatever the order in which they come."""
    keys = (arrived.delivery, arrived.when, arrived.feed, arrived.deed, arrived.day, arrived.customer)
    return arrived.take(np.lexsort(keys))


def _ceilings(context: SparkContext, shop: Shop) -> Iterator[Ceiling]:
    yield from propensity.ceilings(_summed(context, shop, "propensity", ("score", "horizon", "as_of_day", "bin")))
    pairs = _summed(context, shop, "rules", ("kind", "a", "c"))
    shop.keep("complements", "all", complement_table(world_of(shop.config), pairs))
    shop.keep("traps", "all", trap_table(world_of(shop.config), pairs))
    if shop.begin == 0:
        yield from rules.ceilings(pairs, shop.end)
    if (day := main_cut(shop)) is not None:
        labels = _summed(context, shop, "segments", ("kind", "draw", "label", "archetype"))
        yield segments.ceiling(labels, day)
        if shop.begin == 0:
            yield _taste_ceiling(context, shop, day)


def _summed(
    context: SparkContext, shop: Shop, table: str, keys: tuple[str, ...], before: int | None = None
) -> pa.Table:
    """Counts of all parts, summed on the workers in the order of the parts: what comes here is as small as its keys.

    Of counts by day those ``before`` a day are summed over the days.
    """
    paths = sorted(str(path) for path in (shop.truth / COUNTS / table).glob("*.parquet"))

    def sum_parts(some: Iterable[str]) -> Iterator[pa.Table]:
        read = (pq.ParquetFile(path).read() for path in some)
        parts = (part if before is None else part.filter(pc.field("day") < before).drop(["day"]) for part in read)
        yield reduce(lambda total, part: _sum(pa.concat_tables([total, part]), keys), parts)

    n_slices = -(-len(paths) // _FILES_PER_SUM)
    sums = context.parallelize(paths, n_slices).mapPartitions(sum_parts).collect()
    return _sum(pa.concat_tables(sums), keys)


def _sum(counted: pa.Table, keys: tuple[str, ...]) -> pa.Table:
    values = [name for name in counted.column_names if name not in keys]
    summed = counted.group_by(list(keys)).aggregate([(name, "sum") for name in values])
    ordered = summed.select([*keys, *(f"{name}_sum" for name in values)]).rename_columns([*keys, *values])
    return ordered.sort_by([(key, "ascending") for key in keys])


def _taste_ceiling(context: SparkContext, shop: Shop, day: int) -> Ceiling:
    horizon = main_horizon(shop)
    assert horizon is not None
    window = (day, day + horizon)
    # By falling purchases; ties by item.
    bought = _summed(context, shop, "items", ("item",), before=day).sort_by(
        [("n", "descending"), ("item", "ascending")]
    )
    popular = bought["item"].to_numpy()[: tastes.N_POPULAR]
    share = min(1.0, tastes.N_TASTED / shop.config.customers)
    n_tasks = -(-int(share * shop.config.customers) // _CUSTOMERS_PER_TASTE_TASK)

    def judge(task: int) -> tuple[int, list[float]]:
        start, end = (shop.config.customers * t // n_tasks for t in (task, task + 1))
        numbers = np.arange(start, end)
        who = joined(shop, numbers[Draws(shop.config.seed).uniform("taste sample", numbers) < share], day)
        orders = orders_once(rows(who, live(who, window[1])))
        found = tastes.relevant_items(world_of(shop.config), who, orders, window, popular)
        shop.keep("relevant_items", f"customers-{task:05d}", found)
        return len(found), [float(found[name].to_numpy().sum()) for name in tastes.RANKINGS]

    judged = context.parallelize(range(n_tasks), n_tasks).map(judge).collect()
    n = sum(count for count, _ in judged)
    oracle, redraw, popularity = (sum(sums[place] for _, sums in judged) / n if n else None for place in range(3))
    return Ceiling(
        task="recommendations",
        as_of_day=day,
        horizon=horizon,
        population="bought something new",
        metric=f"ndcg_at_{tastes.TOP_K}",
        expected=redraw,
        realised=oracle,
        baseline=popularity,
        baseline_name="most bought items",
        n=n,
    )


def _tell(shop: Shop, found: tuple[Ceiling, ...]) -> None:
    """Write the tables about the shop as a whole."""
    shop.keep("parameters", "all", parameter_table(shop))
    shop.keep("items", "all", item_table(world_of(shop.config)))
    start = shop.config.start_date
    told = [{"as_of": start + timedelta(days=row.as_of_day), **asdict(row)} for row in found]
    shop.keep("ceilings", "all", pa.Table.from_pylist(told, schema=_CEILINGS))
