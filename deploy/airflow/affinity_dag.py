"""The chain of Affinity as an Airflow DAG: one task per job, each after those whose outputs it reads.

Generated from the jobs by affinity.io.airflow; edit its template, not this file. Needs Airflow 3 and nothing of ours
beside the command that runs a job. Set on the scheduler and the workers:

- AFFINITY_COMMAND   how a job is run; the job's name and options follow: "affinity job", or deploy/cluster/submit.sh
- AFFINITY_SOURCE, AFFINITY_LANDING   the source mappings with blanks between, and the folder of their files
- AFFINITY_SCHEDULE  cron, UTC; the date at the end of the data interval is as_of, so it must lie past midnight of the
  business zone and after the files of the day before have landed
- AFFINITY_START     first date of the schedule
- AFFINITY_CATCHUP   true: also run the intervals between that date and now, one after the other

Further settings (AFFINITY_CONFIG, AFFINITY_ENV, AFFINITY_ROOT) reach the command through the environment.
"""

import os
import shlex
import subprocess
from datetime import datetime, timedelta, timezone

from airflow.sdk import DAG, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from airflow.timetables.interval import CronDataIntervalTimetable

COMMAND = shlex.split(os.environ.get("AFFINITY_COMMAND", "affinity job"))
SOURCES = os.environ.get("AFFINITY_SOURCE", "online_retail").split()
LANDING = os.environ.get("AFFINITY_LANDING", "landing")
SCHEDULE = os.environ.get("AFFINITY_SCHEDULE", "0 5 * * *")
START = datetime.fromisoformat(os.environ.get("AFFINITY_START", "2011-01-01")).replace(tzinfo=timezone.utc)  # noqa: UP017
# Jobs side by side may write one table, the manifest above all: each waits for the other rather than fail.
WAIT_SECS = "900"
CATCHUP = os.environ.get("AFFINITY_CATCHUP", "false").lower() == "true"

MEANING = {
    1: "defect",
    2: "bad input",
    3: "audit failed",
    4: "lease held",
    5: "infrastructure",
}
RETRYABLE = frozenset({4, 5})
# Job: those it waits for.
AFTER = {
    "ingest_events": [],
    "ingest_items": [],
    "ingest_customers": [],
    "clean_events": ["ingest_customers", "ingest_events"],
    "build_features": ["clean_events", "ingest_items"],
    "train_propensity": ["clean_events", "ingest_items"],
    "train_segments": ["build_features"],
    "mine_rules": ["build_features"],
    "train_recommender": ["build_features"],
    "score_propensity": ["build_features", "train_propensity"],
    "assign_segments": ["train_segments"],
    "recommend_items": ["train_recommender"],
    "maintain_tables": ["assign_segments", "mine_rules", "recommend_items", "score_propensity"],
}


def run_job(job: str, as_of: str) -> None:
    """Run one job for one date; try again only where the same command may succeed later."""
    sources = [word for source in SOURCES for word in ("--source", source)]
    options = ["--as-of", as_of, *sources, "--landing", LANDING, "--wait", WAIT_SECS]
    code = subprocess.run([*COMMAND, job, *options], check=False).returncode
    if code == 0:
        return
    message = f"{job} for {as_of} ended with exit code {code} ({MEANING.get(code, 'unknown')})"
    if code in RETRYABLE:
        raise AirflowException(message)
    raise AirflowFailException(f"{message}; the same command would fail again")


with DAG(
    dag_id="affinity",
    schedule=CronDataIntervalTimetable(SCHEDULE, timezone="UTC"),
    start_date=START,
    catchup=CATCHUP,
    max_active_runs=1,  # one writer at a time, and dates in order
    default_args={
        "retries": 3,
        "retry_delay": timedelta(minutes=1),
        "retry_exponential_backoff": True,
        "max_retry_delay": timedelta(minutes=30),
    },
    tags=["affinity"],
    doc_md=__doc__,
) as dag:
    tasks = {job: task(run_job, task_id=job)(job, "{{ data_interval_end | ds }}") for job in AFTER}
    for job, before in AFTER.items():
        for other in before:
            tasks[other] >> tasks[job]
