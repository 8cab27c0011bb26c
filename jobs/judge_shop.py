"""Published tables of a simulated shop → what was found beside what is planted, for a person and for the report."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from affinity.io import options

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

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
    from affinity.io.published import published_frames
    from affinity.io.report import truth_file
    from affinity.simulate.judge import customers_of, judged, subjects_of, truth_frames

    frames, day = truth_frames(platform.spark, truth)
    key_file = str(platform.root.key_file)
    frames["subjects"] = subjects_of(frames["identities"], key_file)
    published = {**published_frames(platform, day), "identities": _identities(platform)}
    found = [asdict(finding) for finding in judged(published, frames, customers_of(frames["identities"], key_file))]
    file = truth_file(platform.root, day)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found, indent=1), encoding="utf-8")
    return found


def _identities(platform: "Platform") -> "DataFrame":
    """Whose each linked id is now, and whose it would be if every link were believed."""
    from affinity.algorithms.identities import IdentityRules, naive
    from affinity.io.plan import job_settings
    from affinity.io.releases import Releases
    from affinity.jobs.clean_events import JOB
    from affinity.tables import silver

    releases = Releases.of(platform.ops)
    links, known = (platform.store.read(spec, releases.version(spec)) for spec in (silver.LINKS, silver.IDENTITIES))
    rules = job_settings(platform.config, JOB)
    assert isinstance(rules, IdentityRules)
    believed = naive(links, rules).withColumnRenamed("customer_id", "naive_customer_id")
    current = known.where("valid_to_date IS NULL").select("subject_key", "customer_id")
    return current.join(believed.select("subject_key", "naive_customer_id"), on="subject_key", how="left")


if __name__ == "__main__":
    options.program(judge)
