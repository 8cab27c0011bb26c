"""The Spark session: one per process, made when first needed."""

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pyspark.sql import SparkSession

from affinity.io.config import Config
from affinity.io.jars import jars
from affinity.io.root import Root


def spark_session(config: Config, root: Root) -> SparkSession:
    """The session that spark-submit prepared, or a local one by the settings.

    Time zone UTC, ANSI on and the Delta extension are not negotiable; everything else may be set.
    """
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    builder = SparkSession.builder.appName("affinity")
    submitted = "PYSPARK_GATEWAY_PORT" in os.environ
    fixed = fixed_settings(root.path)
    settings = fixed if submitted else {**_local(config), **config.spark.conf, **fixed}
    for key, value in settings.items():
        builder = builder.config(key, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setCheckpointDir(str(_checkpoints(spark, root)))
    return spark


def plain_session(config: Callable[[], Config], name: str) -> SparkSession:
    """A session that writes files and needs neither a root nor Delta: that of spark-submit, or a local one.

    Settings are asked for only where they are needed: code that was submitted as a zip has none beside it.
    """
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    submitted = "PYSPARK_GATEWAY_PORT" in os.environ
    settings = {} if submitted else {**_local(config()), **config().spark.conf}
    settings.pop("spark.jars", None)
    builder = SparkSession.builder.appName(name).config("spark.sql.session.timeZone", "UTC")
    for key, value in settings.items():
        builder = builder.config(key, value)
    return builder.getOrCreate()


def fixed_settings(root: Path) -> dict[str, str]:
    """What every session of ours has, wherever it runs."""
    return {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.warehouse.dir": str(root / "warehouse"),
        "spark.sql.files.ignoreCorruptFiles": "false",
        "spark.sql.files.ignoreMissingFiles": "false",
        # The released version is read and restored however old it is; upkeep alone removes files, and looks first.
        "spark.databricks.delta.vacuum.enforceTimeTravelWithinDeletedFileRetentionDuration": "false",
        # Files of staged and committed data carry their own checks; a table is small, its log need not be 50 tasks.
        "spark.databricks.delta.snapshotPartitions": "2",
        # Keys are never settings, but a stray one must not show in the UI or the event log either.
        "spark.redaction.regex": "(?i)secret|password|token|access[.]?key|hmac|salt|credential|api[.-]?key",
    }


# Ten times the defaults: of the processor time of a night in a new process the second compiler took a third, for code
# that was run a few thousand times and no more.
_LATE_C2 = (
    "-XX:Tier4InvocationThreshold=50000 -XX:Tier4MinInvocationThreshold=6000 "
    "-XX:Tier4CompileThreshold=150000 -XX:Tier4BackEdgeThreshold=400000"
)


def _local(config: Config) -> dict[str, str]:
    # FPGrowth's trees are serialised recursively: baskets of some hundred items overflow the default stack. On a few
    # cores the collector that stops the world is done sooner: a fifth of the time of features.
    settings = (config.conf_dir / "spark" / "log4j2.properties").absolute().as_uri()
    return {
        "spark.master": config.spark.master,
        "spark.driver.memory": config.spark.driver_memory,
        "spark.driver.extraJavaOptions": f"-Xss16m -XX:+UseParallelGC {_LATE_C2} -Dlog4j2.configurationFile={settings}",
        "spark.jars": ",".join(str(jar) for jar in jars()),
        # By TCP a task of Python waits 40 ms for an answer to its first few bytes.
        "spark.python.unix.domain.socket.enabled": "true",
        "spark.python.daemon.module": "affinity.io.python_daemon",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.cleaner.referenceTracking.cleanCheckpoints": "true",
        "spark.log.structuredLogging.enabled": "false",
        # VACUUM lists a folder in this many tasks: by default 10,000, a minute for the smallest table.
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": "8",
    }


@contextmanager
def setting(spark: SparkSession, key: str, value: str) -> Iterator[None]:
    """Set something for a while."""
    spark.conf.set(key, value)
    try:
        yield
    finally:
        spark.conf.unset(key)


def remove_checkpoints(spark: SparkSession, root: Root) -> None:
    """Forget what ALS wrote on the way in this session; nothing reads it after a run."""
    shutil.rmtree(_checkpoints(spark, root), ignore_errors=True)


def remove_old_checkpoints(root: Root) -> None:
    """Forget what sessions that died a week ago or earlier left."""
    for folder in root.checkpoints.glob("*"):
        if time.time() - folder.stat().st_mtime > 7 * 86_400:
            shutil.rmtree(folder, ignore_errors=True)


def _checkpoints(spark: SparkSession, root: Root) -> Path:
    return root.checkpoints / str(spark.sparkContext.applicationId)
