# Two commands to try it: `make demo`, `make dev`. `make help` lists the rest.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STACK ?= .stack
LOAD ?= 0
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help demo dev test test-operator coverage chaos e2e e2e-idle e2e-deletion operator-scale chart-docs machine node-machine check lint fmt lock docs screenshots bench bench-memory bench-stack demo-stack dev-stack stack-up stack-down stack-status node-up node-down node-image clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/embedded.stamp ## Start the whole system, tell one true story with real requests, stop it
	@$(BIN)/chat4all demo

dev: $(VENV)/embedded.stamp ## Run the whole system on http://localhost:8000 (ARGS=--fresh starts clean)
	@$(BIN)/chat4all dev $(ARGS)

test: machine $(VENV)/dev.stamp ## Every test tier, with a summary (LOAD=n: beside n busy loops; E2E=1: the cluster's too)
	@$(BIN)/python hack/tiers.py all --load $(LOAD)

test-operator: machine $(VENV)/dev.stamp ## Resources on a real API server, without a node; part of `make test`
	@PROOF=long $(BIN)/python hack/tiers.py operator

coverage: machine $(VENV)/dev.stamp ## The same, every process measured: half an hour
	@$(BIN)/python hack/tiers.py all --coverage

chaos: machine $(VENV)/dev.stamp ## The long proofs, of which `make test` has short ones (CHAOS_SEED=n: other faults)
	@PROOF=long $(BIN)/python hack/tiers.py chaos

e2e: node-machine machine $(VENV)/dev.stamp ## The chart on a real Kubernetes node, whole (NODE=folder: on one that runs)
	@PROOF=long $(BIN)/python hack/tiers.py e2e

e2e-idle: node-machine machine $(VENV)/dev.stamp ## The same at length: sockets that are silent for six minutes, thirty people
	@PROOF=long E2E_IDLE_SECONDS=360 E2E_PAIRS=15 E2E_PAUSE_SECONDS=60 $(BIN)/python hack/tiers.py e2e

e2e-deletion: node-machine machine $(VENV)/dev.stamp ## The same with fifty connectors for each order of going
	@PROOF=long E2E_CONNECTORS=50 $(BIN)/python hack/tiers.py e2e

machine:
	@hack/machine.sh

node-machine:
	@E2E=1 hack/machine.sh

check: $(VENV)/dev.stamp ## The inner loop, under two minutes: lint, unit, embedded contract
	@$(MAKE) --no-print-directory lint
	@$(BIN)/python hack/tiers.py unit contract

lint: $(VENV)/dev.stamp ## ruff, mypy strict, import contracts, drift of locks and generated docs
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python hack/drift.py

chart-docs: $(VENV)/dev.stamp ## Write the chart's page again, from its values (needs what make node-up builds)
	@PATH="$$($(BIN)/python -m hack.node path):$$PATH" helm-docs --chart-search-root charts/chat4all --log-level error

fmt: $(VENV)/dev.stamp ## Format, and fix what can be fixed by machine
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: $(VENV)/dev.stamp ## Write again the pages that are made from the code
	@$(BIN)/python hack/drift.py --write

lock: $(VENV)/dev.stamp ## Resolve the dependencies again (UPGRADE=--upgrade for newer ones)
	@$(BIN)/python hack/lock.py $(UPGRADE)

screenshots: $(VENV)/dev.stamp ## Take the pictures in docs/screenshots again (needs chromium)
	@$(BIN)/python hack/screenshots.py

bench: $(VENV)/dev.stamp ## Measure beside floors, three runs of each, and write docs/performance.md: ten minutes
	@$(BIN)/python -m bench

bench-stack: $(VENV)/dev.stamp ## Measure on real engines beside their own clients, into the same page: five minutes
	@$(BIN)/python -m bench stack-throughput stack-delivery

bench-memory: $(VENV)/dev.stamp ## Memory over 100,000 messages and half an hour, into the same page
	@$(BIN)/python -m bench memory

operator-scale: $(VENV)/dev.stamp ## The operator with 1,000 connectors beside 1,000 ConfigMaps, into the same page: five minutes
	@$(BIN)/python -m bench operator-scale

demo-stack: $(VENV)/dev.stamp ## The stories of the demo on real engines, a process per role; two minutes
	@$(BIN)/python -m chat4all_devtools.stack.demo

dev-stack: $(VENV)/dev.stamp ## A process per role on the stack, on http://localhost:8000
	@$(BIN)/python -m chat4all_devtools.stack.dev --folder $(STACK)

stack-up: $(VENV)/dev.stamp ## Start Kafka, Cassandra, PostgreSQL, Redis and MinIO in the background (STACK=folder)
	@$(BIN)/python -m chat4all_devtools.stack up --folder $(STACK)

stack-down: $(VENV)/dev.stamp ## Stop them; their data stays
	@$(BIN)/python -m chat4all_devtools.stack down --folder $(STACK)

stack-status: $(VENV)/dev.stamp ## How each of them is, and where
	@$(BIN)/python -m chat4all_devtools.stack status --folder $(STACK)

node-up: node-machine $(VENV)/dev.stamp ## Start a real Kubernetes node, without a container engine (NODE=folder); root
	@$(BIN)/python -m hack.node up --folder $(or $(NODE),.node)

node-down: $(VENV)/dev.stamp ## End it, and leave nothing of it but what was built
	@$(BIN)/python -m hack.node down --folder $(or $(NODE),.node)

node-image: $(VENV)/dev.stamp ## Build the image from the Dockerfile and load it into the node, as localhost/chat4all:dev
	@$(BIN)/python -m hack.node image --folder $(or $(NODE),.node)

clean: ## Remove the environment and the caches; ./data stays
	@rm -rf $(VENV) .mypy_cache .ruff_cache .hypothesis .coverage .coverage.*

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Chat4All needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { hack/machine.sh python3-venv && $(PYTHON) -c 'import ensurepip'; } || \
	  { echo "'$(PYTHON)' has no venv module. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Making $(VENV) (once) ..."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/embedded.stamp: requirements/embedded.lock pyproject.toml | $(BIN)/python
	@echo "Installing what the system needs, pinned by hash (once) ..."
	@$(PIP) install --require-hashes --no-deps -r requirements/embedded.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.lock $(VENV)/embedded.stamp
	@echo "Installing what the tests need, pinned by hash (once) ..."
	@$(PIP) install --require-hashes --no-deps -r requirements/dev.lock
	@touch $@
