# Needs make, a Python from 3.11 on and, for the first `make setup`, a package index.
# `PYTHON=/path/to/python make setup` chooses the interpreter.

SHELL = /bin/sh
PYTHON ?=
BIN = .venv/bin
INSTALLED = .venv/.ork
READY = .venv/.ok
PARALLEL = --numprocesses auto --dist worksteal

.PHONY: help setup demo test test-all test-long test-sqlite test-files check torture torture-long golden docs bench bench-peers clean

help: ## List the targets (this is the default)
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' Makefile

setup: $(READY) ## Make .venv with ork, editable, and the tools for work on it

demo: $(INSTALLED) ## Tell the story of one workflow: deploy, run, change, compare, run the old one again
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh examples/penguins/demo.sh

test: $(READY) ## Run the tests that take less than half a second each, of matrices those of the day
	ORK_TESTS=quick $(BIN)/python -m pytest $(PARALLEL)

test-all: $(READY) ## Run the tests with all slow ones, of matrices the cases of the day
	ORK_TESTS=all $(BIN)/python -m pytest $(PARALLEL)

test-long: $(READY) ## Run all tests, with all examples of properties and all places of crashes
	ORK_TESTS=long $(BIN)/python -m pytest $(PARALLEL) --timeout 900

# Left out is what prints and draws, which asks a store for nothing that others do not ask for, and
# what names the kinds of its stores itself. The cases of matrices and the slow tests are those of
# another day than in `make check`, so that the two together try more of them; the tests of the
# command line have their turn every other day.
ELSEWHERE = $(addprefix --ignore=tests/cli/test_,$(addsuffix .py,app change_graph completion diff_pages \
    diff_view elsewhere files_store git_driver live memory naughty page schema sqlite_store terminal \
    timeline wording)) --ignore=tests/runner/test_library.py

test-sqlite: $(READY) ## Run the tests of store, runner and command line on stores in SQLite
	ORK_DAY=$$(($$(date +%s) / 86400 + 1)) ORK_STORE=sqlite: \
	    $(BIN)/python -m pytest $(PARALLEL) $(ELSEWHERE) tests/store tests/runner tests/cli

test-files: $(READY) ## Run a part of the tests of store and command line on stores in plain files
	ORK_STORE=files: $(BIN)/python -m pytest $(PARALLEL) tests/store \
	    $(addprefix tests/cli/test_,$(addsuffix .py,backup deploy forget log ops push run))

check: $(READY) ## Check format, lint, types and tests, of the slow ones a quarter each day
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	ORK_TESTS=check $(BIN)/python -m pytest $(PARALLEL)

torture: $(READY) ## Kill, damage, fill and race: the day's sample of what docs/reliability.md counts
	$(BIN)/python -m pytest $(PARALLEL) --timeout 300 tests/torture

torture-long: $(READY) ## The same with every place of a kill and every planted fault; takes hours
	ORK_TESTS=long $(BIN)/python -m pytest $(PARALLEL) --timeout 7200 tests/torture

golden: $(READY) ## Rewrite the golden files of the command line, and what docs/ shows; then read the diff
	ORK_GOLDEN=1 $(BIN)/python -m pytest tests/cli tests/test_story.py

docs: $(READY) .venv/.docs ## Write the pages that are made from the code, and the site of all pages into site/
	$(BIN)/python -m ork.cli.reference > docs/cli.md.new
	mv docs/cli.md.new docs/cli.md
	mkdir -p docs/man && rm -f docs/man/*.1 && $(BIN)/python -m ork.cli.reference docs/man
	$(BIN)/python docs/format_tables.py
	$(BIN)/python docs/python_page.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

bench: $(READY) ## Measure ork: ratios within one run, with machine and seed
	$(BIN)/python benchmarks/bench.py

bench-peers: $(READY) ## Measure other tools beside ork; installs them in environments of their own
	benchmarks/peers.sh

clean: ## Remove what make has made: .venv and all caches
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist site docs/cli.md.new
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Only whoever makes the site needs them.
.venv/.docs: $(READY)
	@$(BIN)/python -c 'import tomllib; groups = tomllib.load(open("pyproject.toml", "rb")); \
	    print(*groups["dependency-groups"]["docs"], sep="\n")' > .venv/docs.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r .venv/docs.txt
	@touch $@

$(INSTALLED): pyproject.toml
	@if [ ! -x $(BIN)/python ]; then \
	    for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
	        if $$python -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	            echo "making .venv with $$python"; \
	            $$python -m venv .venv && break; \
	            rm -rf .venv; \
	        fi; \
	    done; \
	fi
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { \
	    echo "ork needs Python 3.11 or newer, with venv and pip, and found none on PATH." >&2; \
	    echo "Debian: apt install python3-venv. Or say where: PYTHON=/path/to/python make setup" >&2; \
	    exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[web]'
	@touch $@

# The tools are read from the `dev` group by hand, since pip knows such groups only from 25.1 on.
# Python compiles those of their modules that are imported; to compile all takes a third of the time.
$(READY): $(INSTALLED)
	@$(BIN)/python -c 'import tomllib; groups = tomllib.load(open("pyproject.toml", "rb")); \
	    print(*groups["dependency-groups"]["dev"], sep="\n")' > .venv/dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile -r .venv/dev.txt
	@$(BIN)/python -c 'import tomllib; groups = tomllib.load(open("pyproject.toml", "rb")); \
	    print(*groups["dependency-groups"]["fuzz"], sep="\n")' > .venv/fuzz.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: \
	    -r .venv/fuzz.txt 2>/dev/null || echo "no fuzzer for this Python: make torture does without"
	@touch $@
