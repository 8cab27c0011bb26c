"""The spark-submit door: the same options and the same exit codes for every job."""

import sys

import typer

from affinity.core.errors import AffinityError
from affinity.io.job import Job
from affinity.io.log import start_log
from affinity.io.options import AsOf, ConfigFile, Env, Landing, Restate, RootDir, Set, Sources, Wait, platform_of
from affinity.io.plan import Request
from affinity.io.runner import Result, run_job


def main(job: Job) -> None:
    """Run one job as a program: ``spark-submit jobs/<job>.py --as-of … --config … --env …``."""

    def run(
        as_of: AsOf = None,
        source: Sources = [],  # noqa: B006 - typer reads it, nobody writes it
        landing: Landing = None,
        config: ConfigFile = None,
        env: Env = None,
        root: RootDir = None,
        set_: Set = [],  # noqa: B006 - typer reads it, nobody writes it
        restate: Restate = False,
        wait: Wait = 0,
    ) -> None:
        start_log(job.name)
        request = Request(as_of.date() if as_of else None, tuple(source), landing, restate, wait)
        try:
            platform = platform_of(config, env, root, set_)
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
    parts = [
        f"{result.job}: {result.status}",
        rows,
        result.reason or "",
        f"run {result.run_id}" if result.run_id else "",
    ]
    return " · ".join(part for part in parts if part) + f" · {result.duration_secs:.1f} s"
