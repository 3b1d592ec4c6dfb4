# flownb: `make demo` and `make test` need Python 3.11+, git and make, nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export JUPYTER_PLATFORM_DIRS := 1

.PHONY: demo test lab bench check clean setup

setup: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "flownb needs Python 3.11 or later; set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[metaflow,tutorial,test,check]'
	@touch $@

# Execute the real notebook, spin a step, export flow.py, run it on Metaflow and compare every artifact.
demo: setup
	$(BIN)/python scripts/demo.py

test: setup check
	$(BIN)/python -m pytest -n 2 --dist worksteal
	$(BIN)/python scripts/test_notebooks.py

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

lab: setup
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[lab]'
	$(BIN)/jupyter lab notebooks/first_flow.ipynb

bench: setup
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name .flownb -prune -exec rm -rf {} +
