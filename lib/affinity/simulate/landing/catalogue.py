"""The catalogue: one Parquet file per day with all that is listed."""

from datetime import timedelta
from functools import lru_cache

import numpy as np
import pyarrow as pa

from affinity.simulate import text
from affinity.simulate.landing.batch import File, item_ids
from affinity.simulate.text import decimals
from affinity.simulate.world import STATUSES, World


def catalogue(world: World, day: int) -> File:
    """What the shop says of its items on a day."""
    listed = world.listed(day)
    table = _lasting(world, day // 7)
    changing = {
        "price": decimals(world.pence(world.item, day)[listed]),
        "stock": pa.array(world.stock(day)[listed].astype(np.int32)),
        "status": text.few(STATUSES, world.status(day)[listed]),
    }
    for column, values in changing.items():
        table = table.append_column(column, values)
    name = world.config.start_date + timedelta(days=day)
    return File(f"catalogue/catalogue-{name}.parquet", table, listed)


@lru_cache(maxsize=4)
def _lasting(world: World, week: int) -> pa.Table:
    """What does not change of the items that are listed in a week."""
    return _of_all(world).take(pa.array(world.listed(7 * week)))


@lru_cache(maxsize=2)
def _of_all(world: World) -> pa.Table:
    texts = dict(zip(("category_1", "category_2", "category_3"), world.categories(), strict=True))
    texts = {"name": world.names(), "description": world.descriptions(), **texts, "brand": world.brands()}
    told = {name: pa.array(values, pa.string()).dictionary_encode() for name, values in texts.items()}
    return pa.table({"item": item_ids(world), **told})
