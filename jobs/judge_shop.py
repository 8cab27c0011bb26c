"""Published tables of a simulated shop → what was found beside what is planted, for a person and for the report."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from affinity.io import options

if TYPE_CHECKING:
    from affinity.io.platform import Platform

Truth = Annotated[Path, typer.Option(help="The truth area of the shop: <out>/truth of `affinity simulate`.")]


def judge(
    truth: Truth,
    config: options.ConfigFile = None,
    env: options.Env = None,
    root: options.RootDir = None,
    set_: options.Set = [],  # noqa: B006 - typer reads it, nobody writes it
) -> None:
    """Hold published tables against the truth of a simulated shop."""
    from affinity.simulate.tell import show_findings

    platform = options.platform_of(config, env, root, set_)
    try:
        show_findings(judge_published(platform, truth))
    finally:
        platform.close()


def judge_published(platform: "Platform", truth: Path) -> list[dict[str, object]]:
    """Compare at the date of the truth, note the result beside the reports, and give it."""
    from affinity.algorithms.identities import IdentityRules, beside_naive
    from affinity.io.plan import job_settings
    from affinity.io.published import published_frames, published_identities
    from affinity.io.report import truth_file
    from affinity.jobs.clean_events import JOB
    from affinity.simulate.judge import customers_of, judged, subjects_of, truth_frames

    frames, day = truth_frames(platform.spark, truth)
    key_file = str(platform.root.key_file)
    frames["subjects"] = subjects_of(frames["identities"], key_file)
    rules = cast("IdentityRules", job_settings(platform.config, JOB))
    tables = {**published_frames(platform, day), "identities": beside_naive(*published_identities(platform), rules)}
    found = [asdict(finding) for finding in judged(tables, frames, customers_of(frames["identities"], key_file))]
    file = truth_file(platform.root, day)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return found


if __name__ == "__main__":
    options.program(judge)
