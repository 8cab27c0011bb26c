"""What a person sees of a simulation: progress on the way, and at the end what was written and how good one can be."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from affinity.simulate.params import ShopConfig
from affinity.simulate.place import Shop
from affinity.simulate.shop import Written, n_tasks, simulate

_LOOK_SECS = 0.3


@contextmanager
def stopwatch() -> Iterator[Callable[[], float]]:
    """Seconds since it was started."""
    started = time.perf_counter()
    yield lambda: time.perf_counter() - started


def simulate_once(spark: SparkSession, config: ShopConfig, out: Path) -> None:
    """Make a whole shop and tell of it; it lies in its place when it is whole, and only then."""
    unfinished = out.with_name(f"{out.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    shop = Shop(config, unfinished.absolute(), 0, config.days)
    with stopwatch() as seconds:
        written = with_progress(spark, shop)
    unfinished.rename(out)
    show(replace(shop, out=out.absolute()), written, seconds())


def with_progress(spark: SparkSession, shop: Shop) -> Written:
    """Make the shop while a bar shows its blocks of customers and its days."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
    )
    done = threading.Event()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("customers and days", total=n_tasks(shop))
        watcher = threading.Thread(
            target=_watch, args=(spark, done, lambda n: progress.update(task, completed=n)), daemon=True
        )
        watcher.start()
        try:
            return simulate(spark, shop)
        finally:
            done.set()
            watcher.join()


def _watch(spark: SparkSession, done: threading.Event, show: Callable[[int], None]) -> None:
    """Tell how many tasks have ended, those of stages that are over included."""
    tracker = spark.sparkContext.statusTracker()
    ended: dict[int, int] = {}
    while not done.wait(_LOOK_SECS):
        for stage in tracker.getActiveStageIds():
            info = tracker.getStageInfo(stage)
            if info is not None:
                ended[stage] = info.numCompletedTasks
        show(sum(ended.values()))


def show(shop: Shop, written: Written, secs: float) -> None:
    """Print what was written, the ceilings, and what to do with it."""
    console = Console(highlight=False)
    console.print(
        f"{written.n_events:,} events, {written.n_lines:,} lines in {written.n_files:,} files, "
        f"{written.n_bytes / 1e6:,.1f} MB landed in {secs:,.1f} s: {written.n_lines / secs:,.0f} lines per second, "
        "Spark's start included"
    )
    console.print(f"  landing  {shop.landing}\n  truth    {shop.truth}\n", soft_wrap=True)
    if written.ceilings:
        console.print(_ceilings(written))
    console.print(
        "Expected: what the planted chances promise. Realised: what they reach on what was drawn; models are held "
        "against it. How to test a model of your own: docs/simulated-shop.md"
    )


def show_findings(findings: Sequence[Mapping[str, Any]]) -> None:
    """Print what was found beside naive and best possible answers."""
    table = _table("Found beside planted", "task", "measure", "naive", "found", "ceiling", "n")
    for row in findings:
        figures = (_figure(row[key]) for key in ("naive", "found", "ceiling"))
        table.add_row(row["task"], row["metric"], *figures, f"{row['n']:,}")
    Console(highlight=False).print(table)


def _ceilings(written: Written) -> Table:
    table = _table("How good an answer can be", "task", "window", "measure", "naive", "expected", "realised", "n")
    for row in written.ceilings:
        figures = (_figure(value) for value in (row.baseline, row.expected, row.realised))
        window = f"{row.horizon} days" if row.horizon else "-"
        table.add_row(row.task, window, row.metric.replace("_", " "), *figures, f"{row.n:,}")
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for name in columns:
        table.add_column(name, justify="left" if name in ("task", "window", "measure") else "right", no_wrap=True)
    return table


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
