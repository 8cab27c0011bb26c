"""What a process works with: settings, root, ops tables, and a session that starts only when needed."""

import hashlib
import json
from functools import cached_property, lru_cache
from importlib import import_module
from importlib.resources import files
from importlib.resources.abc import Traversable
from threading import Thread
from typing import TYPE_CHECKING

import affinity
from affinity.io.config import Config
from affinity.io.ops import OpsStore
from affinity.io.root import Root, open_root
from affinity.tables import ops

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from affinity.io.store import Store
    from affinity.io.tracking import Tracker


class Platform:
    """One process's view of a root; planning needs no JVM, so the session waits for the first job that has work."""

    def __init__(self, config: Config, root: Root, session: "SparkSession | None" = None) -> None:
        self.config = config
        self.root = root
        self.ops = OpsStore(root)
        self._session = session

    @classmethod
    def open(
        cls,
        config: Config,
        *,
        create: bool = True,
        may_be_missing: bool = False,
        session: "SparkSession | None" = None,
    ) -> "Platform":
        """Open the root of the settings, or make it, or only look at where it would be."""
        return cls(config, open_root(config, create=create, may_be_missing=may_be_missing), session)

    @cached_property
    def spark(self) -> "SparkSession":
        """The one Spark session."""
        from affinity.io.session import spark_session

        if self._session is not None:
            return self._session
        # What takes seconds to import is imported while the JVM starts.
        Thread(target=_import_slow_libraries, daemon=True).start()
        return spark_session(self.config, self.root)

    def close(self) -> None:
        """End the session, if this process made one."""
        if "spark" in self.__dict__ and self._session is None:
            self.spark.stop()

    @property
    def application_id(self) -> str | None:
        """Spark's name of the session; null while there is none."""
        return str(self.spark.sparkContext.applicationId) if "spark" in self.__dict__ else None

    def metric(self, run_id: str, name: str) -> float | None:
        """A metric that a finished run recorded; null where it has none of that name."""
        recorded = [row["metrics"] for row in self.ops.read(ops.RUNS, where={"run_id": run_id}) if row["metrics"]]
        return json.loads(recorded[-1]).get(name) if recorded else None

    @cached_property
    def store(self) -> "Store":
        """Delta tables through Spark."""
        from affinity.io.store import Store

        return Store(self.spark, self.root)

    @cached_property
    def tracker(self) -> "Tracker":
        """MLflow."""
        from affinity.io.tracking import Tracker

        return Tracker(self.spark, self.root)


def _import_slow_libraries() -> None:
    for name in ("great_expectations", "mlflow.spark"):
        import_module(name)


@lru_cache(maxsize=1)
def code_version() -> str:
    """The release and a digest of its code: other code is another run."""
    digest = hashlib.sha256()
    for name, content in sorted(_sources(files(affinity), "")):
        digest.update(name.encode() + b"\0" + content + b"\0")
    return f"{affinity.__version__}+{digest.hexdigest()[:12]}"


def _sources(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    found = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _sources(entry, f"{prefix}{entry.name}/")
        elif entry.name.endswith(".py"):
            found.append((prefix + entry.name, entry.read_bytes()))
    return found
