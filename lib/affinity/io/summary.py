"""What a finished chain has to show: tables, champions beside their baselines, and what to try next."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from affinity.io.ask import tables
from affinity.io.ops import OpsStore
from affinity.io.releases import Releases
from affinity.io.root import Root
from affinity.tables import models, ops
from affinity.tables.spec import ModelSpec

# What a champion is judged by, and what stands beside it.
_METRICS: Mapping[ModelSpec, tuple[tuple[str, str], ...]] = {
    models.SEGMENTS: (("k", "segments"), ("silhouette", "silhouette"), ("baseline_silhouette", "one segment")),
    models.RULES: (("n_rules", "rules"), ("n_itemsets", "itemsets"), ("n_baskets", "baskets")),
    models.RECOMMENDER: (
        ("als_ndcg", "nDCG@10"),
        ("popularity_ndcg", "popularity"),
        ("ndcg_difference_low", "difference from"),
        ("ndcg_difference_high", "to"),
    ),
    models.PROPENSITY: (
        ("auc", "AUC"),
        ("recency_auc", "recency alone"),
        ("brier", "Brier"),
        ("base_rate_brier", "base rate"),
    ),
}

_COMMANDS = (
    "tables",
    'sql "SELECT * FROM gold.segment_profiles_latest ORDER BY segment_id"',
    'sql "SELECT customer_id, probability FROM gold.propensity_scores_latest ORDER BY 2 DESC LIMIT 5"',
)


def show_summary(root: Root, report: Path, console: Console) -> None:
    """Print tables with row counts, champion models with metrics beside baselines, the report, and three commands."""
    console.print(_tables(root))
    console.print(_champions(root))
    option = "" if root.path == Path(".affinity").absolute() else f" --root {root.path}"
    console.print(f"\nReport: [bold]{report}[/]\n\nTry next:")
    for command in _COMMANDS:
        console.print(f"  affinity {command}{option}", soft_wrap=True)


def _tables(root: Root) -> Table:
    shown = Table(title="Tables", title_justify="left", box=None, header_style="bold")
    for name, justify in (("table", "left"), ("rows", "right"), ("newest slice", "left")):
        shown.add_column(name, justify=justify)  # type: ignore[arg-type]
    for row in tables(root):
        if row["rows"]:
            shown.add_row(row["name"], f"{row['rows']:,}", str(row["newest_slice"] or ""))
    return shown


def _champions(root: Root) -> Table:
    store = OpsStore(root)
    releases, recorded = Releases.of(store), _recorded(store)
    shown = Table(title="\nChampion models", title_justify="left", box=None, header_style="bold")
    for name in ("model", "version", "trained for", "metrics beside baselines"):
        shown.add_column(name)
    for spec, names in _METRICS.items():
        slices = {day: release for day, release in releases.slices(spec).items() if day is not None}
        if slices:
            newest = slices[max(slices)]
            said = _said(recorded.get(newest.run_id, {}), names)
            shown.add_row(spec.name, str(newest.table_version), str(max(slices)), said)
    return shown


def _recorded(store: OpsStore) -> dict[str, dict[str, Any]]:
    return {row["run_id"]: json.loads(row["metrics"]) for row in store.read(ops.RUNS) if row["metrics"]}


def _said(metrics: Mapping[str, Any], names: tuple[tuple[str, str], ...]) -> str:
    return ", ".join(f"{label} {_number(metrics[name])}" for name, label in names if metrics.get(name) is not None)


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() and abs(value) >= 1 else f"{value:.4f}"
