# Two commands matter: `make lab` opens the tour, `make test` checks everything. `make help` lists the rest.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.NOTPARALLEL:
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV ?= .venv
PORT ?=
BROWSER ?= 1

py := $(VENV)/bin/python
tour := notebooks/00_tour.ipynb
pip_install = $(py) -m pip install -q --disable-pip-version-check --progress-bar off -c constraints.txt
# The system's Node where it is 20 or newer, else the one which pip put into the virtual environment.
use_node = if ! { node -e 'process.exit(parseInt(process.versions.node) < 20)' && command -v npm; } >/dev/null 2>&1; \
	then PATH="$(abspath $(VENV))/bin:$$PATH"; fi
say = @printf '\n== %s\n'

# The oldest Python that pyproject.toml allows. uv takes the lowest torch from PyTorch's index of CPU builds; a requirement
# in LOWEST_TORCH (torch==2.13.0, say) is taken instead from where UV_INDEX or UV_FIND_LINKS point.
LOWEST_PYTHON ?= $(shell sed -n 's/^requires-python = ">=\(.*\)"/\1/p' pyproject.toml)
LOWEST_TORCH ?=

# Where `make course` writes to.
COURSE ?= dist/course

# Every kernel and every worker of the tests imports what lies here: compiled once, whatever the surroundings say.
unexport PYTHONDONTWRITEBYTECODE

# Where `make site` writes to.
SITE ?= dist/site

# What `make quick` compares with.
BASE ?= origin/main

.PHONY: help lab test quick lint types unit vitest nbval browser hosts lowest adversary notebooks bundle watch wheel bench binder course graded site format clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo "Variables: PYTHON=python3.12  VENV=.venv  PORT=8899  BROWSER=0 (lab without opening a browser)  LOWEST_TORCH=torch==2.13.0  BASE=origin/main"

lab: $(VENV)/.lab ## install what is needed and open JupyterLab on the tour (PORT=, BROWSER=0)
	@export JUPYTER_CONFIG_PATH="$(CURDIR)/widgets/jupyter$${JUPYTER_CONFIG_PATH:+:$$JUPYTER_CONFIG_PATH}"; \
	exec $(VENV)/bin/jupyter-lab --ServerApp.ip=127.0.0.1 --ServerApp.root_dir="$(CURDIR)" \
	  --LabApp.default_url=/lab/tree/$(tour) \
	  $(if $(PORT),--ServerApp.port=$(PORT) --ServerApp.port_retries=0) $(if $(filter 0,$(BROWSER)),--no-browser) \
	  $$(if [ "$$(id -u)" -eq 0 ]; then echo --allow-root; fi)

test: lint types unit vitest nbval browser ## install what is needed and run every check
	$(say) "All checks passed"

quick: $(VENV)/.test widgets/node_modules/.installed ## the tests of what differs from BASE: no slow ones, no browser
	@base=$$(git merge-base HEAD $(BASE) 2>/dev/null || git rev-parse HEAD); \
	tests=$$($(py) tests/changed_tests.py $$base); \
	if [ -n "$$tests" ]; then \
	  OMP_NUM_THREADS=1 $(py) -m pytest -q -n auto --dist loadfile -m "not browser and not slow" $$tests || [ $$? -eq 5 ]; \
	fi; \
	$(use_node); cd widgets && npx --no-install vitest run --changed $$base

lint: $(VENV)/.test widgets/node_modules/.installed ## ruff and biome
	$(say) "Lint"
	@$(py) -m ruff check .
	@$(py) -m ruff format --check .
	@$(use_node); cd widgets && npx --no-install biome check .

types: $(VENV)/.test widgets/node_modules/.installed ## mypy and tsc
	$(say) "Types"
	@$(py) -m mypy
	@$(use_node); cd widgets && npx --no-install tsc --noEmit

unit: $(VENV)/.test ## pytest without a browser, with the coverage of deepstrf
	$(say) "Tests (Python)"
	@# One thread: the tests' tensors are small, and several threads then wait for one another (61 s against 5 s for the zoo).
	@OMP_NUM_THREADS=1 $(py) -m pytest -n auto --dist loadfile -m "not browser" --cov=deepstrf --cov-report=term --cov-fail-under=95

vitest: $(VENV)/.test widgets/node_modules/.installed ## the tests of the browser code
	$(say) "Tests (TypeScript)"
	@$(use_node); cd widgets && npm --silent test

nbval: $(VENV)/.test ## run the notebooks and compare with their stored outputs
	$(say) "Notebooks against their stored outputs"
	@OMP_NUM_THREADS=1 $(py) -m pytest --nbval -n auto --dist loadfile notebooks

browser: $(VENV)/.test ## drive JupyterLab in Chromium (screenshots go to artefacts/)
	$(say) "Browser tests"
	@if chromium=$$(tests/browser/install_chromium.sh); then \
	  CHROMIUM="$$chromium" $(py) -m pytest tests/browser; \
	elif [ "$${CI:-}" = true ]; then \
	  echo "CI must run the browser tests: there is no Chromium" >&2; exit 1; \
	else \
	  printf '!!! %s\n' "BROWSER TESTS SKIPPED: there is no Chromium" "see above what to install" >&2; \
	fi

hosts: $(VENV)/.test ## the bench in Notebook 7, Voila and marimo, and 20 x Run All with the processor slowed
	@export CHROMIUM="$$(tests/browser/install_chromium.sh)"; \
	FIGURES=whole $(py) -m pytest tests/browser/test_hosts.py tests/browser/test_figures.py

