"""Walking the graph of jobs: each after those it reads from, none after one that failed."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta

from affinity.core.errors import AffinityError, BadInput, ExitCode, NotYet, nearest
from affinity.core.vocabulary import Status
from affinity.io.config import load_source
from affinity.io.job import Job, upstream
from affinity.io.landing import landed_files
from affinity.io.ops import OpsStore
from affinity.io.plan import Request, check_as_of, job_settings, make_plan
from affinity.io.platform import Platform
from affinity.io.releases import Releases
from affinity.io.runner import Result, run_job
from affinity.tables import ops

STOPPING = (Status.FAILED,)


def check(platform: Platform, jobs: Sequence[Job], request: Request, dates: Sequence[date]) -> None:
    """Find every mistake that can be found before any work: settings of all jobs, landing, and the dates.

    Raises:
        BadInput: whatever is wrong first.
    """
    known = {job.name: None for job in jobs}
    for name in platform.config.jobs:
        if name not in known:
            raise BadInput(_unknown_section(name, list(known)))
    for job in jobs:
        job_settings(platform, job)
    if request.source is None or request.landing is None:
        raise BadInput("`affinity run` needs --source NAME and --landing DIR.")
    landed = landed_files(request.landing, load_source(platform.config, request.source))
    manifest = _manifest(platform.ops)
    for day in dates:
        check_as_of(day, [*(file.file_date for file in landed), *manifest])


def _unknown_section(name: str, known: Sequence[str]) -> str:
    return f"Settings hold a section [jobs.{name}], but no job has that name{nearest(name, known)}."


def _manifest(store: OpsStore) -> list[date | None]:
    version = Releases.of(store).version(ops.FILES)
    return [] if version is None else [row["file_date"] for row in store.read(ops.FILES, version)]


def every(first: date, last: date, days: int) -> list[date]:
    """The dates of a backfill: from ``first`` to ``last``, both included, ``days`` apart.

    >>> every(date(2011, 8, 1), date(2011, 8, 10), 7)
    [datetime.date(2011, 8, 1), datetime.date(2011, 8, 8)]
    """
    if days < 1 or last < first:
        raise BadInput(f"A backfill goes forward: got --from {first} --to {last} --every {days}d.")
    return [first + timedelta(days=n) for n in range(0, (last - first).days + 1, days)]


def walk(
    platform: Platform, jobs: Sequence[Job], request: Request, *, on_start: Callable[[Job], None] = lambda job: None
) -> Iterator[Result]:
    """Run the jobs in order for one date; what depends on a failed job is not started, the rest goes on."""
    stopped: set[str] = set()
    for job in jobs:
        needs = stopped & set(upstream(job, jobs))
        if needs:
            stopped.add(job.name)
            yield Result(
                job.name, Status.SKIPPED, ExitCode.DONE, reason=f"not started: {', '.join(sorted(needs))} failed"
            )
            continue
        on_start(job)
        result = run_job(platform, job, request)
        if result.status in STOPPING:
            stopped.add(job.name)
        yield result


def forecast(platform: Platform, jobs: Sequence[Job], request: Request) -> Iterator[Result]:
    """What ``walk`` would do, without doing it: a job whose input will change cannot be decided yet and will run."""
    changing: set[str] = set()
    for job in jobs:
        needs = changing & set(upstream(job, jobs))
        if needs:
            changing.add(job.name)
            yield Result(job.name, Status.STARTED, ExitCode.DONE, reason=f"would follow {', '.join(sorted(needs))}")
            continue
        try:
            plan = make_plan(platform, job, request)
        except NotYet as reason:
            yield Result(job.name, Status.SKIPPED, ExitCode.DONE, reason=str(reason))
            continue
        except AffinityError as error:
            yield Result(job.name, Status.FAILED, error.exit_code, reason=str(error))
            continue
        if plan.status is None:
            changing.add(job.name)
            yield Result(job.name, Status.STARTED, ExitCode.DONE, plan.run_id, "would run")
        else:
            yield Result(job.name, plan.status, ExitCode.DONE, plan.run_id, plan.reason)


def exit_code(results: Sequence[Result]) -> ExitCode:
    """The code of a walk: that of its first failure."""
    return next((result.exit_code for result in results if result.status is Status.FAILED), ExitCode.DONE)


def requests(request: Request, dates: Sequence[date]) -> list[Request]:
    """The request for each date in turn."""
    return [replace(request, as_of=day) for day in dates]
