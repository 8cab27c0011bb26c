#!/usr/bin/env bash
# A standalone Spark master and its workers as processes of this machine, on 127.0.0.1 alone.
#
#   cluster.sh up      start them, wait until every worker has joined, print the master's URL
#   cluster.sh down    end them, and nothing else
#
# Settings, from the environment: PYTHON (of the environment that holds pyspark), AFFINITY_CLUSTER_DIR (logs, work
# folders and pids), MASTER_PORT, WEB_PORT, WORKERS, WORKER_CORES, WORKER_MEMORY.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
python=${PYTHON:-$here/.venv/bin/python}
folder=${AFFINITY_CLUSTER_DIR:-$here/.affinity/cluster}
port=${MASTER_PORT:-7077}
web_port=${WEB_PORT:-8080}
workers=${WORKERS:-2}
pids=$folder/pids

start() { # name, class, arguments: in a session of its own, so that what it starts can be ended with it
    local name=$1
    shift
    setsid "$SPARK_HOME/bin/spark-class" "$@" >"$folder/$name.log" 2>&1 </dev/null &
    echo $! >>"$pids"
}

alive_workers() {
    "$python" - "http://127.0.0.1:$web_port/json/" <<'PY' 2>/dev/null || echo 0
import json, sys, urllib.request

with urllib.request.urlopen(sys.argv[1], timeout=2) as answer:
    print(json.load(answer)["aliveworkers"])
PY
}

up() {
    if [ -e "$pids" ]; then
        echo "A cluster was started from $folder; end it first: $0 down" >&2
        exit 1
    fi
    SPARK_HOME=$("$python" -c 'import pathlib, pyspark; print(pathlib.Path(pyspark.__file__).parent)')
    export SPARK_HOME SPARK_LOCAL_IP=127.0.0.1 SPARK_NO_DAEMONIZE=1
    mkdir -p "$folder"
    local master=spark://127.0.0.1:$port
    start master org.apache.spark.deploy.master.Master --host 127.0.0.1 --port "$port" --webui-port "$web_port"
    for number in $(seq "$workers"); do
        start "worker-$number" org.apache.spark.deploy.worker.Worker --host 127.0.0.1 --webui-port 0 \
            --cores "${WORKER_CORES:-1}" --memory "${WORKER_MEMORY:-1500M}" --work-dir "$folder/work-$number" "$master"
    done
    for _ in $(seq 120); do
        if [ "$(alive_workers)" = "$workers" ]; then
            echo "$master"
            return
        fi
        sleep 0.5
    done
    echo "Not all of $workers workers joined $master in a minute; see the logs in $folder" >&2
    down
    exit 1
}

is_ours() { # a process of this list, and not another that got its number since
    ps -o args= -p "$1" 2>/dev/null | grep -q org.apache.spark.deploy
}

down() {
    [ -e "$pids" ] || return 0
    for signal in TERM KILL; do
        while read -r pid; do
            is_ours "$pid" && kill "-$signal" -- "-$pid" 2>/dev/null
        done <"$pids" || true
        for _ in $(seq 40); do
            local left=0
            while read -r pid; do
                if is_ours "$pid"; then left=1; fi
            done <"$pids"
            [ "$left" = 0 ] && break 2
            sleep 0.25
        done
    done
    rm -f "$pids"
}

case ${1:-} in
    up) up ;;
    down) down ;;
    *)
        sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
esac
