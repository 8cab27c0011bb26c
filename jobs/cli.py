"""The command line: run the jobs, and ask the tables without a JVM."""

import json
import os
import sys
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from affinity.core.errors import AffinityError, BadInput
from affinity.io import ask_cli, options, quarantine_cli
from affinity.jobs.judge_shop import judge, judge_published
from affinity.jobs.simulate_shop import simulate

if TYPE_CHECKING:
    from affinity.io.job import Job

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, help=__doc__)
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"])]


def main() -> None:
    """Run the command line; an error of ours is one paragraph and its documented exit code."""
    try:
        app()
    except AffinityError as error:
        typer.echo(f"affinity: {error}", err=True)
        raise SystemExit(int(error.exit_code)) from None


def console() -> None:
    """``main`` as a program of its own, which ends at once when it is done.

    Tearing the interpreter down would stop the threads of native libraries in the middle of their work, and some answer
    that by aborting the process after everything was done well.
    """
    try:
        main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(bool(ended.code))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


@app.command()
def run(
    source: Annotated[list[str], typer.Option(help="Source mapping, as in conf/sources/<name>.toml; may be repeated.")],
    landing: Annotated[Path, typer.Option(help="Folder of the landed files.")],
    as_of: options.AsOf = None,
    from_: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First date of a backfill.")
    ] = None,
    to: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Last date of a backfill.")] = None,
    every: Annotated[str, typer.Option(help="Step of a backfill, as in 7d.")] = "1d",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would run, and do nothing.")] = False,
    config: options.ConfigFile = None,
    env: options.Env = None,
    root: options.RootDir = None,
    set_: options.Set = [],  # noqa: B006 - typer reads it, nobody writes it
    restate: options.Restate = False,
    wait: options.Wait = 0,
) -> None:
    """Walk all jobs for one date, or date by date, in one Spark session."""
    from affinity.io.chain import check, check_dates, exit_code, requests
    from affinity.io.console import show_forecast, walk_with_progress
    from affinity.io.leases import walk_lease
    from affinity.io.plan import Request
    from affinity.io.platform import Platform
    from affinity.jobs.catalog import JOBS

    dates = _dates(as_of, from_, to, every)
    settings = options.config_of(config, env, root, set_)
    request = Request(dates[0], tuple(source), landing, restate, wait)
    landed = check(settings, JOBS, request)
    looking = Platform.open(settings, create=False, may_be_missing=True)
    check_dates(looking.ops, landed, dates)
    if dry_run:
        show_forecast(looking, JOBS, requests(request, dates))
        return
    platform = Platform.open(settings)
    with walk_lease(platform.root, wait_secs=wait):
        results = walk_with_progress(platform, JOBS, requests(request, dates))
    raise typer.Exit(int(exit_code(results)))


def _dates(as_of: datetime | None, first: datetime | None, last: datetime | None, every: str) -> list[date]:
    from affinity.io.chain import every as dates_between

    if as_of and not (first or last):
        return [as_of.date()]
    if first and last and not as_of:
        if not (every.endswith("d") and every[:-1].isdecimal()):
            raise BadInput(f"--every {every} cannot be read: expected a number of days, as in 7d.")
        return dates_between(first.date(), last.date(), int(every[:-1]))
    raise BadInput("Pass either --as-of DATE, or --from DATE and --to DATE (with --every 7d).")


@app.command()
def job(
    name: Annotated[str, typer.Argument(help="Job, as in the list of docs/jobs.md.")],
    as_of: options.AsOf = None,
    source: options.Sources = [],  # noqa: B006 - typer reads it, nobody writes it
    landing: options.Landing = None,
    config: options.ConfigFile = None,
    env: options.Env = None,
    root: options.RootDir = None,
    set_: options.Set = [],  # noqa: B006 - typer reads it, nobody writes it
    restate: options.Restate = False,
    wait: options.Wait = 0,
) -> None:
    """Run one job."""
    from affinity.io.console import walk_with_progress
    from affinity.io.job import find
    from affinity.io.plan import Request
    from affinity.jobs.catalog import JOBS, ON_DEMAND

    chosen = find(name, (*JOBS, *ON_DEMAND))
    platform = options.platform_of(config, env, root, set_)
    request = Request(as_of.date() if as_of else None, tuple(source), landing, restate, wait)
    (result,) = walk_with_progress(platform, [chosen], [request])
    raise typer.Exit(int(result.exit_code))


quarantine = typer.Typer(invoke_without_command=True, help="Show what was not accepted, and take it in later.")
quarantine.callback()(quarantine_cli.quarantine)
app.add_typer(quarantine, name="quarantine")


