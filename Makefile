# The README's commands, `make demo`, `make deep` and `make test`, on a machine with Python 3.11 or
# later, make and a package index. Everything goes into .venv; a second run installs nothing.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# make test BACKEND=jax runs the suite on one; make test-jax TESTS=tests/test_seeds.py some of it.
BACKEND ?= jax tensorflow torch
TESTS ?= tests
# Options for the matrix: make matrix MATRIX="--end oldest --backend torch".
MATRIX ?=
# Two suites at a time, so one thread for each: OpenMP's would wait for one another.
PYTEST := OMP_NUM_THREADS=1 TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python $(TRACED) -m pytest -q
SUITES := jax tensorflow torch
WITH_JAX := $(if $(filter jax,$(BACKEND)),test-benchmarks)
TWO_AT_A_TIME := --no-print-directory --jobs=2 $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

.PHONY: demo deep test test-solver test-site test-benchmarks test-backends $(SUITES:%=test-%) coverage matrix figures notebooks docs docs-serve lint format clean

demo: $(VENV)/.demo
	KERAS_BACKEND=jax $(BIN)/python examples/quickstart.py

deep: $(VENV)/.demo
	KERAS_BACKEND=jax $(BIN)/python examples/ten_thousand_layers.py --output deep-output

test: $(VENV)/.dev
	@echo "One process for each backend, two at a time: each reports when it has ended."
	@$(MAKE) $(TWO_AT_A_TIME) $(BACKEND:%=test-%) $(WITH_JAX) test-solver test-site

test-backends: $(VENV)/.dev
	@$(MAKE) $(TWO_AT_A_TIME) $(BACKEND:%=test-%) $(WITH_JAX)

# The solver's tests import no backend, and run once.
test-solver: $(VENV)/.dev
	$(PYTEST) tests/solver

# The tutorials, each on one backend, and the pages, in a browser where there is one.
test-site: $(VENV)/.dev
	$(PYTEST) tests/site

# JAX has most of the benchmarks' tests, and would take twice as long as the others with them.
test-jax: WITHOUT := --ignore-glob='tests/test_benchmark_*'
$(SUITES:%=test-%): test-%: $(VENV)/.dev
	KERAS_BACKEND=$* $(PYTEST) $(TESTS) --ignore=tests/solver --ignore=tests/site $(WITHOUT)

test-benchmarks: $(VENV)/.dev
	KERAS_BACKEND=jax $(PYTEST) tests/test_benchmark_*.py

# The share of the package's lines and branches that the tests run, over all backends; half an
# hour. It ends with an error below 95 percent.
coverage: $(VENV)/.dev
	$(BIN)/python -m coverage erase
	@$(MAKE) $(TWO_AT_A_TIME) test-backends test-solver TRACED="-m coverage run"
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python benchmarks/reliability/covered.py
	$(BIN)/python -m coverage report

# Every backend with the oldest and the newest packages, on every Python that is found: hours.
matrix: $(VENV)/.dev
	$(BIN)/python tools/matrix.py $(MATRIX)

# The tables and pictures of docs/theory.md.
figures: $(VENV)/.dev
	for script in $$(grep -l '^    main(' docs/figures/*.py); do $(BIN)/python $$script || exit 1; done

# The documentation site, into site/; served, as you write, at http://127.0.0.1:8000. The notice of
# Material is about the next MkDocs.
docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

docs-serve: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve

# The tutorials' notebooks from their sources, run on JAX.
notebooks: $(VENV)/.dev
	TF_CPP_MIN_LOG_LEVEL=3 $(BIN)/python tools/notebooks.py

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
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis quickstart-output deep-output
