"""Roots for measuring on the simulated shop, and its jobs with an end that counts."""

from pathlib import Path

from pyspark.sql import SparkSession

from affinity.core.vocabulary import Status
from affinity.io.config import load_config
from affinity.io.job import find
from affinity.io.plan import Request
from affinity.io.platform import Platform
from affinity.io.runner import run_job
from affinity.jobs.catalog import JOBS

_EVENTS = ("shop_web", "shop_app", "shop_tills", "shop_orders", "shop_email")


def root_in(folder: Path, root: str, session: SparkSession | None = None) -> Platform:
    """A root below a folder, with a key of its own and two cores."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "key").write_text("5e" * 32, encoding="ascii")
    overrides = [f"store.root={folder / root}", f"privacy.key_file={folder / 'key'}", "spark.master=local[2]"]
    return Platform.open(load_config(overrides=overrides), session=session)


def run(platform: Platform, job: str, request: Request) -> None:
    """Run a job; one that did not end well has no time."""
    result = run_job(platform, find(job, JOBS), request)
    if result.status not in (Status.DONE, Status.NOTHING_TO_DO):
        raise RuntimeError(f"{job} ended as {result.status}: {result.reason}")


def take_in(platform: Platform, landing: Path) -> None:
    """Every channel of a shop that has landed something."""
    there = {path.name for path in landing.iterdir() if any(file.is_file() for file in path.rglob("*"))}
    if events := tuple(source for source in _EVENTS if source.removeprefix("shop_") in there):
        run(platform, "ingest_events", Request(None, events, landing))
    if "crm" in there:
        run(platform, "ingest_customers", Request(None, ("shop_crm",), landing))
    if "catalogue" in there:
        run(platform, "ingest_items", Request(None, ("shop_catalogue",), landing))
