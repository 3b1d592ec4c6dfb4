# flownb: every target needs Python 3.11+, git and make, nothing else (Node comes from PyPI if need be).
#
#   make setup      the virtual environment, the front end and the extension; all other targets do this first
#   make quick      at most 2 minutes on 2 cores: `check`, and the fast tests; run it before each commit
#   make test       everything that must pass: `check`, all tests, both notebooks, the wheel; .ci/run does the same
#   make headless   all tests except those in a browser
#   make check      linters, types, layers of imports; the front end's linters and tests
#   make torch      install PyTorch and run the tests that are skipped without it
#   make coverage   line and branch coverage of `headless`, subprocesses included: build/coverage/html/index.html
#   make bench      speed and memory beside named peers and the machine's limits; NAMES="start foreach" selects
#   make bench-compare REV=main    the build of REV and this one in turn, row by row; NAMES selects here, too
#   make demo lab   the real notebook from a run to flow.py on Metaflow; JupyterLab on the tutorial
#   make dist       wheel and source distribution in dist/, and the tests of that wheel
#   make clean      remove all that these targets made
#
# PYTHON is the Python to make the environment with, VENV its folder, JOBS the number of processes that run tests,
# PYTEST_ARGS what pytest gets in addition: make quick PYTEST_ARGS="-k foreach -x".
PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
PYTEST_ARGS ?=
BIN := $(VENV)/bin
PYTEST_OPTIONS = -n $(JOBS) --dist worksteal $(PYTEST_ARGS)
PYTEST = $(BIN)/python -m pytest $(PYTEST_OPTIONS)
export JUPYTER_PLATFORM_DIRS := 1

.PHONY: bench bench-compare check clean coverage demo dist headless lab quick setup test torch

# JupyterLab reads the extension from the environment's share/jupyter; pip puts it there once, and a rebuilt one is copied.
LABEXTENSION := flownb/labextension/package.json
INSTALLED_LABEXTENSION := $(VENV)/share/jupyter/labextensions/flownb
LABEXTENSION_SOURCES := $(shell find labextension -name node_modules -prune -o -name lib -prune -o \
  -type f ! -name '*.tsbuildinfo' -print)
NPM := sh labextension/npm.sh $(VENV)

setup: $(VENV)/.installed $(VENV)/.labextension

$(VENV)/.tools: constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "flownb needs Python 3.11 or later; set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt 'jupyter-builder>=1.2,<2'
	@touch $@

labextension/node_modules/.package-lock.json: labextension/package-lock.json | $(VENV)/.tools
	$(NPM) ci
	@touch $@

$(LABEXTENSION): $(LABEXTENSION_SOURCES) labextension/node_modules/.package-lock.json
	$(NPM) run build:prod
	@touch $@

# The hook builds the extension again for an editable install, whether it is there or not.
$(VENV)/.installed: pyproject.toml constraints.txt $(VENV)/.tools | $(LABEXTENSION)
	HATCH_JUPYTER_BUILDER_SKIP_NPM=1 $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[metaflow,tutorial,test,check]'
	@touch $@

$(VENV)/.labextension: $(LABEXTENSION) $(VENV)/.installed
	rm -rf $(INSTALLED_LABEXTENSION)
	mkdir -p $(INSTALLED_LABEXTENSION)
	cp -R flownb/labextension/. labextension/install.json $(INSTALLED_LABEXTENSION)
	@touch $@

# Execute the real notebook, spin a step, export flow.py, run it on Metaflow and compare every artifact.
demo: setup
	$(BIN)/python scripts/demo.py

test: setup check
	scripts/install_browser.sh
	$(PYTEST)
	$(BIN)/python scripts/test_notebooks.py
	$(BIN)/python scripts/test_wheel.py

# What the text of cells means, what is stored of a value, what is drawn, what the documentation shows, and how speed is
# reported: folders whose tests need no worker, no server and no browser.
QUICK := tests/benchmarks tests/cells tests/flow tests/flow_file tests/convert tests/diff tests/picture tests/cards tests/notebooks tests/store/encodings \
  $(wildcard tests/test_*.py)

quick: setup check
	$(PYTEST) $(QUICK)

headless: setup
	$(PYTEST) --ignore=tests/browser

# The package index has PyTorch for Linux with 3 GB of CUDA. Where pip also knows an index with CPU builds (its variable
# PIP_EXTRA_INDEX_URL), TORCH='torch==2.13.0+cpu' takes one of these; for macOS every build is a CPU build.
TORCH ?= torch
TORCH_TESTS := $(shell find tests -name test_torch.py)

$(VENV)/.torch: $(VENV)/.installed
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt '$(TORCH)'
	@touch $@

torch: setup $(VENV)/.torch
	$(BIN)/python -m pytest $(PYTEST_ARGS) $(TORCH_TESTS)

# Each process writes a file of its own; [tool.coverage] in pyproject.toml says where. Tests kill processes, also while
# they write that file: what cannot be read stays behind, and is removed so that the reports do not try it again.
coverage: setup
	rm -rf build/coverage
	mkdir -p build/coverage
	$(BIN)/coverage run -m pytest $(PYTEST_OPTIONS) --ignore=tests/browser
	$(BIN)/coverage combine --quiet
	rm -f build/coverage/data.*
	$(BIN)/coverage html --quiet
	$(BIN)/coverage xml --quiet
	$(BIN)/coverage report

dist: setup
	rm -rf dist
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt build
	$(BIN)/python -m build --outdir dist
	$(BIN)/python scripts/test_wheel.py dist/*.whl

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	MYPYPATH=$(CURDIR) $(BIN)/mypy --explicit-package-bases --check-untyped-defs benchmarks
	$(BIN)/lint-imports
	$(NPM) run lint:check
	$(NPM) test

lab: setup
	$(BIN)/jupyter lab notebooks/first_flow.ipynb

# BENCH_ARGS="--json result.json --write docs/benchmarks.md" keeps the result; `python -m benchmarks --help` has more.
NAMES ?=
BENCH_ARGS ?=

bench: setup
	$(BIN)/python -m benchmarks $(NAMES) $(BENCH_ARGS)

bench-compare: setup
	@test -n "$(REV)" || { echo "Write the build to compare with: make bench-compare REV=main"; exit 2; }
	$(BIN)/python -m benchmarks.compare "$(REV)" $(NAMES) $(BENCH_ARGS)

clean:
	rm -rf labextension/node_modules labextension/lib labextension/tsconfig.tsbuildinfo
	rm -rf flownb/labextension flownb/widgets/dag.js flownb/widgets/dag.css
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name .flownb -prune -exec rm -rf {} +
