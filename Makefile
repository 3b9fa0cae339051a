# Two commands do everything: `make demo` and `make test`.
PYTHON ?= python3
# The core has an environment of its own, without the LSST middleware: its tests prove that it needs none.
VENV := .venv
LSST := .venv-lsst
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LSST_READY := $(LSST)/.ready
DEMO ?= demo
# Files go to the workers in the order of tests/conftest.py.
PYTEST := -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder
LSST_TESTS := tests/tasks tests/cli/test_butler.py
KERNELS := $(VENV)/.kernels
# These have parts that need the middleware, and run in both.
BOTH := tests/test_docs.py tests/testing/test_hsc_example.py

.PHONY: demo test test-core test-lsst lint bench docs clean setup

demo: $(READY)
	$(BIN)/lamella demo --output $(DEMO)

test: test-core test-lsst

test-core: $(READY) $(KERNELS)
	$(BIN)/python $(PYTEST) $(LSST_TESTS:%=--ignore=%) $(TESTS)

test-lsst: $(LSST_READY) $(KERNELS)
	PATH="$(CURDIR)/$(LSST)/bin:$$PATH" $(LSST)/bin/python $(PYTEST) $(LSST_TESTS) $(BOTH)

lint: $(LSST_READY)
	$(LSST)/bin/ruff format --check src tests benchmarks
	$(LSST)/bin/ruff check src tests benchmarks
	$(LSST)/bin/mypy

bench: $(READY) $(KERNELS)
	$(BIN)/python -m benchmarks $(BENCH)

docs: $(READY)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group docs
	$(BIN)/python -m sphinx -W -b html docs docs/_build

setup: $(READY) $(LSST_READY)

# The stamps are newer than what they were made from, so that a second run starts at once.
$(READY): pyproject.toml constraints.txt
	$(call make_environment,$(VENV),dev,.)

$(LSST_READY): pyproject.toml constraints.txt
	$(call make_environment,$(LSST),dev-lsst,".[bps]")

# Numba compiles a kernel again when its own file changed, but not when one did that it calls.
$(KERNELS): $(wildcard src/lamella/kernels/*.py)
	find src -name '*.nb[ci]' -delete
	mkdir -p $(VENV) && touch $@

define make_environment
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 12))' || \
		{ echo "lamella needs Python 3.12 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1)." >&2; exit 1; }
	test -x $(1)/bin/python || $(PYTHON) -m venv $(1)
	$(1)/bin/python -m pip install --quiet --upgrade --constraint constraints.txt pip
	$(1)/bin/python -m pip install --quiet --constraint constraints.txt --group $(2) --editable $(3)
	touch $(1)/.ready
endef

clean:
	rm -rf $(VENV) $(LSST) $(DEMO) docs/_build
