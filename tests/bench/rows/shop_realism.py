"""The simulated shop next to real ones: baskets, items, gaps, repeats, hours, sessions; a table and docs' figure."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import numpy as np

from affinity.simulate import baskets
from affinity.simulate.draws import Ints
from affinity.simulate.events import HOUR_SHARES, Events, events
from affinity.simulate.params import ShopConfig
from affinity.simulate.sessions import Deed, Feed, rows
from affinity.simulate.world import world_of
from tests.bench.harness import Detail, Row, Sample, Variant, equal
from tests.bench.shop_figures import draw_planted, draw_realism
from tests.simulate.making import everybody

PROJECT = Path(__file__).resolve().parents[3]
DATA = Path(os.environ.get("AFFINITY_DATA", PROJECT.parent / "shared" / "data"))
FIGURE = PROJECT / "docs" / "img" / "shop-realism.png"
PLANTED = PROJECT / "docs" / "img" / "shop-planted.png"
_CONFIG = ShopConfig(customers=20_000, items=4_000, days=180)
Measures = dict[str, Ints]


@contextmanager
def row() -> Iterator[Row]:
    """One comparison; what each data set allows."""
    yield Row(
        name="shop_realism",
        doc="A shop of 20,000 customers, 4,000 items and 180 days without bots, beside Online Retail (273 days), "
        "Groceries (baskets only), CDNOW (546 days) and the head of REES46 (sessions only). Also writes "
        f"{FIGURE.relative_to(PROJECT)} and {PLANTED.relative_to(PROJECT)}.",
        variants=[Variant("compare", compare)],
        difference=equal,
        n_runs=1,
        n_warm_ups=0,
    )


def compare() -> Sample:
    """Measure every shop the same way; draw the figure."""
    shops = {"simulated": simulated(), "Online Retail": online_retail(), **others()}
    draw_realism({**shops}, FIGURE)
    draw_planted(_CONFIG, PLANTED)
    return Sample(None, [{"measure": name, **line} for name, line in table(shops).items()])


def simulated() -> Measures:
    """What a small shop's customers do, straight from the generator."""
    world = world_of(_CONFIG)
    who, life, orders = everybody(_CONFIG)
    lines = baskets.whole_baskets(world, orders)
    pair = np.unique(lines.row * len(world.item) + lines.item)
    clicks = rows(who, life)
    clicks = clicks.take((clicks.deed <= Deed.CLICKS) & (clicks.feed == Feed.WEB) & (clicks.delivery == 0))
    made: Events = events(world, clicks, Feed.WEB)
    day, customer = np.nonzero(life.bought)
    return {
        "basket": np.bincount(pair // len(world.item)),
        "item": np.bincount(pair % len(world.item), minlength=len(world.item)),
        "gap": _gaps(customer, day),
        "orders": np.bincount(orders.customer)[np.bincount(orders.customer) > 0],
        "hour": np.repeat(np.arange(6, 24), (10_000 * HOUR_SHARES / HOUR_SHARES.sum()).astype(int)),
        "session": np.bincount(made.row),
    }


def _gaps(customer: Ints, day: Ints) -> Ints:
    order = np.lexsort((day, customer))
    same = np.diff(customer[order]) == 0
    return np.diff(day[order])[same]


def online_retail() -> Measures:
    """Purchases of goods with a positive quantity and price."""
    query = f"""SELECT InvoiceNo, StockCode, CustomerID, InvoiceDate::TIMESTAMP AS ts
FROM read_csv('{DATA}/online_retail/*.csv', all_varchar = true, union_by_name = true)
WHERE InvoiceNo NOT LIKE 'C%' AND TRY_CAST(Quantity AS DOUBLE) > 0 AND TRY_CAST(UnitPrice AS DOUBLE) > 0"""
    with duckdb.connect() as connection:
        connection.execute(f"CREATE TABLE line AS {query}")

        def column(sql: str) -> Ints:
            return np.array([row[0] for row in connection.execute(sql).fetchall()])

        days = "SELECT DISTINCT CustomerID, ts::DATE AS day FROM line WHERE CustomerID IS NOT NULL AND CustomerID <> ''"
        return {
            "basket": column("SELECT count(DISTINCT StockCode) FROM line GROUP BY InvoiceNo"),
            "item": column("SELECT count(DISTINCT InvoiceNo) FROM line GROUP BY StockCode"),
            "gap": column(
                f"SELECT day - lag(day) OVER (PARTITION BY CustomerID ORDER BY day) AS gap FROM ({days}) "
                "QUALIFY gap IS NOT NULL"
            ),
            "orders": column(f"SELECT count(*) FROM ({days}) GROUP BY CustomerID"),
            "hour": column("SELECT hour(min(ts)) FROM line GROUP BY InvoiceNo"),
        }


def others() -> dict[str, Measures]:
    """What the other samples allow: cut files give neither gaps nor repeats."""
    groceries = next((DATA / "groceries").glob("*.csv"), None)
    cdnow = next((DATA / "cdnow").rglob("*master*.txt"), None)
    rees = next((DATA / "rees46-sample").glob("*.csv"), None)
    found: dict[str, Measures] = {}
    if groceries is not None:
        found["Groceries"] = {"basket": _grocery_baskets(groceries)}
    if cdnow is not None:
        found["CDNOW"] = _cdnow(cdnow)
    if rees is not None:
        with duckdb.connect() as connection:
            sql = f"SELECT count(*) FROM read_csv('{rees}', ignore_errors = true) GROUP BY user_session"
            sessions = np.array([row[0] for row in connection.execute(sql).fetchall()])
        found["REES46"] = {"session": sessions}
    return found


def _grocery_baskets(file: Path) -> Ints:
    lines = [line for line in file.read_text().splitlines() if line.strip()]
    return np.array([len(set(line.split(","))) for line in lines])


def _cdnow(file: Path) -> Measures:
    parts = [line.split() for line in file.read_text().splitlines() if line.strip()[:1].isdigit()]
    customer = np.array([int(part[0]) for part in parts])
    day = np.array([np.datetime64(f"{part[1][:4]}-{part[1][4:6]}-{part[1][6:8]}") for part in parts]).astype(int)
    pairs = np.unique(np.stack([customer, day]), axis=1)
    return {"gap": _gaps(pairs[0], pairs[1]), "orders": np.bincount(pairs[0])[1:]}


def table(shops: dict[str, Measures]) -> dict[str, Detail]:
    """One line per measure; a dash where a data set does not allow it."""
    measures = {
        "items per basket, median": ("basket", np.median),
        "items per basket, mean": ("basket", np.mean),
        "baskets of one item, share": ("basket", lambda n: np.mean(n == 1)),
        "item concentration, Gini": ("item", gini),
        "days between orders, median": ("gap", np.median),
        "days between orders, 90 % within": ("gap", lambda n: np.quantile(n, 0.9)),
        "buyers with two orders or more, share": ("orders", lambda n: np.mean(n >= 2)),
        "orders from 9 to 17 o'clock, share": ("hour", lambda n: np.mean((n >= 9) & (n < 17))),
        "events per session, median": ("session", np.median),
        "events per session, mean": ("session", np.mean),
    }
    return {
        name: {shop: f"{measure(data[key]):.2f}" if key in data else "-" for shop, data in shops.items()}
        for name, (key, measure) in measures.items()
    }


def gini(counts: Ints) -> float:
    """Gini coefficient of counts: 0 = all alike, 1 = one has all."""
    ordered = np.sort(counts)
    n = len(ordered)
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * ordered.sum()))