@quarantine.command()
def replay(
    reason: Annotated[str, typer.Option(help="Lines rejected for this reason are read again.")],
    source: Annotated[str, typer.Option(help="Source mapping, as it is now.")],
    landing: Annotated[Path, typer.Option(help="Folder of the landed files.")],
    config: options.ConfigFile = None,
    env: options.Env = None,
    root: options.RootDir = None,
    set_: options.Set = [],  # noqa: B006 - typer reads it, nobody writes it
    wait: options.Wait = 0,
) -> None:
    """Read rejected lines again by the mapping as it is now; those that it takes become events, once."""
    from affinity.core.vocabulary import Defect
    from affinity.io.chain import check, exit_code
    from affinity.io.console import walk_with_progress
    from affinity.io.leases import walk_lease
    from affinity.io.plan import Request
    from affinity.io.platform import Platform
    from affinity.io.quarantine import reason_fault
    from affinity.jobs import clean_events, replay_quarantine

    if fault := reason_fault(reason, Defect):
        raise BadInput(f"Option --reason: {fault}.")
    settings = options.config_of(config, env, root, [*set_, f'jobs.replay_quarantine.reason="{reason}"'])
    request = Request(sources=(source,), landing=landing, wait_secs=wait)
    check(settings, [replay_quarantine.JOB], request)
    options.root_of(settings)  # where nothing was ingested there is nothing to make, either
    platform = Platform.open(settings)
    # What was ingested is judged before, so that the same command may follow one that died, and what is taken after.
    jobs = [clean_events.JOB, replay_quarantine.JOB, clean_events.JOB]
    with walk_lease(platform.root, wait_secs=wait):
        results = walk_with_progress(platform, jobs, [request])
    raise typer.Exit(int(exit_code(results)))


def _jobs() -> "tuple[Job, ...]":
    from affinity.jobs.catalog import JOBS

    return JOBS


ask_cli.register(app, _jobs)
app.command()(simulate)
app.command()(judge)


@app.command()
def demo(
    config: options.ConfigFile = None,
    env: options.Env = None,
    root: options.RootDir = None,
    set_: options.Set = [],  # noqa: B006 - typer reads it, nobody writes it
) -> None:
    """Run the whole chain on nine months of a real shop's orders, and show what came out."""
    from rich.console import Console

    from affinity.core.vocabulary import Status
    from affinity.io import demo as shop
    from affinity.io.chain import exit_code
    from affinity.io.console import walk_with_progress
    from affinity.io.leases import walk_lease
    from affinity.io.plan import Request
    from affinity.io.report import write_report
    from affinity.io.summary import show_summary
    from affinity.jobs.catalog import JOBS

    platform = options.platform_of(config, env, root, set_)
    with walk_lease(platform.root):
        landing = shop.unpack(platform.root.path / "landing" / shop.SOURCE)
        results = walk_with_progress(platform, JOBS, [Request(shop.AS_OF, (shop.SOURCE,), landing)])
    if code := exit_code(results):
        raise typer.Exit(int(code))
    if all(result.status is Status.NOTHING_TO_DO for result in results):
        Console().print("Nothing to do: everything was done before with the same files, settings and code.\n")
    show_summary(platform.root, write_report(platform.root), Console(highlight=False))


@app.command("demo-shop")
def demo_shop(
    config: options.ConfigFile = None,
    env: options.Env = None,
    root: Annotated[Path, typer.Option("--root", help="Root of tables and models.")] = Path(".affinity-shop"),
    set_: options.Set = [],  # noqa: B006 - typer reads it, nobody writes it
) -> None:
    """Run the whole chain on a simulated shop, and show what was found beside what is planted."""
    from rich.console import Console

    from affinity.core.vocabulary import Status
    from affinity.io import demo as shop
    from affinity.io.chain import exit_code
    from affinity.io.console import walk_with_progress
    from affinity.io.leases import walk_lease
    from affinity.io.plan import Request
    from affinity.io.report import truth_file, write_report
    from affinity.io.summary import show_summary
    from affinity.jobs.catalog import JOBS
    from affinity.simulate.settings import shop_config
    from affinity.simulate.tell import show_findings, simulate_once

    platform = options.platform_of(config, env, root, [*shop.SHOP_SETTINGS, *set_])
    out = platform.root.path / "shop"
    with walk_lease(platform.root):
        if not out.is_dir():
            simulate_once(platform.spark, shop_config("demo", {}, {}, []), out)
        request = Request(shop.SHOP_AS_OF, shop.SHOP_SOURCES, out / "landing")
        results = walk_with_progress(platform, JOBS, [request], keep_open=True)
    if code := exit_code(results):
        raise typer.Exit(int(code))
    noted = truth_file(platform.root, shop.SHOP_AS_OF)
    if not noted.is_file() or any(result.status is not Status.NOTHING_TO_DO for result in results):
        judge_published(platform, out / "truth")
    show_summary(platform.root, write_report(platform.root), Console(highlight=False))
    show_findings(json.loads(noted.read_text(encoding="utf-8")))


if __name__ == "__main__":
    console()
