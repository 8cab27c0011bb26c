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
    table = _lasting(world)
    changing = {
        "price": decimals(world.pence(world.item, day)),
        "stock": pa.array(world.stock(day).astype(np.int32)),
        "status": text.words(STATUSES, world.status(day)),
    }
    for column, values in changing.items():
        table = table.append_column(column, values)
    name = world.config.start_date + timedelta(days=day)
    return File(f"catalogue/catalogue-{name}.parquet", table.take(pa.array(listed)), listed)


@lru_cache(maxsize=2)
def _lasting(world: World) -> pa.Table:
    """What of the catalogue does not change."""
    texts = dict(zip(("category_1", "category_2", "category_3"), world.categories(), strict=True))
    texts = {"name": world.names(), "description": world.descriptions(), **texts, "brand": world.brands()}
    told = {name: pa.array(values, pa.string()).dictionary_encode() for name, values in texts.items()}
    return pa.table({"item": item_ids(world), **told})
