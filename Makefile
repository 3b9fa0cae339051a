# Two commands do everything: `make demo` and `make test`.
PYTHON ?= python3
# One environment. The demo needs the core alone; tests add the middleware and their tools to it.
VENV := .venv
BIN := $(VENV)/bin
CORE := $(VENV)/.core
READY := $(VENV)/.ready
DOCS := $(VENV)/.docs
KERNELS := $(VENV)/.kernels
WARM := $(VENV)/.warm
DEMO ?= demo
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt
# Files go to the workers in the order of tests/conftest.py.
PYTEST := -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

.PHONY: demo test lint bench docs clean setup

demo: $(CORE)
	$(BIN)/lamella demo --output $(DEMO)

# Programs of the middleware are looked for in PATH.
test: $(READY) $(KERNELS) $(if $(TESTS),,$(WARM))
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python $(PYTEST) $(TESTS)

lint: $(READY)
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/mypy

bench: $(READY) $(KERNELS)
	$(BIN)/python -m benchmarks $(BENCH)

docs: $(DOCS)
	$(BIN)/python -m sphinx -W -b html docs docs/_build

setup: $(READY)

# The stamps are newer than what they were made from, so that a second run starts at once. Nothing that is installed is
# taken away by a later step.
$(CORE): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 12))' || \
		{ echo "lamella needs Python 3.12 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)." >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) --upgrade pip
	$(INSTALL) --editable .
	touch $@

$(READY): $(CORE)
	$(INSTALL) --group dev --editable ".[bps]"
	touch $@

$(DOCS): $(CORE)
	$(INSTALL) --group docs
	touch $@

# Numba compiles a kernel again when its own file changed, but not when one did that it calls.
$(KERNELS): $(wildcard src/lamella/kernels/*.py src/lamella/kernels/*/*.py) | $(CORE)
	find src -name '*.nb[ci]' -delete
	touch $@

# Once, before processes that run side by side would each compile the same kernels.
$(WARM): $(KERNELS)
	-$(BIN)/lamella warm
	touch $@

clean:
	rm -rf $(VENV) $(DEMO) docs/_build
