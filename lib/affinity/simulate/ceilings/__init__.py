"""How good the best possible answer is: by what was planted, expected and as it came out, beside naive answers.

Everything is computed in two steps: small additive counts per block of customers or per day, and figures from their
sums. What is counted does not grow with the customers.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Ceiling:
    """One row of the truth table ``ceilings``."""

    task: str
    as_of_day: int
    horizon: int | None
    population: str
    metric: str
    expected: float | None
    realised: float | None
    baseline: float | None
    baseline_name: str
    n: int
