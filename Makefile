# Every target works on a fresh clone with git, make and Python >= 3.11; uv is brought in by the Makefile itself.
SHELL := /bin/sh
PYTHON ?= python3
UV_VERSION := 0.13.9
TOOLS := .tools
# A uv on PATH is used as it is; otherwise a private one is installed under .tools (nothing outside this folder changes).
UV := $(shell command -v uv 2>/dev/null || echo $(TOOLS)/bin/uv)
BIN := .venv/bin
# Work on a clone must not depend on, or write to, another checkout's environment.
unexport VIRTUAL_ENV UV_PROJECT_ENVIRONMENT PYTHONPATH PYTHONHOME
# uv trusts the certificates this machine trusts, as git and pip do (company proxies).
export UV_SYSTEM_CERTS ?= 1
# Compiled once at installation: the first start of every command is as fast as the next.
export UV_COMPILE_BYTECODE ?= 1
# The gates ask the same uv whether the lock is current.
export UV

.DEFAULT_GOAL := help

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-8s %s\n", $$1, $$2}'

$(TOOLS)/bin/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed (make PYTHON=/path/to/python3)"; exit 2; }
	@echo "bringing in uv $(UV_VERSION) under $(TOOLS)/"
	@$(PYTHON) -m venv $(TOOLS) && $(TOOLS)/bin/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

$(BIN)/.synced: pyproject.toml uv.lock $(wildcard packages/*/pyproject.toml) | $(filter $(TOOLS)/bin/uv,$(UV))
	@$(UV) sync --quiet --frozen --python $(PYTHON)
	@# uv compiles what it installs, not this workspace's own sources: their first run would write beside them.
	@$(BIN)/python -m compileall -q packages/*/src
	@touch $@

sync: $(BIN)/.synced ## install everything into .venv

demo: $(BIN)/.synced ## the main job: a forbidden write, undone, kept, brought back
	@$(BIN)/spec-kitty demo

check: $(BIN)/.synced ## the gates alone: format, lint, types, architecture, dependencies, generated docs
	@sh tools/check.sh

test: check ## every gate and every test
	@sh tools/test.sh

e2e: $(BIN)/.synced ## real tools beside ours: upstream's own command line and ours share one board
	@$(BIN)/python -m pytest tests/e2e/shares_upstreams_board.py

bench: $(BIN)/.synced ## every benchmark, as tables
	@sh benchmarks/run.sh

MINUTES ?= 10
# An environment of its own: the fuzzer is nothing that `make sync` should bring.
soak: | $(filter $(TOOLS)/bin/uv,$(UV)) ## both parsers against a coverage-guided fuzzer, for MINUTES=10
	@UV_PROJECT_ENVIRONMENT=$(TOOLS)/soak $(UV) sync --quiet --frozen --no-default-groups --group soak --python $(PYTHON)
	@$(TOOLS)/soak/bin/python tests/soak/run.py --minutes $(MINUTES)

clean: ## remove what make made
	rm -rf .venv $(TOOLS) .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage* dist

.PHONY: help sync demo check test e2e bench soak clean
