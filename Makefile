# The README's two commands, `make demo` and `make test`, on a machine with Python 3.11 or
# later, make and a package index. Everything goes into .venv; a second run installs nothing.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BACKENDS := tensorflow jax torch
# make test BACKEND=jax runs the suite on one.
BACKEND ?= $(BACKENDS)
PYTEST := TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python -m pytest -q

.PHONY: demo test test-solver test-backends lint format clean

demo: $(VENV)/.demo
	KERAS_BACKEND=jax $(BIN)/python examples/quickstart.py

test: test-solver test-backends

# The solver's tests import no backend, and run once.
test-solver: $(VENV)/.dev
	$(PYTEST) tests/test_solver.py

# One process for each backend; the first failure stops it.
test-backends: $(VENV)/.dev
	@set -e; for backend in $(BACKEND); do \
	  echo "== $$backend"; \
	  KERAS_BACKEND=$$backend $(PYTEST) tests --ignore=tests/test_solver.py; \
	done

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# uv does not look where pip finds the CPU build of the pinned torch: venv and pip it is.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable ".[jax,examples]"
	touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis quickstart-output
