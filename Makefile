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
test: install-test lint
	$(BIN)/python -m pytest -m "not slow"

test-all: install-test lint
	$(BIN)/python -m pytest

lint: install-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/pyright

clean:
	rm -rf .venv demo
