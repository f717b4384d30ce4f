# Bare `make` lists the targets. Everything a target needs is set up by the target itself.

DATA_DIR := .nearfield
PORT := 8080
# Further arguments for the command a target runs: make run ARGS=--no-demo, make test ARGS='-k ledger'
ARGS :=
# Index that torch comes from; empty: pip's own. Only set-up reads it.
TORCH_INDEX_URL ?=
export TORCH_INDEX_URL
PYTHON = $(shell sh scripts/find-python.sh)
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup run test check bench bench-embed bench-search bench-startup quality clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' Makefile

setup: ## Install everything, exactly pinned, into .venv (other targets do it by themselves)
	@$(PYTHON) -m scripts.bootstrap

run: setup ## Start the product; PORT=8080, DATA_DIR=.nearfield
	@$(BIN)/nearfield up --data-dir $(DATA_DIR) --port $(PORT) $(ARGS)

test: check ## Run the checks, then the whole test suite
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

check: setup ## Lint, formatting, types and the rules of the architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/architecture

bench: bench-embed bench-search ## Measure speed, as ratios against named baselines

bench-embed: setup ## Documents embedded per second, against sentence-transformers' own loop
	@$(BIN)/python -m bench.embed $(ARGS)

bench-search: setup ## Search over HTTP, against the model and Redis alone
	@$(BIN)/python -m bench.search $(ARGS)

bench-startup: setup ## From start to the first answer, on an empty data folder and on one with data
	@$(BIN)/python -m bench.startup $(ARGS)

quality: setup ## Search quality on SciFact through the running product (minutes)
	@$(BIN)/python -m bench.quality $(ARGS)

clean: ## Remove caches and build leftovers; .venv and the data folder stay
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
