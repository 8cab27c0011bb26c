"""The truth about the shop: its settings, its items, what belongs together and what only seems to."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from affinity.simulate import text
from affinity.simulate.behaviour import contact_days
from affinity.simulate.draws import Floats
from affinity.simulate.params import ARCHETYPES, NEVER, ORDERS_COEFFICIENT, RECENCY_COEFFICIENT, TIER_LOGIT
from affinity.simulate.place import Shop, settings_of
from affinity.simulate.text import lists
from affinity.simulate.world import STAPLE_CHANCES, World


def item_table(world: World) -> pa.Table:
    """``items``: what is planted in the catalogue."""
    leaving = world.withdrawn_day
    return pa.table(
        {
            "item": text.number(world.item, 6, "I"),
            "launch_day": world.launch_day,
            "withdrawn_day": pa.array(leaving, mask=leaving == NEVER),
            "category": pa.array(world.categories()[2], pa.string()),
            "brand": pa.array(world.brands(), pa.string()),
            "popularity": world.popularity,
            "phi": lists(np.ascontiguousarray((world.weights / world.weights.sum(axis=1, keepdims=True)).T)),
            "kind": pa.array(list(world.kind), pa.string()),
            "staple_chance": _staple_chances(world),
        }
    )


def _staple_chances(world: World) -> pa.Array:
    chances = np.zeros(len(world.item))
    chances[world.staples] = STAPLE_CHANCES[: len(world.staples)]
    return pa.array(chances, mask=chances == 0)


def parameter_table(shop: Shop) -> pa.Table:
    """``parameters``: every setting and planted constant as name and value."""
    planted: dict[str, object] = {f"tier_logit_{tier}": value for tier, value in enumerate(TIER_LOGIT)}
    planted |= {"recency_coefficient": RECENCY_COEFFICIENT, "orders_coefficient": ORDERS_COEFFICIENT}
    planted |= {f"campaign_effect_{archetype.name}": archetype.effect for archetype in ARCHETYPES}
    planted |= {f"archetype_share_{archetype.name}": archetype.share for archetype in ARCHETYPES}
    planted |= {"campaign_days": contact_days(0, shop.end), "first_day": shop.begin, "end_day": shop.end}
    told = {**settings_of(shop.config), **planted}
    return pa.table({"name": list(told), "value": [str(value) for value in told.values()]})


def complement_table(world: World, counts: pa.Table) -> pa.Table:
    """``complements``: planted pairs with the confidence and lift they must have, and what came out.

    ``baskets`` are the expected ones with the antecedent; ``sd`` is that of the confidence counted in so many.
    """
    found = counts.filter(pc.field("kind") == "complement").sort_by("a")
    pair = found["a"].to_numpy()
    baskets, both, alone, n_a, n_ac, n_c = (
        found[name].to_numpy() for name in ("expected_a", "expected_ac", "expected_c", "n_a", "n_ac", "n_c")
    )
    total = np.maximum(found["baskets"].to_numpy(), 1)
    confidence = _ratio(both, baskets)
    return pa.table(
        {
            "antecedent": text.number(world.antecedents[pair], 6, "I"),
            "consequent": text.number(world.consequents[pair], 6, "I"),
            "planted": world.complement_chance[pair],
            "confidence": confidence,
            "baskets": baskets,
            "sd": np.sqrt(_ratio(confidence * (1 - confidence), baskets)),
            "lift": _ratio(confidence, alone / total),
            "n_baskets": n_a.astype(np.int64),
            "realised_confidence": _ratio(n_ac, n_a),
            "realised_lift": _ratio(_ratio(n_ac, n_a), n_c / total),
        }
    )


def trap_table(world: World, counts: pa.Table) -> pa.Table:
    """``traps``: pairs of staples, often together and associated with nothing: their lift is 1."""
    found = counts.filter(pc.field("kind") == "trap").sort_by([("a", "ascending"), ("c", "ascending")])
    a, b = found["a"].to_numpy(), found["c"].to_numpy()
    total = np.maximum(found["baskets"].to_numpy(), 1)
    n_a, n_ab, n_b = (found[name].to_numpy() for name in ("n_a", "n_ac", "n_c"))
    return pa.table(
        {
            "a": text.number(world.staples[a], 6, "I"),
            "b": text.number(world.staples[b], 6, "I"),
            "expected_pairs": found["expected_ac"].to_numpy(),
            "n_pairs": n_ab.astype(np.int64),
            "realised_lift": _ratio(n_ab * total, n_a * n_b),
        }
    )


def _ratio(above: Floats, below: Floats) -> Floats:
    """Ratios; 0 where there is nothing to divide by."""
    return np.divide(above, below, out=np.zeros(len(above)), where=np.asarray(below) > 0)
