# make demo, make test: each needs only python3 (3.11 or newer), its venv module and make.
# Everything they install is pinned with hashes in the lock files and comes as a wheel.

PYTHON ?= python3
VENV   := .venv
PY     := $(VENV)/bin/python
JOBS   ?= $(shell nproc 2>/dev/null || echo 2)
TESTS  ?= tests

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
export PYTHONNOUSERSITE := 1
unexport PYTHONPATH PYTHONHOME

INSTALL := $(PY) -m pip install --quiet --require-hashes --only-binary :all:
# The project itself is not in the lock files: linked in place, built by the flit_core that is.
LINK    := $(PY) -m pip install --quiet --no-deps --no-index --no-build-isolation --editable .

.PHONY: help demo test check lint format types imports coverage core catalogues lock clean
.DELETE_ON_ERROR:

help:
	@echo 'make demo      two minutes: news breaks, the queue stops, a human resumes it'
	@echo 'make test      all tests (TESTS=tests/unit for some, JOBS=1 for one at a time)'
	@echo 'make check     what CI holds: lint, types, import rules, tests'
	@echo 'make coverage  the tests again with branch coverage, one at a time'
	@echo 'make core      every branch of latch, queue, gate and store rules is tried (minutes)'
	@echo 'make format    format the code      make lock  pin the newest allowed versions'
	@echo 'make clean     remove $(VENV) and the caches'

# ------------------------------------------------------------------------------- environment

$(VENV)/.made:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "$(PYTHON) not found: install Python 3.11 or newer (Debian: apt install python3 python3-venv)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$(PYTHON) is $$($(PYTHON) --version), killswitch needs 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
	  echo "$(PYTHON) has no venv module (Debian: apt install python3-venv)" >&2; exit 1; }
	@echo "==> making $(VENV) with $$($(PYTHON) --version)"
	@$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.runtime: $(VENV)/.made requirements.lock pyproject.toml
	@echo '==> installing what killswitch runs on (requirements.lock)'
	@$(INSTALL) -r requirements.lock
	@$(LINK)
	@touch $@

$(VENV)/.dev: $(VENV)/.made requirements-dev.lock pyproject.toml
	@echo '==> installing what killswitch is tested with (requirements-dev.lock)'
	@$(INSTALL) -r requirements-dev.lock
	@$(LINK)
	@touch $@

# -------------------------------------------------------------------------------------- work

demo: $(VENV)/.runtime
	@$(VENV)/bin/killswitch demo $(DEMO_OPTIONS)

test: $(VENV)/.dev
	@echo '==> tests, $(JOBS) at a time'
	@$(PY) -m pytest -n $(JOBS) $(PYTEST_OPTIONS) $(TESTS)

check: lint types imports test

lint: $(VENV)/.dev
	@echo '==> lint'
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .

format: $(VENV)/.dev
	@$(VENV)/bin/ruff check --fix-only .
	@$(VENV)/bin/ruff format .

types: $(VENV)/.dev
	@echo '==> types'
	@$(VENV)/bin/mypy

imports: $(VENV)/.dev
	@echo '==> import rules'
	@$(VENV)/bin/lint-imports

coverage: $(VENV)/.dev
	@$(VENV)/bin/coverage erase
	@$(VENV)/bin/coverage run -m pytest $(PYTEST_OPTIONS) $(TESTS)
	@$(VENV)/bin/coverage combine --quiet
	@$(VENV)/bin/coverage report

# What tests/core-coverage.toml names, 100 % of its branches; not in CI, for it costs minutes.
core: $(VENV)/.dev
	@$(VENV)/bin/coverage erase
	@$(VENV)/bin/coverage run --rcfile tests/core-coverage.toml -m pytest -q -n $(JOBS) \
	  tests/unit/latch tests/unit/queue tests/unit/desk tests/store tests/daemon
	@$(VENV)/bin/coverage combine --quiet --rcfile tests/core-coverage.toml
	@$(VENV)/bin/coverage report --rcfile tests/core-coverage.toml

# ------------------------------------------------------------------------------------ upkeep

# Needs uv, which is not in the lock files: the locks are made by a person, not by CI.
UV   ?= uv
LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command 'make lock'
# What the extra adds to requirements.lock: a lock of its own, installed beside that one.
EXTRA := import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["optional-dependencies"]["postgres"])

lock:
	$(LOCK) pyproject.toml --upgrade --group build --output-file requirements.lock
	$(PYTHON) -c '$(EXTRA)' | $(LOCK) - --upgrade \
	  --constraints requirements.lock --output-file requirements-postgres.lock
	$(LOCK) pyproject.toml --upgrade --group build --group dev --extra postgres \
	  --constraints requirements.lock --constraints requirements-postgres.lock \
	  --output-file requirements-dev.lock

# The texts that people read: .mo from .po, after new messages were written.
catalogues: $(VENV)/.dev
	@$(PY) -m tests.unit.notify.catalogue && $(PY) -m tests.unit.cli.spoken

clean:
	rm -rf $(VENV) .coverage .coverage.* .hypothesis .mypy_cache .ruff_cache .pytest_cache \
	  .import_linter_cache build dist
