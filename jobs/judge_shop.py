"""Published tables of a simulated shop → what was found beside what is planted, for a person and for the report."""

from pathlib import Path
from typing import Annotated

import typer

from affinity.io import options

Truth = Annotated[Path, typer.Option(help="The truth area of the shop: <out>/truth of `affinity simulate`.")]


def judge(
    truth: Truth,
    config: options.ConfigFile = None,
    env: options.Env = None,
    root: options.RootDir = None,
    set_: options.Set = [],  # noqa: B006 - typer reads it, nobody writes it
) -> None:
    """Hold published tables against the truth of a simulated shop."""
    from affinity.jobs.findings import judge_published
    from affinity.simulate.tell import show_findings

    platform = options.platform_of(config, env, root, set_)
    try:
        show_findings(judge_published(platform, truth))
    finally:
        platform.close()


if __name__ == "__main__":
    options.program(judge)
