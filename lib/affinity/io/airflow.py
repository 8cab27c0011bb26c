"""The Airflow DAG, rendered from the graph of jobs: what runs after what is said once, by their reads and writes."""

from collections.abc import Sequence
from importlib.resources import files

from jinja2 import Environment, StrictUndefined

from affinity.core.errors import RETRYABLE, ExitCode
from affinity.io.job import Job, upstream

_TEMPLATE = "airflow_dag.py.j2"


def render(jobs: Sequence[Job]) -> str:
    """The source of a DAG file with one task per job, in the given order, and the edges of their graph."""
    template = files("affinity.io").joinpath("templates", _TEMPLATE).read_text(encoding="utf-8")
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    after = {job.name: direct(job, jobs) for job in jobs}
    failures = [code for code in ExitCode if code is not ExitCode.DONE]
    return environment.from_string(template).render(codes=failures, retryable=RETRYABLE, after=after)


def direct(job: Job, jobs: Sequence[Job]) -> list[str]:
    """Names of the jobs that ``job`` waits for, but for those that one of these waits for anyhow."""
    before = {other.name: set(upstream(other, jobs)) for other in jobs}
    waits_for = before[job.name]
    implied = {name for other in waits_for for name in _all_before(other, before)}
    return sorted(waits_for - implied)


def _all_before(name: str, before: dict[str, set[str]]) -> set[str]:
    return before[name].union(*(_all_before(other, before) for other in before[name]))
