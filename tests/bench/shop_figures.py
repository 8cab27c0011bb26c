"""The figures of docs/simulated-shop.md."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from affinity.simulate import baskets
from affinity.simulate.behaviour import live, masks_needed
from affinity.simulate.ceilings import rules
from affinity.simulate.customers import customers
from affinity.simulate.draws import Ints
from affinity.simulate.params import ARCHETYPES, ShopConfig
from affinity.simulate.truth.customers import contact_table
from affinity.simulate.truth.shop import complement_table
from affinity.simulate.world import world_of
from tests.simulate.making import everybody


def draw_realism(shops: Mapping[str, Mapping[str, Ints]], to: Path) -> None:
    """Six panels, each with the shops that allow it."""
    panels = {
        "basket": ("Items per basket", np.arange(1, 62, 3)),
        "gap": ("Days between orders", np.arange(0, 181, 10)),
        "orders": ("Days with an order, per buyer", np.arange(1, 21)),
        "hour": ("Hour of the order", np.arange(5, 25)),
        "session": ("Events per web session", np.arange(1, 21)),
    }
    colours = {
        "simulated": "#1f5fa8",
        "Online Retail": "#b4530a",
        "Groceries": "#1a6b3c",
        "CDNOW": "#5b6773",
        "REES46": "#8a3ea0",
    }
    figure, axes = plt.subplots(2, 3, figsize=(12, 6.4), layout="constrained")
    for axis, (key, (title, bins)) in zip(axes.flat, panels.items(), strict=False):
        for shop, data in shops.items():
            if key in data:
                clipped = np.clip(data[key], bins[0], bins[-1])
                share = np.histogram(clipped, [*bins, bins[-1] + 1])[0] / len(clipped)
                axis.step(bins, share, where="post", color=colours[shop], label=shop, lw=1.8)
        axis.set_title(title, loc="left", fontsize=11)
        axis.set_ylim(bottom=0)
    last = axes.flat[5]
    for shop, data in shops.items():
        if "item" in data:
            falling = np.sort(data["item"])[::-1]
            last.plot(
                np.linspace(0, 1, len(falling)), np.cumsum(falling) / falling.sum(), color=colours[shop], label=shop
            )
    last.set_title("Share of sales by share of items, best first", loc="left", fontsize=11)
    for axis in axes.flat:
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False, fontsize=9)
    to.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(to, dpi=110)
    plt.close(figure)


def draw_planted(config: ShopConfig, to: Path) -> None:
    """Three panels: archetypes as they show, planted against counted confidence, the campaign by archetype."""
    names = [archetype.name for archetype in ARCHETYPES]
    colours = ["#1f5fa8", "#b4530a", "#1a6b3c", "#8a3ea0", "#5b6773", "#c2a000"]
    figure, axes = plt.subplots(1, 3, figsize=(12, 3.9), layout="constrained")
    _draw_archetypes(axes[0], config, names, colours)
    _draw_confidence(axes[1], config)
    _draw_campaign(axes[2], config, names, colours)
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(to, dpi=110)
    plt.close(figure)


def _draw_archetypes(axis: Any, config: ShopConfig, names: list[str], colours: list[str]) -> None:
    who, _, orders = everybody(config)
    n = np.bincount(orders.customer, minlength=config.customers)
    lines, units = (
        np.bincount(orders.customer, weights=values, minlength=config.customers)
        for values in (orders.lines, orders.extra_units)
    )
    chosen = (n >= 3) & (np.arange(config.customers) < 6_000)
    for number, name in enumerate(names):
        mine = chosen & (who.archetype == number)
        more = 1 + units[mine] / lines[mine]
        axis.scatter(lines[mine] / n[mine], more, s=5, alpha=0.5, color=colours[number], label=name)
    axis.set(xscale="log", yscale="log", xlabel="own lines per order", ylabel="units per line")
    axis.set_title("Archetypes, customers with three orders", loc="left", fontsize=11)
    axis.legend(frameon=False, fontsize=8, markerscale=2)


def _draw_confidence(axis: Any, config: ShopConfig) -> None:
    world, (_, _, orders) = world_of(config), everybody(config)
    pairs = complement_table(world, rules.counts(world, orders, baskets.whole_baskets(world, orders)))
    planted, counted, sd = (pairs[name].to_numpy() for name in ("confidence", "realised_confidence", "sd"))
    axis.errorbar(planted, counted, yerr=2 * sd, fmt="o", ms=4, lw=1, color="#1f5fa8")
    axis.plot([0.2, 0.6], [0.2, 0.6], color="#5b6773", lw=1)
    axis.set(xlabel="planted confidence", ylabel="counted, two standard deviations")
    axis.set_title("Forty pairs that belong together", loc="left", fontsize=11)


def _draw_campaign(axis: Any, config: ShopConfig, names: list[str], colours: list[str]) -> None:
    who = customers(config, np.arange(config.customers))
    told = contact_table(who, live(who, 60, masks_at=masks_needed(60)), 60).to_pandas()
    for number, name in enumerate(names):
        mine = told[told["archetype"] == name]
        arms = [mine[mine["arm"] == arm]["bought"] for arm in ("treated", "control")]
        effect = arms[0].mean() - arms[1].mean()
        sd = np.sqrt(sum(arm.mean() * (1 - arm.mean()) / len(arm) for arm in arms))
        axis.barh(number, (mine["p_treated"] - mine["p_control"]).mean(), color=colours[number], alpha=0.45)
        axis.errorbar(effect, number, xerr=2 * sd, fmt="o", ms=4, color=colours[number])
    axis.axvline(0, color="#5b6773", lw=1)
    axis.set_yticks(range(len(names)), names)
    axis.set(xlabel="change of the chance to buy within 7 days")
    axis.set_title("The campaign: true (bars) and measured", loc="left", fontsize=11)
