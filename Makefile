# The two commands of the README do all the set-up: `make demo` and `make test`.
PYTHON ?= python3
BIN := .venv/bin
CONSTRAINT := torch>=2.6,<2.14
# Without a GPU the CPU wheel of PyTorch is enough; TORCH can name another requirement or wheel.
TORCH ?= torch==2.13.*

.PHONY: install install-test demo test test-all lint report clean

$(BIN)/python:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip

.venv/.installed: $(BIN)/python pyproject.toml
	$(BIN)/python -m pip install --quiet "$(TORCH)" "$(CONSTRAINT)"
	$(BIN)/python -m pip install --quiet --editable . "$(CONSTRAINT)"
	touch $@

.venv/.installed-test: .venv/.installed
	$(BIN)/python -m pip install --quiet --editable ".[test]" "$(CONSTRAINT)"
	touch $@

install: .venv/.installed
install-test: .venv/.installed-test

# A small loss study on phantoms that the package draws: three arms, no download.
demo: install
	$(BIN)/retinaforge study demo --out demo

# Everything but the slow tests (browser, server, several processes).
# One thread a process: two processes then give more than one with two threads.
TEST := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

test: install-test lint
	$(TEST) -m "not slow"

test-all: install-test lint
	$(TEST)

lint: install-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright

clean:
	rm -rf .venv demo
