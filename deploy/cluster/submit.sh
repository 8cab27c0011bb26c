#!/usr/bin/env bash
# Run one job by spark-submit, client mode: submit.sh JOB [options of the job].
#
# Settings, from the environment: MASTER (default: the cluster of cluster.sh), WHEEL (affinity as .zip: what workers
# run), PYTHON (of the environment that holds pyspark), DRIVER_PYTHON and WORKER_PYTHON (default: PYTHON; both need our
# dependencies, but not affinity, which comes with WHEEL), SUBMIT_OPTIONS (more of spark-submit's, between blanks),
# JAVA_OPTIONS (more for driver and executors), LOG_SETTINGS (log4j2.properties, under this path on every machine).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
python=${PYTHON:-$here/.venv/bin/python}
job=${1:?name a job: one of the files in jobs/, without .py}
shift

export SPARK_LOCAL_IP=${SPARK_LOCAL_IP:-127.0.0.1}
SPARK_HOME=${SPARK_HOME:-$("$python" -c 'import pathlib, pyspark; print(pathlib.Path(pyspark.__file__).parent)')}
export SPARK_HOME
folder=${AFFINITY_JARS:-$("$python" -c 'import sys; print(sys.prefix)')/share/affinity/jars}
jars=$(awk -v folder="$folder" '{ printf "%s%s/%s", separator, folder, $2; separator = "," }' "$here/conf/spark/jars.sha256")
# spark-submit takes a zip; a wheel is one under another name.
wheel=${WHEEL:-$here/dist/affinity.zip}
read -ra more <<<"${SUBMIT_OPTIONS:-}"
# Spark's own log settings would print what a broken row holds. The deep stack is for FPGrowth.
java="-Xss16m -Dlog4j2.configurationFile=${LOG_SETTINGS:-$here/conf/spark/log4j2.properties} ${JAVA_OPTIONS:-}"

exec "$SPARK_HOME/bin/spark-submit" \
    --master "${MASTER:-spark://127.0.0.1:7077}" \
    --deploy-mode client \
    --properties-file "$here/conf/spark/spark-defaults.conf" \
    --jars "$jars" \
    --py-files "$wheel" \
    --conf "spark.driver.extraJavaOptions=$java" \
    --conf "spark.executor.extraJavaOptions=$java" \
    --conf "spark.pyspark.driver.python=${DRIVER_PYTHON:-$python}" \
    --conf "spark.pyspark.python=${WORKER_PYTHON:-$python}" \
    "${more[@]}" \
    "$here/jobs/$job.py" "$@"
