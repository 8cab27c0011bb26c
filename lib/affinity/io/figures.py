"""Figures of runs, drawn without a screen."""

from collections.abc import Mapping

from matplotlib.figure import Figure


def sweep_figure(metrics: Mapping[str, float]) -> Figure:
    """Silhouette and within-cluster sum of squares by number of segments."""
    by_k = sorted(int(name.removeprefix("silhouette_k")) for name in metrics if name.startswith("silhouette_k"))
    figure = Figure(figsize=(7, 3), layout="constrained")
    left, right = figure.subplots(1, 2)
    for axes, name, label in (
        (left, "silhouette", "mean silhouette"),
        (right, "wssse", "within-cluster sum of squares"),
    ):
        axes.plot(by_k, [metrics[f"{name}_k{k}"] for k in by_k], marker="o")
        axes.axvline(metrics["k"], linestyle=":", color="grey")
        axes.set_xlabel("segments")
        axes.set_ylabel(label)
    return figure
