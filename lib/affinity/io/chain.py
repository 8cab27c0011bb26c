"""Walking the graph of jobs: each after those it reads from, none after one that failed."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta

from deltalake.exceptions import DeltaError

from affinity.core.errors import AffinityError, BadInput, ExitCode, Infrastructure, NotYet
from affinity.core.vocabulary import Status
from affinity.io.config import Config, load_source
from affinity.io.job import Job, upstream
from affinity.io.landing import landed_dates, landed_days
from affinity.io.ops import OpsStore
from affinity.io.plan import Request, job_settings
from affinity.io.planning import check_as_of, make_plan
from affinity.io.platform import Platform
from affinity.io.releases import Releases
from affinity.io.runner import Result, run_job
from affinity.tables.spec import ModelSpec

STOPPING = (Status.FAILED,)


def check(config: Config, jobs: Sequence[Job], request: Request) -> list[date]:
    """Find every mistake that can be found before a root is opened or made; return the dates of the landed files.

    Raises:
        BadInput: whatever is wrong first in the settings of the jobs, the source or the landing folder.
    """
    for job in jobs:
        job_settings(config, job)
    if not request.sources or request.landing is None:
        raise BadInput("`affinity run` needs --source NAME and --landing DIR.")
    mappings = [load_source(config, source) for source in request.sources]
    return [day for mapping in mappings for day in landed_dates(request.landing, mapping)]


def check_dates(store: OpsStore, landed: Sequence[date], dates: Sequence[date]) -> None:
    """Refuse dates that neither the landed files nor those of the manifest cover; files without dates cover any yet.

    Raises:
        BadInput: a date lies before the data or beyond the last complete landed day.
    """
    known = landed_days(Releases.of(store).manifest(store))
    for day in dates if landed or known else ():
        check_as_of(day, [*landed, *known])


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
    """Run the jobs in order for one date; what depends on a failed job is not started, the rest goes on.

    A failed training stops nobody who can work with the model that was promoted before.
    """
    stopped: set[str] = set()
    for job in jobs:
        needs = stopped & set(upstream(job, jobs, there=_promoted(platform, job, request) if stopped else ()))
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


def _promoted(platform: Platform, job: Job, request: Request) -> list[ModelSpec]:
    """The models a job reads that stand as they are, whether or not they are trained again today."""
    try:
        releases, as_of = Releases.of(platform.ops), request.as_of
    except (
        DeltaError,
        Infrastructure,
        OSError,
    ):  # the store that made a job fail may still be gone: nothing is known to be there
        return []
    models = [spec for spec in job.reads if isinstance(spec, ModelSpec)]
    return [spec for spec in models if as_of is not None and releases.model(spec, as_of) is not None]


def forecast(
    platform: Platform, jobs: Sequence[Job], request: Request, done_by_then: Collection[str] = ()
) -> Iterator[Result]:
    """What ``walk`` would do, without doing it: a job whose input will change cannot be decided yet and will run.

    ``done_by_then`` are jobs that an earlier date of the same walk will have done: what follows them follows still.
    """
    changing: set[str] = set(done_by_then)
    for job in jobs:
        if job.name in done_by_then:
            yield Result(job.name, Status.NOTHING_TO_DO, ExitCode.DONE, reason="done with the first date")
            continue
        needs = changing & set(upstream(job, jobs))
        if needs:
            changing.add(job.name)
            yield Result(job.name, Status.STARTED, ExitCode.DONE, reason=f"would follow {', '.join(sorted(needs))}")
            continue
        result = _foreseen(platform, job, request)
        if result.status is Status.STARTED:
            changing.add(job.name)
        yield result


def _foreseen(platform: Platform, job: Job, request: Request) -> Result:
    try:
        plan = make_plan(platform, job, request)
    except NotYet as reason:
        return Result(job.name, Status.SKIPPED, ExitCode.DONE, reason=str(reason))
    except AffinityError as error:
        return Result(job.name, Status.FAILED, error.exit_code, reason=str(error))
    if plan.status is None:
        return Result(job.name, Status.STARTED, ExitCode.DONE, plan.run_id, "would run")
    return Result(job.name, plan.status, ExitCode.DONE, plan.run_id, plan.reason)


def exit_code(results: Sequence[Result]) -> ExitCode:
    """The code of a walk: that of its first failure."""
    return next((result.exit_code for result in results if result.status is Status.FAILED), ExitCode.DONE)


def requests(request: Request, dates: Sequence[date]) -> list[Request]:
    """The request for each date in turn."""
    return [replace(request, as_of=day) for day in dates]
