"""What a job is: data, and one pure function."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from graphlib import TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from affinity.core.errors import BadInput, nearest
from affinity.core.settings import Settings
from affinity.core.source import SourceMapping
from affinity.core.vocabulary import Feed
from affinity.tables import silver
from affinity.tables.spec import ModelSpec, TableSpec

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pyspark.ml import PipelineModel
    from pyspark.sql import DataFrame

    from affinity.features.grouped import Files
    from affinity.features.known_ids import IdFiles


SEEN_AGAIN = "seen_again"
TOLD = "told"


class Kind(StrEnum):
    """How the runner plans a job: by landed files, by lines that were rejected, by files not yet cleaned, by
    ``as_of``, or by tables.
    """

    INGEST = "ingest"
    REPLAY = "replay"
    CLEAN = "clean"
    TRANSFORM = "transform"
    TRAIN = "train"
    SCORE = "score"
    MAINTAIN = "maintain"

    @property
    def is_by_as_of(self) -> bool:
        """Whether the job makes one slice per ``as_of``."""
        return self in (Kind.TRANSFORM, Kind.TRAIN, Kind.SCORE)

    @property
    def has_as_of(self) -> bool:
        """Whether a date is part of what the job is asked for."""
        return self.is_by_as_of or self is Kind.MAINTAIN


@dataclass(frozen=True)
class LoadedModel:
    """A registered version whose digest was checked: an MLlib pipeline, frames, or both.

    ``facts`` are the settings it was trained with and its ``trained_as_of``.
    """

    version: str
    pipeline: "PipelineModel | None" = None
    frames: Mapping[str, "DataFrame"] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def required_pipeline(self) -> "PipelineModel":
        """The pipeline of a model that has one."""
        if self.pipeline is None:
            raise ValueError(f"model version {self.version} holds no pipeline")
        return self.pipeline


@dataclass(frozen=True)
class DaysInFiles:
    """silver.subject_daily as tasks read it, not cut; and files with whose subjects are, as known at ``as_of``."""

    contributions: "Files"
    customers: Path


def _nowhere(_rows: "DataFrame") -> Path:
    raise ValueError("this job has no place for files of its own")


def _unknown(_day: date) -> "DataFrame":
    raise ValueError("this job does not ask whose ids are whose")


@dataclass(frozen=True)
class Inputs:
    """What a transform may know: frames cut at ``as_of`` and pinned, models, and facts of the run.

    ``days_in_files`` gives what is faster than the frame of silver.subject_daily; None where customers are too many.
    ``in_files`` writes rows where tasks find them whole. ``identities_at`` gives whose ids were whose, as it
    was to be known before a date.

    ``is_anew`` tells a clean job to find out of all ids whose they are: links were taken back or put back, or its
    rules changed.
    ``known_ids`` is what its tables say of ids, None where all are found out anew; ``are_few`` tells that one process
    may look through what is ``told``.
    """

    frames: Mapping[str, "DataFrame"]
    models: Mapping[str, LoadedModel] = field(default_factory=dict)
    as_of: date | None = None
    mapping: SourceMapping | None = None
    is_anew: bool = False
    known_ids: "IdFiles | None" = None
    are_few: bool = False
    days_in_files: Callable[[], DaysInFiles | None] = lambda: None
    in_files: "Callable[[DataFrame], Path]" = _nowhere
    identities_at: "Callable[[date], DataFrame]" = _unknown

    def __getitem__(self, spec: TableSpec) -> "DataFrame":
        return self.frames[spec.full_name]

    @property
    def rows(self) -> "DataFrame":
        """What an ingest job's reader made of the landed files: the columns of its feed, and ``source``."""
        return self.frames["rows"]

    @property
    def told(self) -> "DataFrame":
        """Links of which the lines tell that a clean job judges, and the statements that it hears."""
        return self.frames[TOLD]

    @property
    def seen_again(self) -> "DataFrame":
        """Links whose witness a clean job lost, and that others tell of."""
        return self.frames[SEEN_AGAIN]

    @property
    def source_mapping(self) -> SourceMapping:
        """The mapping of an ingest job's source."""
        if self.mapping is None:
            raise ValueError("this job reads no landed files")
        return self.mapping

    @property
    def cut(self) -> date:
        """``as_of`` of a job that has one."""
        if self.as_of is None:
            raise ValueError("this job has no as_of")
        return self.as_of


