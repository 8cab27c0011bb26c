"""What the shop sells: items, their topics, prices and words, what belongs together and what only seems to."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from affinity.simulate.draws import Draws, Floats, Ints, choice, normal
from affinity.simulate.params import FOREVER, N_TOPICS, NEVER, ShopConfig

STAPLE_CHANCES = np.array([0.10, 0.09, 0.08, 0.07, 0.06, 0.05, 0.045, 0.04])
"""Chance of each staple to lie in a basket, whatever else does: popular together, associated with nothing."""
COMPLEMENT_CHANCES = np.array([0.25, 0.35, 0.45, 0.55])
"""Chance of a consequent to be added to a basket with its antecedent; pairs take them in turn."""
MAX_COMPLEMENTS = 40
POPULARITY_EXPONENT = 0.6
AFFINITY_SD = 2.6
_LEAF_SHARE = 0.6  # of the variance of an item's affinity to a topic, common to its category
_WEEK = 7
_LISTED_AFTER_DAYS = 28
_TABLES_KEPT = 16

DEPARTMENTS = {
    "Kitchen": ("Mug", "Pan", "Knife", "Tray", "Jar"),
    "Garden": ("Pot", "Trowel", "Rake", "Lantern", "Feeder"),
    "Bath": ("Towel", "Soap", "Brush", "Mat", "Candle"),
    "Toys": ("Puzzle", "Drum", "Doll", "Game", "Kite"),
    "Stationery": ("Pen", "Notebook", "Card", "Ribbon", "Stamp"),
    "Textiles": ("Cushion", "Throw", "Curtain", "Apron", "Bag"),
    "Lighting": ("Lamp", "Bulb", "Shade", "Garland", "Torch"),
    "Pantry": ("Teapot", "Honeypot", "Spoon", "Bottle", "Basket"),
}
RANGES = ("Everyday", "Craft", "Heritage", "Gift")
_MATERIALS = ("oak", "steel", "linen", "glass", "cotton", "clay", "copper", "wool", "paper", "bamboo", "wax", "felt")
_COLOURS = ("red", "blue", "green", "ivory", "black", "yellow", "pink", "grey")
_USES = ("for every day", "for guests", "for travel", "for small hands", "for long evenings", "for the weekend")
N_BRANDS = 60
STATUSES = ("active", "changed", "new", "withdrawn")


class World:
    """The catalogue of one shop. Every array has one entry per item unless it says otherwise."""

    def __init__(self, config: ShopConfig) -> None:
        self.config, self.draws = config, Draws(config.seed)
        n = config.items
        self.item: Ints = np.arange(n)
        self.launch_day = self._launch_day()
        self.withdrawn_day = self._withdrawn_day()
        self.leaf = choice(self._uniform("leaf"), np.ones(self.n_leaves))
        self.brand = np.minimum((N_BRANDS * self._uniform("brand") ** 2).astype(np.int64), N_BRANDS - 1)
        rank = 1.0 + np.floor(n * self._uniform("popularity"))
        self.popularity: Floats = rank**-POPULARITY_EXPONENT
        self.weights = self.popularity * np.exp(self._affinity())  # topics by items
        self.base_pence = self._base_pence()
        self._plant()

    @property
    def n_leaves(self) -> int:
        """Categories of the third level."""
        return len(DEPARTMENTS) * 5 * len(RANGES)

    def _uniform(self, what: str) -> Floats:
        return self.draws.uniform(f"item {what}", self.item)

    def _launch_day(self) -> Ints:
        later = self._uniform("later") >= self.config.launched_share
        return np.where(later, 1 + (FOREVER * self._uniform("launch")).astype(np.int64), 0)

    def _withdrawn_day(self) -> Ints:
        is_withdrawn = self._uniform("withdrawn") < self.config.withdrawn_share
        stays = 20 + (FOREVER * self._uniform("stays")).astype(np.int64)
        return np.where(is_withdrawn, self.launch_day + stays, NEVER)

    def _affinity(self) -> Floats:
        topics = np.arange(N_TOPICS)[:, None]
        of_leaf = normal(self.draws.uniform("leaf affinity", topics, self.leaf[None, :]))
        of_item = normal(self.draws.uniform("item affinity", topics, self.item[None, :]))
        mixed: Floats = np.sqrt(_LEAF_SHARE) * of_leaf + np.sqrt(1 - _LEAF_SHARE) * of_item
        return AFFINITY_SD * mixed

    def _base_pence(self) -> Ints:
        level = 0.5 * normal(self.draws.uniform("leaf price", self.leaf)) + 0.6 * normal(self._uniform("price"))
        return (5 * np.maximum(np.round(100 * np.exp(level)), 4)).astype(np.int64)

    def _plant(self) -> None:
        """Choose staples, antecedents and consequents among items that are always there; no item is two of them."""
        n = len(self.item)
        by_share = np.argsort(-self.mean_share(), kind="stable")
        n_pairs = min(MAX_COMPLEMENTS, n // 10)
        self.staples: Ints = by_share[n // 2 : n // 2 + min(len(STAPLE_CHANCES), n // 10)]
        self.antecedents: Ints = by_share[1 : 1 + n_pairs]
        after = 1 + n_pairs + np.arange(n_pairs)
        self.consequents: Ints = by_share[after]
        self.complement_chance: Floats = COMPLEMENT_CHANCES[np.arange(n_pairs) % len(COMPLEMENT_CHANCES)]
        self.staple_chance: Floats = STAPLE_CHANCES[: len(self.staples)]
        planted = np.concatenate([self.staples, self.antecedents, self.consequents])
        self.launch_day[planted], self.withdrawn_day[planted] = 0, NEVER
        self.weights[:, self.staples] = 0.0  # they come by their own chance alone
        self.pair_of: Ints = np.full(n, -1)
        self.pair_of[self.antecedents] = np.arange(n_pairs)
        self.kind = np.full(n, "regular", dtype=object)
        self.kind[self.staples], self.kind[self.antecedents], self.kind[self.consequents] = (
            "staple",
            "antecedent",
            "consequent",
        )

    def mean_share(self) -> Floats:
        """Each item's share of an average basket line, over all topics and the whole catalogue."""
        share: Floats = (self.weights / self.weights.sum(axis=1, keepdims=True)).mean(axis=0)
        return share

    def is_there(self, day: int) -> NDArray[np.bool_]:
        """Whether each item is sold in the week of ``day``: the catalogue changes on Mondays."""
        monday = _WEEK * (day // _WEEK)
        return np.asarray((self.launch_day <= monday) & (monday < self.withdrawn_day))

    def cumulative(self, day: int) -> Floats:
        """Topics by items: for each topic the running sum of its items' shares in the week of ``day``, ending in 1."""
        return _cumulative(self, day // _WEEK)

    def shares(self, day: int) -> Floats:
        """Topics by items: the chance of each item given the topic, in the week of ``day``."""
        return _shares(self, day // _WEEK)

    def pence(self, item: Ints, day: Ints | int) -> Ints:
        """Price of items on days: one item in thirty is a fifth cheaper in any week."""
        is_offer = self.draws.uniform("offer", item, np.asarray(day) // _WEEK) < 1 / 30
        price = self.base_pence[item]
        return np.where(is_offer, price * 4 // 5, price)

    def stock(self, day: int) -> Ints:
        """Pieces in stock on a day."""
        return (400 * self.draws.uniform("stock", self.item, day)).astype(np.int64)

    def status(self, day: int) -> Ints:
        """What the catalogue of a day says of each item (``STATUSES``)."""
        changed = self.pence(self.item, day) != self.pence(self.item, max(day - 1, 0))
        monday = _WEEK * (day // _WEEK)
        is_new = (self.launch_day > monday - _WEEK) & (self.launch_day > 0)
        return np.select([self.withdrawn_day <= monday, is_new, changed], [3, 2, 1], 0)

    def listed(self, day: int) -> Ints:
        """The items in the catalogue of a day, the withdrawn ones for four weeks more; it changes on Mondays."""
        monday = _WEEK * (day // _WEEK)
        return np.flatnonzero((self.launch_day <= monday) & (monday < self.withdrawn_day + _LISTED_AFTER_DAYS))

    def categories(self) -> tuple[list[str], list[str], list[str]]:
        """The three levels of every item's category."""
        paths = [
            (department, f"{department}/{kind}", f"{department}/{kind}/{line}")
            for department, kinds in DEPARTMENTS.items()
            for kind in kinds
            for line in RANGES
        ]
        first, second, third = zip(*(paths[leaf] for leaf in self.leaf), strict=True)
        return list(first), list(second), list(third)

    def names(self) -> list[str]:
        """Short names: range, colour, material and kind."""
        return [f"{words[0]} {words[1]} {words[2]} {words[3]}" for words in self._words()]

    def descriptions(self) -> list[str]:
        """A sentence per item whose words follow its category, so that near words mean near items."""
        return [
            f"{words[3]} of {words[2]} in {words[1]}, {words[0].lower()} range, {words[4]}. By {brand}."
            for words, brand in zip(self._words(), self.brands(), strict=True)
        ]

    def brands(self) -> list[str]:
        """Brand names."""
        return [f"Brand {brand:02d}" for brand in self.brand]

    def _words(self) -> list[tuple[str, str, str, str, str]]:
        third = self.categories()[2]
        own, common = self._uniform("words"), self.draws.uniform("leaf words", self.leaf)
        colour = (len(_COLOURS) * own).astype(int)
        # Three materials and two uses per category.
        material = (len(_MATERIALS) * common + 3 * self._uniform("material")).astype(int) % len(_MATERIALS)
        use = (len(_USES) * common + 2 * self._uniform("use")).astype(int) % len(_USES)
        return [
            (path.split("/")[2], _COLOURS[c], _MATERIALS[m], path.split("/")[1], _USES[u])
            for path, c, m, u in zip(third, colour, material, use, strict=True)
        ]


@lru_cache(maxsize=_TABLES_KEPT)
def _cumulative(world: World, week: int) -> Floats:
    sums = np.cumsum(world.weights * world.is_there(week * _WEEK), axis=1)
    return np.asarray(sums / sums[:, -1:])


@lru_cache(maxsize=_TABLES_KEPT)
def _shares(world: World, week: int) -> Floats:
    weights = world.weights * world.is_there(week * _WEEK)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


@lru_cache(maxsize=4)
def world_of(config: ShopConfig) -> World:
    """The world of a shop, made once per process."""
    return World(config)
