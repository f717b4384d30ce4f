# Bare `make` lists the targets. Everything a target needs is set up by the target itself.

DATA_DIR := .nearfield
# The fault suite: the seed that chooses every fault (empty: its own), and where its figures go as JSON.
SEED :=
FIGURES := build/faults.json
PORT := 8080
# Further arguments for the command a target runs: make run ARGS=--no-demo, make test ARGS='-k ledger'
ARGS :=
# Index that torch comes from; empty: pip's own. Only set-up reads it.
TORCH_INDEX_URL ?=
export TORCH_INDEX_URL
PYTHON = $(shell sh scripts/find-python.sh)
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help setup run test check bench bench-embed bench-queries bench-caches bench-search bench-ingest bench-startup bench-follow bench-uploads bench-readers faults faults-short fuzz quality models-table clean

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

bench: bench-embed bench-queries bench-caches bench-search bench-ingest ## Measure speed, as ratios against named baselines

bench-embed: setup ## Documents embedded per second, against sentence-transformers' own loop
	@$(BIN)/python -m bench.embed $(ARGS)

bench-queries: setup ## Queries alone and 32 at once, against sentence-transformers and one after the other
	@$(BIN)/python -m bench.queries $(ARGS)

bench-caches: setup ## What the cache of document vectors costs and saves, against the model's own time
	@$(BIN)/python -m bench.caches $(ARGS)

bench-search: setup ## Search over HTTP, against the model and Redis alone
	@$(BIN)/python -m bench.search $(ARGS)

bench-ingest: setup ## How much of the time of a bulk ingest is spent inside the model
	@$(BIN)/python -m bench.ingest $(ARGS)

bench-startup: setup ## From start to the first answer, on an empty data folder and on one with data
	@$(BIN)/python -m bench.startup $(ARGS)

fuzz: setup ## Read 20,000 broken files in the sandbox: ARGS='--seed 2 --documents FOLDER' (minutes)
	@$(BIN)/python -m bench.fuzz $(ARGS)

bench-uploads: setup ## Memory of web and worker while 200 uploads of 10 MB arrive at once
	@$(BIN)/python -m bench.uploads $(ARGS)

bench-readers: setup ## Time and memory of reading a 900-page DOCX, against python-docx
	@$(BIN)/python -m bench.readers $(ARGS)

bench-follow: setup ## A folder followed by the whole product: all of it found, ten changes (minutes)
	@$(BIN)/python -m bench.follow $(ARGS)

faults: setup ## The fault suite in full: kills, power loss, bad networks, the n-th call (an hour; SEED=, FIGURES=)
	@mkdir -p $(dir $(FIGURES)) && rm -f $(FIGURES)
	@FAULTS_FULL=1 FAULTS_SEED=$(SEED) FAULTS_FIGURES=$(FIGURES) \
		$(BIN)/python -m pytest -q -p no:cacheprovider tests/faults tests/integration/test_recovery_cli.py \
		tests/integration/test_rebuild_ledger.py tests/integration/test_rebuild_index.py tests/integration/test_backup.py $(ARGS)
	@FAULTS_FULL=1 FAULTS_SCALE=0.05 FAULTS_MODEL=all-MiniLM-L6-v2 \
		FAULTS_SEED=$(SEED) FAULTS_FIGURES=$(FIGURES) FAULTS_NAME=" (all-MiniLM-L6-v2)" \
		$(BIN)/python -m pytest -q -p no:cacheprovider tests/faults/test_kill_schedule.py \
		tests/faults/test_power_loss.py $(ARGS)
	@cat $(FIGURES)

faults-short: setup ## The fault suite in its short form, as `make test` runs it (under three minutes on two cores)
	@FAULTS_SEED=$(SEED) $(BIN)/python -m pytest -q -n 2 --dist loadgroup tests/faults $(ARGS)

quality: setup ## Search quality on SciFact through the running product (minutes)
	@$(BIN)/python -m bench.quality $(ARGS)

models-table: setup ## Measure every family of embeddings and write the table of docs/models.md (a quarter of an hour)
	@$(BIN)/python -m bench.models $(ARGS)

clean: ## Remove caches and build leftovers; .venv and the data folder stay
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
