# Slipway. `make` alone says what there is; every target sets up what it needs first.
.DEFAULT_GOAL := help
.SUFFIXES:
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DONE := $(VENV)/.done

# Where `make run` listens and keeps its data.
PORT ?= 8000
SLIPWAY_DATA ?= $(CURDIR)/.data
export PORT SLIPWAY_DATA

# An account without a home keeps its caches beside the code.
ifeq ($(strip $(HOME)),)
export HOME := $(CURDIR)/.home
endif

# Node and Go come from wheels where the machine has none.
NODE_LOCK := $(if $(shell command -v npm),,requirements/node.txt)
GO_LOCK := $(if $(shell command -v go || { command -v pulumi && command -v opa; }),,requirements/go.txt)
LOCKS := requirements/dev.txt requirements/uv.txt $(NODE_LOCK) $(GO_LOCK)
UV := UV_PYTHON_DOWNLOADS=never UV_SYSTEM_CERTS=true VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv
COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --no-header
SAY := @printf '==> %s\n'

# Tests see nobody's own git settings, and nothing of a Slipway that runs here.
CLEAN := env -u PORT -u SLIPWAY_DATA GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
# A file's tests share what they started, so a file stays in one process.
PARALLEL := -n auto --maxprocesses=4 --dist loadfile
# Suites with a target of their own.
APART := --ignore=tests/bench --ignore=tests/interop
ARGS ?=

.PHONY: help
help: ## Say what there is to make
	@echo 'Slipway: make TARGET'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  %-12s %s\n", $$1, $$2 }'
	@echo 'Variables: PORT=$(PORT) SLIPWAY_DATA=$(SLIPWAY_DATA) ARGS="more arguments" PYTHON=$(PYTHON)'

.PHONY: setup
setup: $(DONE)/project portal/static/manifest.json ## Set up everything that running needs; a second time takes a second
	@$(BIN)/python -P -m workers.doctor.provide
	@$(MAKE) --no-print-directory --quiet $(DONE)/policies $(DONE)/curated

.PHONY: run
run: setup ## Start all of Slipway; Ctrl-C stops it (PORT=, SLIPWAY_DATA=, ARGS=--no-demo)
	@exec $(BIN)/python -P -m workers.embedded $(ARGS)

.PHONY: test-setup
test-setup: setup
	@$(BIN)/python -P -m workers.doctor.provide --for-tests

.PHONY: test
test: test-setup ## Run the tests, journeys in a browser included (ARGS="-k word")
	$(CLEAN) $(BIN)/python -m pytest $(PARALLEL) $(APART) $(ARGS)

.PHONY: quick
quick: $(DONE)/project portal/static/manifest.json ## Run the tests that need neither the engine nor a browser and are not slow by their nature
	$(CLEAN) $(BIN)/python -m pytest $(PARALLEL) $(APART) -m 'not engine and not browser and not slow' $(ARGS)

.PHONY: interop
interop: test-setup ## Run the tests against real clients that take long to build (oras, cosign, actionlint, syft, cdxgen, a registry, object storage, Docker, Kubernetes, control groups)
	@$(BIN)/python -P -m workers.toolchain oras cosign actionlint syft cdxgen registry versitygw \
	  kube-apiserver kube-controller-manager kwok >/dev/null
	$(CLEAN) $(BIN)/python -m pytest tests/interop $(ARGS)

.PHONY: golden
golden: $(DONE)/project portal/static/manifest.json ## Record new events and additions to the API, copy what curated assets share
	$(CLEAN) $(BIN)/python tests/contracts/events/test_golden.py
	$(CLEAN) $(BIN)/python -m pytest -q tests/contracts/openapi --accept-api
	$(CLEAN) $(BIN)/python -m tests.blueprints.golden

.PHONY: bench
bench: test-setup ## Measure: ratios to bare tools, start-up time, memory
	for script in tests/bench/bench_*.py; do $(BIN)/python $$script || exit 1; done

.PHONY: lint
lint: $(DONE)/project ## Check style, format and which module may import which
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

.PHONY: types
types: $(DONE)/project ## Check types
	$(BIN)/mypy

.PHONY: migration
migration: $(DONE)/project ## Draft a migration from the table classes (NAME="add something")
	@test -n "$(NAME)" || { echo 'make migration NAME="add something"' >&2; exit 2; }
	@$(CLEAN) $(BIN)/python -m workers.embedded.new_migration "$(NAME)"

.PHONY: lock
lock: $(DONE)/uv ## Bring the locks of Python packages up to date with pyproject.toml (ARGS=--upgrade)
	@$(COMPILE) --extra dev pyproject.toml -o requirements/dev.txt $(ARGS)
	@$(COMPILE) pyproject.toml -c requirements/dev.txt -o requirements/run.txt

.PHONY: check
check: lint types test ## Exactly what continuous integration runs

$(DONE)/uv: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'Slipway needs Python 3.11 or newer as $(PYTHON); another one: make PYTHON=/path/to/python3.12' >&2; exit 1; }
	$(SAY) 'Making the virtual environment $(VENV)'
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo 'This Python cannot make virtual environments. Debian, Ubuntu: apt install python3-venv' >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@mkdir -p $(DONE) && touch $@

$(DONE)/packages: $(DONE)/uv $(LOCKS)
	$(SAY) 'Installing the locked packages (a minute the first time)'
	@$(UV) pip sync --quiet --require-hashes $(LOCKS)
	@touch $@

$(DONE)/project: $(DONE)/packages pyproject.toml
	$(SAY) 'Installing Slipway itself, editable'
	@$(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# What decides about a compiled bundle; workers compile again whatever is not found as it is now.
$(DONE)/policies: $(DONE)/project $(shell find blueprints/policies workers/policy_compiler catalog/policies/engine -type f -not -name '*.pyc')
	@$(BIN)/python -P -m workers.policy_compiler.curated
	@touch $@

# Packed and signed where they are built; installations verify that before they publish them.
$(DONE)/curated: $(DONE)/project $(shell find blueprints -type f -not -name '*.pyc') portal/cli/packing.py
	@$(BIN)/slipway asset pack blueprints --output build/curated
	@touch $@

portal/static/manifest.json: $(DONE)/project package.json package-lock.json portal/build_static.py $(shell find portal/assets -type f 2>/dev/null)
	$(SAY) 'Building the front-end files'
	@PATH="$(CURDIR)/$(BIN):$$PATH" NODE_USE_SYSTEM_CA=1 $(BIN)/python -P -m portal.build_static
	@touch $@
