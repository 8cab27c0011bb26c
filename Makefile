# Everything runs in .venv, from the hash-locked list: nothing needs to be activated, nothing else is installed.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
# Each is tried by running it: a launcher on the PATH may stand for a Python that is not there.
PYTHONS := $(PYTHON) python3.13 python3.12 python3.11 python3
LOCK_ENV := build/lock-env
COMPILE := $(LOCK_ENV)/bin/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command "make lock" $(ARGS)

.PHONY: help env demo demo-shop test cluster soak lint bench docs lock clean java

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

env: java $(VENV)/.jars  ## make .venv from the lock, install the project, fetch Delta's jars

demo: env  ## run the whole chain on nine months of real orders
	@$(BIN)/affinity demo

demo-shop: env  ## simulate a shop with planted truth, run the chain on it, and hold it against the truth
	@$(BIN)/affinity demo-shop

test: lint  ## lint, then the tests (ARGS="-k rules" chooses)
	@$(BIN)/python -m pytest -n 2 -m "not cluster and not slow" $(ARGS)

cluster: env  ## the chain by spark-submit on a standalone master and two workers, compared with a local run
	@$(BIN)/python -m pytest -m cluster $(ARGS)

soak: env  ## the long tests: drivers that race for one table, executors that are killed, slowed and stopped
	@$(BIN)/python -m pytest -m "slow and not cluster" $(ARGS)

lint: env  ## ruff, mypy and the import contracts
	@$(BIN)/ruff check --quiet --output-format concise
	@$(BIN)/ruff format --check --quiet --output-format concise || { echo "Not formatted: run $(BIN)/ruff format"; exit 1; }
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

bench: env  ## measure against the peers (ARGS chooses rows)
	@$(BIN)/python -m tests.bench $(ARGS)

docs: env  ## write the generated pages of docs/ and the Airflow DAG anew
	@$(BIN)/affinity docs
	@mkdir -p build && $(BIN)/affinity dag >build/affinity_dag.py && mv build/affinity_dag.py deploy/airflow/affinity_dag.py

lock: $(LOCK_ENV)/bin/uv  ## renew the locks from pyproject.toml (ARGS=--upgrade moves every pin)
	@$(COMPILE) --group dev --output-file requirements-dev.lock
	@$(COMPILE) --constraints requirements-dev.lock --output-file requirements.lock
	@grep -c == requirements.lock requirements-dev.lock

clean:  ## remove .venv, caches and build outputs; tables under .affinity stay
	@rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache spark-warehouse
	@find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +

java:
	@java="$${JAVA_HOME:+$$JAVA_HOME/bin/}java"; \
	found=$$("$$java" -version 2>&1 | sed -nE 's/.* version "([0-9]+).*/\1/p' || true); \
	case "$$found" in 17|21) ;; *) \
		echo "Affinity needs Java 17 or 21 (found: $${found:-none}): install openjdk-17-jre-headless or openjdk-21-jre-headless," \
			"or point JAVA_HOME at one." >&2; exit 1;; esac

$(BIN)/python:
	@for python in $(PYTHONS); do \
		if "$$python" -c 'import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; \
		then exec "$$python" -m venv $(VENV); fi; \
	done; \
	echo "Affinity needs Python 3.11, 3.12 or 3.13 with its venv module: install python3 and python3-venv, or say make PYTHON=/path/to/python3.12." >&2; \
	exit 1

# A stamp per step: each is done again when what it was made from changes.
$(VENV)/.locked: requirements-dev.lock | $(BIN)/python
	@echo "Installing $$(grep -c == $<) locked packages into $(VENV) (2 GB; some minutes) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	@touch $@

$(VENV)/.installed: pyproject.toml $(VENV)/.locked
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.jars: conf/spark/jars.sha256 $(VENV)/.installed
	@$(BIN)/python -m affinity.io.jars
	@touch $@

$(LOCK_ENV)/bin/uv: | $(BIN)/python
	@$(BIN)/python -m venv $(LOCK_ENV)
	@$(LOCK_ENV)/bin/python -m pip install --quiet --disable-pip-version-check uv
