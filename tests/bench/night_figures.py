"""The figure of docs/benchmarks.md on a year of nights."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
import numpy as np

from tests.bench.harness import Detail


def draw_nights(nights: Sequence[Detail], to: Path) -> None:
    """Seconds and bytes of nights, seconds of weekly features, and the lines that fit them after the first thirty."""
    panels = {
        "seconds": ("Seconds per night", 1.0),
        "read, bytes": ("Megabytes read per night", 1e-6),
        "features, s": ("Seconds of build_features, weekly", 1.0),
    }
    figure, axes = plt.subplots(1, len(panels), figsize=(15, 3.6), layout="constrained")
    for axis, (name, (title, unit)) in zip(axes, panels.items(), strict=True):
        there = [night for night in nights if name in night]
        at, values = (np.array([night[key] for night in there], float) for key in ("night", name))
        values *= unit
        axis.plot(at, values, ".", ms=3, color="#5b6773")
        settled = at >= min(30, at[len(at) // 2])
        slope, start = np.polyfit(at[settled], values[settled], 1)
        axis.plot(
            at[settled],
            start + slope * at[settled],
            color="#1f5fa8",
            lw=1.8,
            label=f"{slope * 100:+.2f} per 100 nights",
        )
        axis.set_ylim(0, float(np.percentile(values, 99)) * 1.3)
        axis.set_title(title, loc="left", fontsize=11)
        axis.set_xlabel("night")
        axis.spines[["top", "right"]].set_visible(False)
        axis.legend(frameon=False)
    to.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(to, dpi=110)
    plt.close(figure)
