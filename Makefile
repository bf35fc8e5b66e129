# Every target sets up .venv by itself; beyond Python 3.11, make and the package index nothing is needed.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin

.PHONY: demo test test-faults test-long lint bench lock clean

.venv: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch .venv

demo: .venv
	$(BIN)/crash-stream up --portal simulated

# Files in their order, the longest first: two cores then end together.
test: .venv
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder --ignore tests/long $(ARGS)

test-faults: .venv
	CRASH_SEED=$(or $(CRASH_SEED),all) $(BIN)/python -m pytest -q -n 2 tests/fault/test_matrix.py $(ARGS)

test-long: .venv
	$(BIN)/python -m pytest -q -s tests/long $(ARGS)

lint: .venv
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv
	$(BIN)/python -m tests.bench

lock: .venv
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		requirements.in requirements-dev.in -o requirements.lock

clean:
	rm -rf .venv build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
