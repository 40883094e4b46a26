# What a newcomer types. `make run` and `make test` set up what is missing first; a second run is instant.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3 || echo python3.11)
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
TESTABLE := $(VENV)/.testable
# The environment, its downloads, and the page's tools.
DISK_MIB_MIN := 2000
# What keeps pip from installing has to be said once.
PIP_FAILED := the packages could not be installed: if the lines above speak of connections, check the network \
  and pip's settings (a proxy, an index); then run it again

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help setup page run test test-fast lint web-test clean

help: ## Show this
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(TESTABLE) page ## Make the environment in .venv and build the page

page: $(INSTALLED)
	@$(BIN)/python -m livecomments.web

run: page ## Start everything, play a real chat log (LOG=file.jsonl.gz) or a made-up crowd, say where to look
	@exec $(BIN)/livecomments demo $(if $(LOG),--log '$(LOG)') $(ARGS)

test: lint web-test ## Run every test
	$(BIN)/python -m pytest $(ARGS)

test-fast: setup ## Run the tests that start no servers
	$(BIN)/python -m pytest -m 'not integration' $(ARGS)

lint: setup ## Check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

web-test: setup
	@$(BIN)/python -m livecomments.web --test

clean: ## Remove what was built; keep data and downloads
	rm -rf $(VENV) web/node_modules edge/static build dist *.egg-info .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What a stack needs: with the tests' packages the first `make run` would take twice as long.
$(INSTALLED): requirements.lock requirements-stack.lock pyproject.toml
	@say() { echo "make: $$*" >&2; exit 1; }; \
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null \
	  || say "Python 3.11 is missing: install it, or name it: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; \
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || say "$(PYTHON) cannot make environments: install its venv module (Debian: python3.11-venv)"; \
	free=$$(df -Pk . | awk 'NR == 2 {print int($$4 / 1024)}'); \
	[ "$$free" -ge $(DISK_MIB_MIN) ] || [ -x $(BIN)/python ] \
	  || say "$$free MiB of disk are free here, and $(DISK_MIB_MIN) are needed: free some"; \
	[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV) || say "$(VENV) could not be made: see above"; \
	echo "installing into $(VENV) (about 520 MB, once) …"; \
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock -r requirements-stack.lock \
	  || say "$(PIP_FAILED)"; \
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable . \
	  || say "livecomments itself could not be installed: see above"; \
	touch $@

$(TESTABLE): $(INSTALLED) requirements-dev.lock
	@echo "installing what tests and analysts' tools need (about 600 MB, once) …"; \
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock \
	  || { echo "make: $(PIP_FAILED)" >&2; exit 1; }; \
	touch $@
