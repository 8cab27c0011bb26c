"""The gate: whether a challenger becomes champion."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Decision:
    """What the gate said, and why."""

    is_promoted: bool
    reason: str


def decide(
    name: str, metric: float | None, baseline: float | None, champion: float | None, max_drop: float | None
) -> Decision:
    """Promote a challenger unless its metric (higher is better) is missing, below its baseline, or fell too far.

    The champion's metric was measured on its own holdout of an earlier week, so a challenger, which knows newer data,
    may be lower by ``max_drop``. A missing or non-finite metric never passes: comparisons with NaN are all false.

    >>> decide("auc", 0.75, 0.70, None, None)
    Decision(is_promoted=True, reason='first champion: auc 0.75, baseline 0.7')
    >>> decide("auc", float("nan"), 0.70, None, None).is_promoted
    False
    >>> decide("auc", 0.60, 0.70, None, None).reason
    'not promoted: auc 0.6 is below the baseline 0.7'
    >>> decide("auc", 0.75, 0.70, 0.85, 0.05).reason
    'not promoted: auc 0.75 is below the champion 0.85 by more than 0.05'
    """
    if metric is None or not math.isfinite(metric):
        return Decision(False, f"not promoted: {name} could not be measured")
    if baseline is not None and not metric >= baseline:
        return Decision(False, f"not promoted: {name} {metric:.4g} is below the baseline {baseline:.4g}")
    if champion is not None and max_drop is not None and not metric >= champion - max_drop:
        return Decision(
            False, f"not promoted: {name} {metric:.4g} is below the champion {champion:.4g} by more than {max_drop:.4g}"
        )
    beside = "" if baseline is None else f", baseline {baseline:.4g}"
    if champion is None:
        return Decision(True, f"first champion: {name} {metric:.4g}{beside}")
    return Decision(True, f"promoted: {name} {metric:.4g}, champion {champion:.4g}{beside}")
