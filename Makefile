# The same targets for people and CI. Everything runs from .venv: `make run` installs what the system needs
# (requirements.lock), `make install` what tests and benches need as well (requirements-dev.lock).
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check
RUNTIME := $(VENV)/.runtime
STAMP  := $(VENV)/.installed
DATA   ?= data
# Test processes: each runs servers beside itself, so one less than there are cores, but three; more than four wait for the longest file.
WORKERS ?= $(shell $(PYTHON) -c 'import os; print(min(4, max(3, (os.cpu_count() or 2) - 1)))')
COMPILE := uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet

# Tests start hundreds of processes: without compiled modules each compiles our sources again, half a second of processor.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run install test lint bench e2e-ops fuzz soak faults faults-mutants exchange-faults docs web audit lock clean help

help:            ## what there is
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed 's/:.*##/ —/'

$(RUNTIME): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "marketprism needs Python 3.11 or newer: make install PYTHON=python3.11")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --requirement requirements.lock
	$(PIP) --no-deps --no-build-isolation --editable .
	@touch $(RUNTIME)

$(STAMP): $(RUNTIME) requirements-dev.lock
	$(PIP) --requirement requirements-dev.lock
	@touch $(STAMP)

install: $(STAMP)  ## make .venv with all that tests and benches need, pinned by requirements-dev.lock

run: $(RUNTIME)  ## everything on the embedded default until Ctrl-C; data stays in ./data
	@exec $(BIN)/marketprism up --data $(DATA)

test: install    ## every test kind that fits in 15 minutes on two cores
	$(BIN)/python -m pytest tests -n $(WORKERS) --dist loadfile --no-loadscope-reorder

lint: install    ## ruff, mypy strict, and every SQL file for looks into the future
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/marketprism lint-sql

bench: install   ## figures of the documents, printed as ratios
	$(BIN)/python -m tests.bench

e2e-ops: install ## faults in a running system: each alert fires and resolves at a real Alertmanager's receiver
	$(BIN)/python -m tests.ops

fuzz: install    ## a million mutated frames, requests and exchange payloads; N=1000000 by default
	$(BIN)/python -m tests.fuzz --inputs $(or $(N),1000000)

soak: install    ## HOURS of market time at 20x with random faults: memory flat, parts bounded, nothing lost or doubled
	$(BIN)/python -m tests.soak --hours $(or $(HOURS),24)

faults: install  ## kill and restart schedules; N=200 by default
	$(BIN)/python -m tests.faults --schedules $(or $(N),200)

faults-mutants: install  ## the fault plan must fail for each way in which delivery can be broken
	$(BIN)/python -m tests.faults.mutants

exchange-faults: install ## misbehaving exchanges; SEEDS=20 by default
	$(BIN)/python -m tests.faults.exchange_plan --seeds $(or $(SEEDS),20)
	$(BIN)/python -m tests.faults.follower_plan --seeds $(or $(SEEDS),20)

web:             ## take the page's chart library from npm again; needed only to update it
	monitors/web/rebuild_vendor.sh

docs: install    ## the pages that are made from the code
	$(BIN)/marketprism settings --markdown > docs/settings.md
	$(BIN)/python -m marketprism.migrate --snapshot
	$(BIN)/python -m marketprism.catalogue --write

audit:           ## known vulnerabilities of what the lock files pin; needs the advisory database of the internet
	test -x .venv-audit/bin/pip-audit || ($(PYTHON) -m venv .venv-audit && .venv-audit/bin/pip install --quiet pip-audit==2.10.1)
	.venv-audit/bin/pip-audit --strict --disable-pip --require-hashes --requirement requirements-dev.lock

lock:            ## resolve pyproject.toml into both lock files (needs uv)
	$(COMPILE) --extra build --extra jobs --output-file requirements.lock
	$(COMPILE) --extra dev --constraint requirements.lock --output-file requirements-dev.lock

clean:
	rm -rf $(VENV) .venv-audit .pytest_cache .mypy_cache .ruff_cache
