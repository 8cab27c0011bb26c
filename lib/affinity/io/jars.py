"""Delta's five jars: fetched once by coordinates, checked against the committed list, shared by every session.

``python -m affinity.io.jars`` fetches them. Only these five are needed for tables by path: what else their build
names, Spark ships itself in newer versions, and resolving at every session start would cost seconds each time.
"""

import hashlib
import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

import pyspark

from affinity.core.errors import AffinityError, BadInput, Infrastructure

GROUP = "io.delta"
# All that Delta's build draws in from other groups; Ivy's patterns know no "all but".
EXCLUDED = ("org.*:*", "com.*:*", "commons-*:*", "javax.*:*", "io.unitycatalog:*", "io.airlift:*")
# spark-submit resolves packages before it starts a class: this one of Hadoop's prints a version and ends.
NO_WORK = ("--class", "org.apache.hadoop.util.VersionInfo", "spark-internal")
FETCH_SECS = 600


def jars_dir() -> Path:
    """The folder of the jars: ``AFFINITY_JARS``, else inside the Python environment."""
    return Path(os.environ.get("AFFINITY_JARS") or Path(sys.prefix, "share", "affinity", "jars"))


def jars() -> list[Path]:
    """The five jars for ``spark.jars`` or ``--jars``, each hashed just now (12 MB, some ten milliseconds).

    Raises:
        BadInput: a jar is missing or is not the one of the committed list.
    """
    return _checked(jars_dir())


def fetch() -> list[Path]:
    """Make ``jars_dir()`` hold the five jars; where it does already, nothing is fetched.

    Raises:
        BadInput: what was fetched is not what the committed list names.
        Infrastructure: Spark's resolver could not get them.
    """
    try:
        return jars()
    except BadInput:
        target = jars_dir()
        target.mkdir(parents=True, exist_ok=True)
    # Beside the target, so that each checked jar gets its name by one rename.
    with TemporaryDirectory(prefix=".fetch-", dir=target.parent) as scratch:
        fetched = _resolve(Path(scratch))
        for jar in _checked(fetched):
            jar.replace(target / jar.name)
    return jars()


def main() -> int:
    """Fetch the jars and say where they are."""
    try:
        fetch()
    except AffinityError as error:
        print(f"affinity: {error}", file=sys.stderr)
        return int(error.exit_code)
    print(f"Delta's jars are in {jars_dir()}, as in the committed list.")
    return 0


def _sha256_by_name() -> dict[str, str]:
    listed = files("affinity").joinpath("conf", "spark", "jars.sha256").read_text(encoding="ascii")
    return {name: sha256 for sha256, name in (line.split() for line in listed.splitlines())}


def _checked(folder: Path) -> list[Path]:
    expected = _sha256_by_name()
    faults = [fault for name, sha256 in expected.items() if (fault := _fault(folder / name, sha256))]
    if faults:
        raise BadInput(
            f"Delta's jars in {folder} are not those of conf/spark/jars.sha256: {'; '.join(faults)}. Fetch them with "
            "`make env` or `python -m affinity.io.jars`, or set AFFINITY_JARS to a folder that holds them."
        )
    return [folder / name for name in expected]


def _fault(jar: Path, sha256: str) -> str | None:
    if not jar.is_file():
        return f"{jar.name} is missing"
    with jar.open("rb") as file:
        got = hashlib.file_digest(file, "sha256").hexdigest()
    return None if got == sha256 else f"{jar.name}: expected sha256 {sha256}, got {got}"


def _resolve(ivy: Path) -> Path:
    coordinates = [":".join((GROUP, *Path(name).stem.rsplit("-", 1))) for name in _sha256_by_name()]
    spark_home = Path(pyspark.__file__).parent
    command = [
        *(str(spark_home / "bin" / "spark-submit"), "--master", "local", "--conf", f"spark.jars.ivy={ivy}"),
        *("--packages", ",".join(coordinates), "--exclude-packages", ",".join(EXCLUDED), *NO_WORK),
    ]
    environment = os.environ | {"SPARK_HOME": str(spark_home)}
    try:
        subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=FETCH_SECS)
    except subprocess.CalledProcessError as error:
        raise Infrastructure(_no_jars(_cause(error.stderr))) from None
    except subprocess.TimeoutExpired:
        raise Infrastructure(_no_jars(f"no answer in {FETCH_SECS} seconds")) from None
    for jar in (ivy / "jars").iterdir():
        jar.rename(jar.with_name(jar.name.removeprefix(f"{GROUP}_")))
    return ivy / "jars"


def _cause(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return next((line for line in lines if "Exception" in line), lines[0] if lines else "no message")


def _no_jars(cause: str) -> str:
    return (
        f"Spark could not fetch Delta's jars by their coordinates: {cause}. Try again when the network answers; behind "
        "a mirror name it in spark.jars.ivySettings (spark-defaults.conf in SPARK_CONF_DIR), or copy the jars of "
        f"conf/spark/jars.sha256 into {jars_dir()}."
    )


if __name__ == "__main__":
    sys.exit(main())
