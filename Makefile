# flownb: `make demo` and `make test` need Python 3.11+, git and make, nothing else (Node comes from PyPI if need be).
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export JUPYTER_PLATFORM_DIRS := 1

.PHONY: demo test lab bench check clean setup

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
	$(BIN)/python -m pytest -n 2 --dist worksteal
	$(BIN)/python scripts/test_notebooks.py
	$(BIN)/python scripts/test_wheel.py

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(NPM) run lint:check
	$(NPM) test

lab: setup
	$(BIN)/jupyter lab notebooks/first_flow.ipynb

bench: setup
	$(BIN)/python -m benchmarks

clean:
	rm -rf labextension/node_modules labextension/lib labextension/tsconfig.tsbuildinfo
	rm -rf flownb/labextension flownb/widgets/dag.js flownb/widgets/dag.css
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name .flownb -prune -exec rm -rf {} +
