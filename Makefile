# Two commands do everything: make demo, make test. Before a release: make soak.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: demo test lint types unit soak clean

demo: $(STAMP)
	$(BIN)/searchkit demo

test: .venv/.dev
	$(MAKE) lint types unit

lint: .venv/.dev
	$(BIN)/ruff format --check searchkit tests benchmarks
	$(BIN)/ruff check searchkit tests benchmarks

types: .venv/.dev
	$(BIN)/mypy

unit: .venv/.dev
	$(BIN)/pytest

soak: .venv/.dev
	$(BIN)/pytest -m soak -s

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "searchkit needs Python 3.11 or newer; name one: make PYTHON=python3.12")'
	test -d .venv || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c constraints.txt -e '.[cpu]'
	touch $@

.venv/.dev: $(STAMP)
	$(BIN)/pip install --quiet -c constraints.txt -e '.[cpu,dev]'
	touch $@

clean:
	rm -rf .venv indexes/sample
