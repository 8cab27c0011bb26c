"""What a run is asked for, from what it is decided, and what it would do."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from affinity.core.settings import Settings
from affinity.core.source import SourceMapping
from affinity.core.vocabulary import Status
from affinity.io.config import Config, validated
from affinity.io.deliveries import Delivery
from affinity.io.job import Job
from affinity.io.ops import Row, to_json
from affinity.io.platform import Platform, code_version
from affinity.io.releases import Release, Releases
from affinity.tables import ops
from affinity.tables.spec import ModelSpec

SETTINGS_BEFORE = "settings_before"
"""The input of a clean run whose rules are others than those of the last one."""


@dataclass(frozen=True)
class Request:
    """What a person or a scheduler asks of a job; all ``sources`` land in one folder."""

    as_of: date | None = None
    sources: tuple[str, ...] = ()
    landing: Path | None = None
    restate: bool = False
    wait_secs: float = 0


@dataclass(frozen=True)
class Plan:
    """A run that is fully decided; ``status`` and ``reason`` are set where nothing is to be done.

    ``faults`` say of which sources nothing can be read; the run ends with them, after the others were published.
    """

    job: Job
    request: Request
    settings: Settings
    run_id: str
    inputs: Mapping[str, Any]
    config_digest: str
    releases: Releases
    manifest: Sequence[Row] = ()
    deliveries: Sequence[Delivery] = ()
    faults: Sequence[str] = ()
    models: Mapping[ModelSpec, Release] = field(default_factory=dict)
    status: Status | None = None
    reason: str | None = None


def job_settings(config: Config, job: Job) -> Settings:
    """The settings of a job from its section ``[jobs.<name>]``.

    Raises:
        BadInput: keys are unknown, missing or of the wrong type.
    """
    section = config.jobs.get(job.name, {})
    return validated(job.settings, section, where=f"[jobs.{job.name}] of {config.conf_dir / 'affinity.toml'}")


@dataclass(frozen=True)
class Question:
    """What a plan is decided from."""

    platform: Platform
    job: Job
    request: Request
    settings: Settings
    releases: Releases
    manifest: Sequence[Row]

    def plan(self, inputs: Mapping[str, Any], **more: Any) -> Plan:
        """The plan over these inputs: the same ones give the same run id."""
        mappings = [found.mapping for found in more.get("deliveries", ())]
        job, config = self.job, self._config(mappings)
        as_of = str(self.request.as_of) if job.kind.has_as_of else None
        schemas = {spec.full_name: spec.version for spec in job.tables_written}
        identity = to_json([job.name, as_of, config, schemas, code_version(), inputs])
        run_id = hashlib.sha256(identity.encode()).hexdigest()[:20]
        digest = self.config_digest(mappings)
        return Plan(job, self.request, self.settings, run_id, inputs, digest, self.releases, **more)

    def config_digest(self, mappings: Sequence[SourceMapping]) -> str:
        """What identifies the settings of the job and its mappings."""
        return hashlib.sha256(self._config(mappings).encode()).hexdigest()[:16]

    def _config(self, mappings: Sequence[SourceMapping]) -> str:
        by_name = sorted(mappings, key=lambda mapping: mapping.name)
        return to_json({"settings": self.settings.model_dump(), "mappings": [m.model_dump() for m in by_name]})

    def attempts(self) -> list[Row]:
        """What this job did before."""
        return self.platform.ops.read(ops.RUNS, where={"job": self.job.name})
