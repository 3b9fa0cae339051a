# Two commands do everything: `make demo` and `make test`; `make help` lists all.
PYTHON ?= python3
# One environment. The demo needs the core alone; tests add the middleware and their tools to it.
VENV := .venv
BIN := $(VENV)/bin
CORE := $(VENV)/.core
READY := $(VENV)/.ready
DOCS := $(VENV)/.docs
WARM := $(VENV)/.warm
DEMO ?= demo
PIP := $(BIN)/python -m pip install --quiet --constraint constraints.txt
INSTALL := $(PIP) --build-constraint constraints.txt
# Files go to the workers in the order of tests/conftest.py.
# Two workers more than processors: tests wait for the disk, and for processes and servers that they start.
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 2)
PYTEST := -m pytest --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: demo test lint bench docs setup clean help

demo: $(CORE) ## simulate a small survey and coadd it into demo/ (DEMO=folder)
	$(BIN)/lamella demo --output $(DEMO)

# Programs of the middleware are looked for in PATH.
test: $(READY) $(if $(TESTS),,$(WARM)) ## run all tests, or some: TESTS=tests/sky
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python $(PYTEST) $(TESTS)

lint: $(READY) ## ruff and mypy
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/mypy

bench: $(READY) ## time and memory beside other programs (BENCH=arguments)
	$(BIN)/python -m benchmarks $(BENCH)

docs: $(DOCS) ## build the documentation into docs/_build
	$(BIN)/python -m sphinx -W -b html docs docs/_build

setup: $(READY) ## make .venv with all that tests need (PYTHON=python3.13)

# The stamps are newer than what they were made from, so that a second run starts at once. Nothing that is installed is
# taken away by a later step.
$(CORE): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 12))' || \
		{ echo "lamella needs Python 3.12 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)." >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
	$(INSTALL) --editable .
	touch $@

$(READY): $(CORE) manual-commands/pyproject.toml
	$(INSTALL) --group dev --editable ".[bps]" --editable ./manual-commands
	touch $@

$(DOCS): $(CORE)
	$(INSTALL) --group docs
	touch $@

# Once, before processes that run side by side would each compile the same kernels.
$(WARM): $(wildcard src/lamella/kernels/*.py src/lamella/kernels/*/*.py) | $(CORE)
	-$(BIN)/lamella warm
	touch $@

clean: ## remove .venv, the demo and the built documentation
	rm -rf $(VENV) $(DEMO) docs/_build

help: ## this list
	@awk -F ' ## |:' '/^[a-z]+:.* ## / { printf "make %-6s %s\n", $$1, substr($$0, index($$0, " ## ") + 4) }' Makefile