@dataclass(frozen=True)
class Challenger:
    """A trained model and what its gate looks at.

    ``metric`` is compared with ``baseline`` and with the champion's own; ``None`` means that it could not be measured.
    """

    spec: ModelSpec
    metric_name: str
    metric: float | None
    baseline: float | None
    pipeline: "PipelineModel | None" = None
    frames: Mapping[str, "DataFrame"] = field(default_factory=dict)
    max_drop: float | None = None


@dataclass(frozen=True)
class Outputs:
    """What a transform gives back; the runner adds ``as_of_date`` and ``run_id``, audits and publishes.

    ``shared`` frames are computed once for all outputs; ``figures`` and ``notes`` go to MLflow beside the metrics;
    frames in ``release`` were cached by the transform and are let go after publication.
    """

    tables: Mapping[TableSpec, "DataFrame"] = field(default_factory=dict)
    challenger: Challenger | None = None
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    figures: Mapping[str, "Figure"] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    shared: Sequence["DataFrame"] = ()
    release: Sequence["DataFrame"] = ()


@dataclass(frozen=True)
class Job:
    """One job: its name, what it reads and writes, its settings and its pure function.

    A table that it ``may_read`` is empty where it was not released yet. ``identified_by`` is the job that finds out
    whose ids are whose, by its settings and ``resolve``, from links to identities: where links were seen since the date
    that a run is of, what was to be known before is found out again.
    """

    name: str
    kind: Kind
    doc: str
    reads: tuple[TableSpec | ModelSpec, ...]
    writes: tuple[TableSpec | ModelSpec, ...]
    settings: type[Settings]
    transform: Callable[[Inputs, Any], Outputs]
    feed: Feed | None = None
    may_read: tuple[TableSpec, ...] = ()
    resolve: "Callable[[DataFrame, Any], DataFrame] | None" = None
    identified_by: "Job | None" = None

    @property
    def optional_tables(self) -> tuple[TableSpec, ...]:
        """What it may read, and links where it has to know whose ids are whose."""
        return (*self.may_read, *((silver.LINKS,) if self.identified_by else ()))

    @property
    def tables_written(self) -> tuple[TableSpec, ...]:
        """The tables among ``writes``."""
        return tuple(spec for spec in self.writes if isinstance(spec, TableSpec))


def in_order(jobs: Sequence[Job]) -> list[Job]:
    """Jobs such that each comes after those whose outputs it reads; otherwise in the given order."""
    sorter: TopologicalSorter[str] = TopologicalSorter({job.name: upstream(job, jobs) for job in jobs})
    by_name = {job.name: job for job in jobs}
    return [by_name[name] for name in sorter.static_order()]


def upstream(job: Job, jobs: Sequence[Job], *, there: Sequence[ModelSpec] = ()) -> list[str]:
    """Names of the jobs that write what ``job`` reads, but for the models that are ``there`` already."""
    if job.kind is Kind.MAINTAIN:
        return [other.name for other in jobs if other.name != job.name]
    reads = {spec.full_name for spec in (*job.reads, *job.optional_tables) if spec not in there}
    return [
        other.name
        for other in jobs
        if other.name != job.name
        and other.kind is not Kind.MAINTAIN
        and reads & {spec.full_name for spec in other.writes}
    ]


def find(name: str, jobs: Sequence[Job]) -> Job:
    """The job called ``name``.

    Raises:
        BadInput: no such job; the nearest is named.
    """
    by_name = {job.name: job for job in jobs}
    if name not in by_name:
        raise BadInput(f"Job {name!r} is unknown{nearest(name, by_name) or '.'} There are: {', '.join(by_name)}.")
    return by_name[name]
