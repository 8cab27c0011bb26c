"""What a person sees on the terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from affinity.core.vocabulary import Status
from affinity.io.chain import forecast, walk
from affinity.io.job import Job
from affinity.io.log import logged_to
from affinity.io.plan import Request
from affinity.io.platform import Platform
from affinity.io.runner import Result

_MARKS = {
    Status.DONE: "[green]✓[/]",
    Status.RECOVERED: "[green]✓[/]",
    Status.KEPT: "[yellow]=[/]",
    Status.SKIPPED: "[yellow]-[/]",
    Status.NOTHING_TO_DO: "[dim]·[/]",
    Status.STARTED: "[cyan]>[/]",
    Status.FAILED: "[red]✗[/]",
}


def walk_with_progress(
    platform: Platform, jobs: Sequence[Job], requests: Sequence[Request], *, keep_open: bool = False
) -> list[Result]:
    """Walk the jobs for every request, one line per finished job and a bar below while it works.

    The session ends with the walk, unless it is to be kept open for what comes after.
    """
    console = Console(highlight=False)
    results: list[Result] = []
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    log = platform.root.path / "logs" / "affinity.jsonl"
    with logged_to(log), Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("starting", total=len(jobs) * len(requests))
        for request in requests:
            if len(requests) > 1:
                console.rule(str(request.as_of), align="left", style="dim")
            for result in walk(
                platform, jobs, request, on_start=lambda job: progress.update(task, description=job.name)
            ):
                console.print(line_of(result), soft_wrap=True)
                progress.advance(task)
                results.append(result)
    if not keep_open:
        platform.close()
    return results


def show_forecast(platform: Platform, jobs: Sequence[Job], requests: Sequence[Request]) -> None:
    """Print what a walk would do, date by date."""
    console = Console(highlight=False)
    landed_once: set[str] = set()
    for request in requests:
        if len(requests) > 1:
            console.rule(str(request.as_of), align="left", style="dim")
        results = list(forecast(platform, jobs, request, landed_once))
        for result in results:
            console.print(line_of(result), soft_wrap=True)
        landed_once |= {result.job for result in results if result.status is Status.STARTED} & {
            job.name for job in jobs if not job.kind.has_as_of
        }


def line_of(result: Result) -> str:
    """One job as one line: mark, name, rows or reason, seconds."""
    rows = ", ".join(f"{name.split('.')[-1]} {n:,}" for name, n in (result.rows or {}).items())
    said = "; ".join(part for part in (rows, _escaped(result.reason)) if part)
    return f"{_MARKS[result.status]} {result.job:<18} [dim]{result.duration_secs:5.1f} s[/]  {said or result.status}"


def _escaped(text: str | None) -> str:
    from rich.markup import escape

    return escape(text or "")