lowest: $(py) ## the Python tests with the lowest versions that pyproject.toml allows, in an environment of their own
	$(say) "Tests with the lowest versions on Python $(LOWEST_PYTHON)"
	@$(pip_install) uv
	@$(VENV)/bin/uv venv -q --clear --python $(LOWEST_PYTHON) $(VENV)/lowest
	@$(VENV)/bin/uv pip install -q --python $(VENV)/lowest/bin/python --resolution lowest-direct \
	  $(or $(LOWEST_TORCH),--torch-backend cpu) -e '.[test]'
	@# Old packages warn that newer ones which they import have moved on: not our warnings.
	@OMP_NUM_THREADS=1 $(VENV)/lowest/bin/python -m pytest -n auto --dist loadfile -m "not browser" \
	  -W default::DeprecationWarning $(addprefix --ignore tests/,browser benchmarks notebooks packaging widgets/test_bundle.py)

adversary: $(VENV)/.test ## hostile files, threads, interrupts and two programs, the whole of it (about half an hour on two idle cores; `make test` has a share)
	@# Tests and doors side by side, one on each core; what the tests print is shown at the end.
	@OMP_NUM_THREADS=1 ADVERSARY=whole $(py) -m pytest -n auto --dist load -rP tests/adversary
	@OMP_NUM_THREADS=1 $(py) tests/adversary/campaign.py
	@OMP_NUM_THREADS=1 $(py) tests/adversary/two_programs.py --seconds 60

notebooks: $(VENV)/.test ## run the notebooks and store their outputs
	@$(py) tests/store_notebooks.py notebooks/*.ipynb

bundle: $(VENV)/.test widgets/node_modules/.installed ## rebuild the widgets' bundle
	@$(py) widgets/export_registry.py
	@$(use_node); cd widgets && npm --silent run build

watch: $(VENV)/.test widgets/node_modules/.installed ## rebuild the bundle after every change; notebooks of ANYWIDGET_HMR=1 make lab follow
	@$(use_node); cd widgets && npm --silent run watch

wheel: $(VENV)/.test ## build the wheel into dist/
	@$(py) -m build --wheel

bench: $(VENV)/.test ## measure a drag in JupyterLab and the kernels' memory
	@$(py) tests/benchmarks/bench_memory.py
	@export CHROMIUM="$$(tests/browser/install_chromium.sh)"; $(py) tests/benchmarks/bench_drag.py

binder: $(VENV)/.test ## do what Binder does with the last commit, in a new environment; memory of each notebook
	@export CHROMIUM="$$(tests/browser/install_chromium.sh)"; $(py) tests/packaging/rehearse_binder.py

course: $(VENV)/.lab ## write the course's versions for students, lecturers and nbgrader into COURSE (dist/course)
	@cd notebooks && ../$(py) -m course.make_course "$(abspath $(COURSE))"
	$(say) "student/, instructor/ and nbgrader/ are in $(COURSE)"

graded: $(VENV)/.test ## give out and mark every lesson with nbgrader, in an environment with the extra `course`
	@$(pip_install) -e '.[course]'
	@COURSE=whole $(py) -m pytest -q tests/notebooks/test_nbgrader.py

site: $(VENV)/.lab ## write the static site (live bench, course, API reference) into SITE (dist/site)
	@$(pip_install) -e '.[site]'
	@OMP_NUM_THREADS=1 $(py) docs/make_site.py "$(abspath $(SITE))"

format: $(VENV)/.test widgets/node_modules/.installed ## format Python and TypeScript
	@$(py) -m ruff check --fix . && $(py) -m ruff format .
	@$(use_node); cd widgets && npx --no-install biome check --write .

clean: ## remove everything that the other commands made
	rm -rf $(VENV) widgets/node_modules dist artefacts .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(py):
	@command -v "$(PYTHON)" >/dev/null || \
	  { echo "No $(PYTHON) here: install Python 3.11 or newer (Debian: apt-get install python3 python3-venv)" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed, $(PYTHON) is $$("$(PYTHON)" -V); name another with PYTHON=" >&2; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "Python's venv is incomplete (Debian: apt-get install python3-venv)" >&2; exit 1; }
	$(say) "Making $(VENV)"
	@"$(PYTHON)" -m venv "$(VENV)"
	@$(pip_install) "$$(grep '^pip==' constraints.txt)"  # an old pip takes very long to choose

$(VENV)/.torch: constraints.txt | $(py)
	$(say) "Installing torch (some hundred MB, without a word for a minute or two)"
	@# Debian's own pip searches for hours where a newer one resolves the pins at once.
	@$(py) -m pip install -q --disable-pip-version-check --progress-bar off -U 'pip>=25'
	@$(pip_install) "$$(grep '^torch==' constraints.txt)"
	@touch $@

$(VENV)/.lab: $(VENV)/.torch pyproject.toml
	$(say) "Installing deepstrf-lab and JupyterLab"
	@$(pip_install) -e '.[lab]'
	@touch $@

$(VENV)/.test: $(VENV)/.torch pyproject.toml
	$(say) "Installing deepstrf-lab, JupyterLab and the test tools"
	@$(pip_install) -e '.[test]'
	@touch $(VENV)/.lab $@

widgets/node_modules/.installed: widgets/package.json widgets/package-lock.json | $(VENV)/.test
	$(say) "Installing the build tools of the browser code"
	@$(use_node); cd widgets && npm ci --silent --no-fund --no-audit
	@touch $@
