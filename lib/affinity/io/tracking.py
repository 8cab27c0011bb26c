"""MLflow: runs, metrics, figures, and the registry from which alone models are loaded."""

import hashlib
import json
import logging
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyspark.ml import PipelineModel
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from affinity.core.errors import BadInput, Infrastructure
from affinity.io.job import Challenger, LoadedModel, Outputs
from affinity.io.ops import to_json
from affinity.io.plan import Plan
from affinity.io.releases import Release
from affinity.io.root import Root
from affinity.tables.spec import ModelSpec

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION = "champion"
_PREFIX = "affinity_"


@dataclass(frozen=True)
class Registered:
    """A model version as the registry knows it."""

    spec: ModelSpec
    version: int
    digest: str


class Tracker:
    """One run in MLflow per attempt of a job, and the models below the root."""

    def __init__(self, spark: SparkSession, root: Root) -> None:
        self._spark = spark
        self._root = root
        self._client = _client(root)

    def log(self, plan: Plan, outputs: Outputs, metrics: Mapping[str, float | None]) -> str:
        """Record what a run used and found; return MLflow's own id of it."""
        from mlflow.entities import Metric, Param, RunTag

        params = {**plan.settings.model_dump(), **outputs.notes, "as_of": plan.request.as_of}
        tags = {"affinity.run_id": plan.run_id}
        run = self._client.create_run(self._experiment(plan.job.name), run_name=plan.run_id, tags=tags)
        mlflow_id, at = str(run.info.run_id), run.info.start_time
        self._client.log_batch(
            mlflow_id,
            metrics=[Metric(name, value, at, 0) for name, value in metrics.items() if value is not None],
            params=[Param(name, str(value)[:500]) for name, value in params.items()],
            tags=[RunTag("affinity.lineage", to_json(plan.inputs)[:5000])],
        )
        for name, figure in outputs.figures.items():
            self._client.log_figure(mlflow_id, figure, f"figures/{name}.png")
        self._client.set_terminated(mlflow_id)
        return mlflow_id

    def register(self, challenger: Challenger, run_id: str, mlflow_id: str, facts: Mapping[str, Any]) -> Registered:
        """Store a challenger's files and make them a version of its registered model.

        Frames are written by the executors straight to the store; a pipeline is small and saved as an MLflow model.
        ``facts`` (the settings it was trained with and its ``trained_as_of``) are kept as a tag of the version.
        """
        folder = Path(self._root.artifacts) / challenger.spec.name / run_id
        if challenger.pipeline is not None:
            self._save_pipeline(challenger.pipeline, folder)
        for name, frame in challenger.frames.items():
            frame.write.mode("overwrite").parquet(str(folder / "frames" / name))
        digest = self._digest(folder)
        name = _PREFIX + challenger.spec.name
        if not self._client.search_registered_models(filter_string=f"name = '{name}'"):
            self._client.create_registered_model(name, description=challenger.spec.doc)
        tags = {
            "affinity.run_id": run_id,
            "affinity.digest": digest,
            "affinity.facts": to_json(facts),
        }
        version = self._client.create_model_version(name, source=str(folder), run_id=mlflow_id, tags=tags)
        return Registered(challenger.spec, int(version.version), digest)

    def promote(self, registered: Registered) -> None:
        """Let the champion's alias point at a version."""
        self._client.set_registered_model_alias(_PREFIX + registered.spec.name, CHAMPION, str(registered.version))

    def load(self, spec: ModelSpec, release: Release) -> LoadedModel:
        """The registered version of a release, after its files were compared with the released digest.

        Raises:
            BadInput: the files are not those that were released. Loading a model is running code.
            Infrastructure: the registry does not know the version.
        """
        try:
            version = self._client.get_model_version(_PREFIX + spec.name, str(release.table_version))
        except Exception as error:
            raise Infrastructure(
                f"Model {spec.name} version {release.table_version} was released but the registry does not give it "
                f"({type(error).__name__}). Look whether MLflow at the tracking URI is the one it was registered in."
            ) from None
        folder = Path(version.source or "")
        if not folder.resolve().is_relative_to(Path(self._root.artifacts).resolve()):
            raise BadInput(f"Model {spec.name} version {version.version} lies outside the artifact folder; not loaded.")
        digest = self._digest(folder) if folder.is_dir() else "no files"
        if digest != release.digest:
            raise BadInput(
                f"Model {spec.name} version {version.version} is not what was released: expected digest "
                f"{release.digest}, got {digest}. It was not loaded; restore its files or train again."
            )
        frames = {
            path.name: self._spark.read.parquet(str(path))
            for path in sorted((folder / "frames").glob("*"))
            if path.is_dir()
        }
        pipeline = PipelineModel.load(str(folder / "sparkml")) if (folder / "sparkml").is_dir() else None
        facts = json.loads(version.tags["affinity.facts"])
        return LoadedModel(str(version.version), pipeline, frames, facts)

    def _experiment(self, job: str) -> str:
        name = f"affinity/{job}"
        known = self._client.get_experiment_by_name(name)
        if known is not None:
            return str(known.experiment_id)
        location = (Path(self._root.artifacts) / "runs" / job).absolute().as_uri()
        return str(self._client.create_experiment(name, artifact_location=location))

    def _save_pipeline(self, pipeline: PipelineModel, folder: Path) -> None:
        import mlflow.spark

        os.environ["MLFLOW_DFS_TMP"] = str(Path(self._root.artifacts) / "tmp")
        if folder.exists():
            import shutil

            shutil.rmtree(folder)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mlflow.spark.save_model(pipeline, str(folder), pip_requirements=["pyspark==4.2.0"])

    def _digest(self, folder: Path) -> str:
        """One SHA-256 over the names and SHA-256 of all files, each hashed where it is read."""
        files = (
            self._spark.read.format("binaryFile")
            .option("recursiveFileLookup", "true")
            .load(str(folder))
            .select(F.col("path"), F.sha2("content", 256).alias("sha256"))
            .collect()
        )
        listed = sorted((row["path"].split(folder.name, 1)[1], row["sha256"]) for row in files)
        return hashlib.sha256(to_json(listed).encode()).hexdigest()


def _client(root: Root) -> "MlflowClient":
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ.setdefault("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "false")
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)
    import mlflow

    mlflow.set_tracking_uri(root.tracking_uri)
    return mlflow.MlflowClient(tracking_uri=root.tracking_uri, registry_uri=root.tracking_uri)
