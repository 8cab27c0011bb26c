"""The spark-submit door: the same options and the same exit codes for every job."""

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from affinity.core.errors import AffinityError
from affinity.io.config import load_config
from affinity.io.job import Job
from affinity.io.log import start_log
from affinity.io.plan import Request
from affinity.io.platform import Platform
from affinity.io.runner import Result, run_job

AsOf = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Cut: only events before this date are known.")]
Source = Annotated[str | None, typer.Option(help="Source mapping of an ingest job, as in conf/sources/<name>.toml.")]
Landing = Annotated[Path | None, typer.Option(help="Folder of the landed files of an ingest job.")]
ConfigFile = Annotated[Path | None, typer.Option("--config", envvar="AFFINITY_CONFIG", help="Settings file.")]
Env = Annotated[str | None, typer.Option(envvar="AFFINITY_ENV", help="Overlay conf/env/<name>.toml.")]
Set = Annotated[list[str], typer.Option("--set", help="One setting, as in --set store.root=/data/affinity.")]
RootDir = Annotated[Path | None, typer.Option("--root", envvar="AFFINITY_ROOT", help="Root of tables and models.")]
Restate = Annotated[bool, typer.Option(help="Replace a slice that was published before.")]
Wait = Annotated[float, typer.Option(help="Seconds to wait for another run to end.")]


def platform_of(config: Path | None, env: str | None, root: Path | None, overrides: Sequence[str], *, create: bool) -> Platform:
    """The platform of the command line's options."""
    chosen = [*overrides, f"store.root={root}"] if root else overrides
    return Platform.open(load_config(config, env, chosen), create=create)


def main(job: Job) -> None:
    """Run one job as a program: ``spark-submit jobs/<job>.py --as-of … --config … --env …``."""

    def run(
        as_of: AsOf = None,
        source: Source = None,
        landing: Landing = None,
        config: ConfigFile = None,
        env: Env = None,
        root: RootDir = None,
        set_: Set = [],  # noqa: B006 - typer reads it, nobody writes it
        restate: Restate = False,
        wait: Wait = 0,
    ) -> None:
        start_log(job.name)
        request = Request(as_of.date() if as_of else None, source, landing, restate, wait)
        try:
            platform = platform_of(config, env, root, set_, create=True)
        except AffinityError as error:
            print(f"{job.name}: {error}", file=sys.stderr)
            raise typer.Exit(error.exit_code) from None
        result = run_job(platform, job, request)
        print(line_of(result), file=sys.stderr if result.exit_code else sys.stdout)
        raise typer.Exit(int(result.exit_code))

    run.__doc__ = job.doc
    app = typer.Typer(add_completion=False)
    app.command()(run)
    app()


def line_of(result: Result) -> str:
    """A result as one line of text."""
    rows = ", ".join(f"{name} {n:,}" for name, n in (result.rows or {}).items())
    parts = [f"{result.job}: {result.status}", rows, result.reason or "", f"run {result.run_id}" if result.run_id else ""]
    return " · ".join(part for part in parts if part) + f" · {result.duration_secs:.1f} s"
