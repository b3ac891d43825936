# Everything a contributor runs. Each target sets up what it needs, so that any of them works on a fresh clone.
PYTHON ?= python3
BIN := .venv/bin
SHELL := /bin/bash

# Tests side by side, a file at a time. What hangs is ended and told by name: a check that somebody else has to end tells
# nothing.
PARALLEL := -n auto --dist loadfile
BOUNDED := --maxfail 25 --timeout 300 --session-timeout 2400

.DEFAULT_GOAL := help
.PHONY: help setup run demo test test-duckdb2 test-quack check format agent wheel bench soak screenshots clean

help: ## show this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.venv/run.stamp: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	touch $@

.venv/dev.stamp: .venv/run.stamp
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	touch $@

setup: .venv/dev.stamp ## make .venv with all that development needs

run: .venv/run.stamp ## the server and an agent for this machine, with a password for a first look
	$(BIN)/proxmon first-look

demo: .venv/run.stamp ## the server with a simulated fleet
	$(BIN)/proxmon demo

test: setup ## every test
	$(BIN)/pytest $(PARALLEL) $(BOUNDED)

.venv/duckdb2/stamp: .venv/dev.stamp
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --upgrade --target .venv/duckdb2 'duckdb>=2,<3'
	touch $@

test-duckdb2: .venv/duckdb2/stamp ## the store's tests and those of SQL over HTTP, on DuckDB 2
	PYTHONPATH=.venv/duckdb2 $(BIN)/pytest $(PARALLEL) $(BOUNDED) tests/storage tests/contract/test_query.py

.venv/quack/stamp: .venv/dev.stamp
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --upgrade --target .venv/quack \
	    duckdb==1.5.5 duckdb-extension-httpfs==1.5.5 duckdb-extension-quack==1.5.5
	touch $@

test-quack: .venv/quack/stamp ## the tests of ATTACH, on the DuckDB that Quack's extension fits
	PYTHONPATH=.venv/quack $(BIN)/pytest $(BOUNDED) tests/storage/test_quack.py tests/contract/test_quack.py

check: setup ## linters, types and every test: what CI runs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright
	$(BIN)/vermin --quiet --no-tips --eval-annotations --target=3.9- proxmon/agent
	@if command -v shellcheck >/dev/null; then shellcheck proxmon/assets/install.sh .ci/run; else echo 'shellcheck is not installed: apt install shellcheck' >&2; exit 1; fi
	$(BIN)/hadolint deploy/Dockerfile
	$(BIN)/pytest $(PARALLEL) $(BOUNDED)

format: setup ## put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

agent: .venv/run.stamp ## build the agent's single file into dist/
	mkdir -p dist
	$(BIN)/python -m proxmon.agent_bundle dist/proxmon-agent.pyz

# Whatever an earlier build left below build/lib would be in it.
wheel: .venv/run.stamp ## build the wheel that a server installs into dist/
	rm -rf build/lib
	$(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .

bench: setup ## measure, and print a table
	$(BIN)/python -m tools.bench

# The hour of a notebook asks how soon samples are seen, so nothing else runs beside it.
soak: setup ## the long tests: kill loops, fuzzing at length, then an hour of a notebook beside a server
	PROXMON_SOAK=1 $(BIN)/pytest $(PARALLEL) --ignore tests/contract/test_soak.py
	PROXMON_SOAK=1 $(BIN)/pytest tests/contract/test_soak.py

screenshots: setup ## the README's pictures, from the demo
	$(BIN)/python -m tools.screenshots docs/images

clean: ## remove what was built
	rm -rf .venv build dist ./*.egg-info
