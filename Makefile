# The verbs. `make demo` and `make test` set up whatever they need; everything lives in .venv and build/.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv pip install --quiet --python $(BIN)/python
SOURCES := $(shell find csrc -name '*.cpp' -o -name '*.hpp') CMakeLists.txt
PRESET_RUN = cmake --preset $(1) >/dev/null && cmake --build --preset $(1) && $(2) ctest --preset $(1)
export PATH := $(CURDIR)/$(BIN):$(PATH)

help: ## show the verbs
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 16

# --- environment ---------------------------------------------------------------------------------------------------
$(BIN)/uv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "fastring needs Python 3.10 or newer; say which: make $(MAKECMDGOALS) PYTHON=python3.12"; exit 1; }
	@command -v $${CXX:-c++} >/dev/null || \
	  { echo "fastring needs a C++20 compiler: apt-get install g++   (or xcode-select --install)"; exit 1; }
	@echo "setting up .venv ..."
	@$(PYTHON) -m venv $(VENV) || { echo "no venv in this Python: apt-get install python3-venv"; rm -rf $(VENV); exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv || { $(NO_NETWORK); }

# What cannot be had ends in one of these lines, behind what the tool itself says.
NO_NETWORK = echo "packages cannot be had: this needs a network, or a mirror that PIP_INDEX_URL and UV_DEFAULT_INDEX name"; exit 1
BUILD_LOG := build/install.log
WHEEL_LOG := build/wheel.log
NOT_BUILT = grep -v '^DEBUG' $(1) | tail -20; echo "the package cannot be built or installed: see $(1)"; exit 1
# The steps of the build as they are done, out of all that is said.
STEP := ^(DEBUG )?(\[[0-9]+/[0-9]+\]) .*[ /]([^ /]+)$$
STEPS = step='$(STEP)'; while IFS= read -r line; do \
  if [[ $$line =~ $$step ]]; then echo "  $${BASH_REMATCH[2]} $${BASH_REMATCH[3]}"; fi; done

# Tools first (they build the extension), then the package itself, editable.
$(VENV)/.tools: pyproject.toml | $(BIN)/uv
	@echo "installing the tools ..."
	@$(UV) --group dev || { $(NO_NETWORK); }
	@touch $@

$(VENV)/.built: $(VENV)/.tools $(SOURCES)
	@echo "building the native core (minutes, on a slow machine) and installing what fastring needs ..."
	@mkdir -p build; set -o pipefail; NO_COLOR=1 $(UV:--quiet=--verbose) --no-build-isolation \
	  -Ccmake.define.FASTRING_WERROR=ON -e '.[all]' 2>&1 | tee $(BUILD_LOG) | { $(STEPS); } || { $(call NOT_BUILT,$(BUILD_LOG)); }
	@touch $@

# The official JavaScript clients. Without npm the tests that run them are skipped.
CLIENTS := tests/js/node_modules/.installed
$(CLIENTS): tests/js/package.json tests/js/package-lock.json
	@if command -v npm >/dev/null && echo "installing the JavaScript clients of the tests ..." && \
	    (cd tests/js && npm ci --silent --no-audit --no-fund); then touch $@; \
	  else echo "npm cannot install the JavaScript clients: their tests are skipped"; fi

dev: $(VENV)/.built $(CLIENTS) ## editable install with every extra, rebuilt when C++ changed

# --- the first minute ----------------------------------------------------------------------------------------------
demo: $(VENV)/.built ## a real server hears a real recording, live
	@fastring demo

test: dev ## every test of the fast part
	@pytest

test-full: dev ## the tests that take minutes, and a table of what they measured
	@pytest -m full -v --tb=short

# --- what CI runs --------------------------------------------------------------------------------------------------
check: test gates ## exactly what CI runs

gates: lint tidy types layers native-test bench-gate bench-instructions wheel-test ## what CI runs besides the tests

lint: dev ## ruff and clang-format
	@ruff check .
	@ruff format --check .
	@clang-format --dry-run --Werror $$(find csrc benchmarks -name '*.cpp' -o -name '*.hpp')

format: dev ## let the tools mend what lint complains about
	@ruff check --fix --quiet . ; ruff format --quiet .
	@clang-format -i $$(find csrc benchmarks -name '*.cpp' -o -name '*.hpp')

# Of the compile commands of the extension: the kernels as they are built for each instruction set.
tidy: dev ## clang-tidy over the core and its bindings
	@find csrc/core csrc/bindings -name '*.cpp' | xargs -P$$(nproc) -n1 clang-tidy --quiet \
	  -p "$$(dirname "$$(ls -t build/cp*/compile_commands.json | head -1)")" 2>/dev/null

types: dev ## mypy --strict, and the stubs against the live extension
	@mypy

layers: dev ## who may import whom
	@lint-imports --no-cache

native-test: dev ## C++ tests: plain, address+undefined sanitizers, thread sanitizer
	@$(call PRESET_RUN,release,)
	@$(call PRESET_RUN,asan,)
	@$(call PRESET_RUN,tsan,setarch $$(uname -m) -R)

model-check: dev ## every execution of each pair of ring operations on a model of C++ memory
	@cmake --preset release >/dev/null && cmake --build --preset release --target test_ring_exhaustive >/dev/null
	@build/release/test_ring_exhaustive

tsan-python-test: dev ## the extension under thread sanitizer in CPython, writer and readers without the GIL
	@scripts/tsan_python_test.sh python

free-threaded-test: ## the core's tests and two threads on one ring without a GIL: PYTHON=python3.14t
	@scripts/free_threaded_test.sh "$(if $(filter command line environment,$(origin PYTHON)),$(PYTHON),python3.14t)"

arm64-test: dev ## the C++ tests compiled for arm64, in an emulator (NEON)
	@command -v aarch64-linux-gnu-g++ qemu-aarch64-static >/dev/null || \
	  { echo "needs: apt-get install g++-aarch64-linux-gnu qemu-user-static"; exit 1; }
	@$(call PRESET_RUN,arm64,)

audit: dev ## known holes in what is installed (asks PyPI's advisories; STRICT=1: they must be reached)
	@$(UV) pip-audit && python scripts/audit.py $(if $(STRICT),--strict)

FUZZ_SECONDS = $(or $(SECONDS),60)
# Many short inputs; libFuzzer's own choice of what to try next would take more time than the inputs do.
FUZZ_SHORT := -max_len=64 -entropic=0
FUZZ_CXX ?= $(firstword $(shell command -v clang++ || ls /usr/bin/clang++-[0-9]* 2>/dev/null | sort -V -r))
fuzz: dev ## fuzz every target for SECONDS=60 each, under address and undefined sanitizers (needs Clang)
	@test -n "$(FUZZ_CXX)" || { echo "make fuzz needs Clang with libFuzzer: apt-get install clang-16 libclang-rt-16-dev"; exit 1; }
	@cmake --preset fuzz -DCMAKE_CXX_COMPILER=$(FUZZ_CXX) >/dev/null && cmake --build --preset fuzz
	@for target in build/fuzz/fuzz_*; do \
	  name=$${target##*/fuzz_}; corpus=build/fuzz/corpus/$$name; mkdir -p $$corpus; echo "$$name:"; \
	  $$target -max_total_time=$(FUZZ_SECONDS) $(FUZZ_SHORT) -print_final_stats=1 -verbosity=0 -artifact_prefix=build/fuzz/ \
	    $$corpus csrc/fuzz/corpus/$$name || exit 1; \
	done

fuzz-python: dev ## fuzz whatever reads strangers' bytes in Python for SECONDS=60 each, guided by atheris if it installs
	@$(UV) atheris 2>/dev/null || echo "atheris does not install here: plain mutation instead"
	@mkdir -p build; for name in $$(ls tests/fuzz/corpus); do \
	  echo "$$name:"; python tests/fuzz/fuzz.py $$name $(FUZZ_SECONDS) 2>build/fuzz-python.log \
	    || { tail -30 build/fuzz-python.log; exit 1; }; \
	  grep -a number_of_executed_units build/fuzz-python.log || true; \
	done

bench-gate: dev ## the user's own limits and our ratios; fails when one is missed
	@pytest benchmarks --benchmark-enable --benchmark-columns=min,median,max -q

bench-instructions: dev ## instructions per operation against the stored ones; UPDATE=1 stores new ones
	@cmake --preset instructions >/dev/null && cmake --build --preset instructions >/dev/null
	@python benchmarks/callgrind/measure.py build/instructions/fastring_driver $(if $(UPDATE),--update)

wheel-test: dev ## a wheel in an empty environment with NumPy alone
	@scripts/wheel_test.sh

# --- figures -------------------------------------------------------------------------------------------------------
bench: dev ## a table of figures with the goals beside them
	@$(UV) --prerelease=allow --group bench
	@python benchmarks/table.py

bench-speech: dev ## many clients in real time on one model, latency and fairness; FULL=1: every N, and the picture anew
	@PYTHONPATH=benchmarks:scripts python -m speech.load $(if $(FULL),--full)

bench-load: dev ## what one core carries, beside a bare server; FULL=1: ten minutes; PICTURE=1: page and pictures anew
	@PYTHONPATH=benchmarks:scripts python -m load.run $(if $(FULL),--full) $(if $(PICTURE),--picture)

bench-fleet: dev ## a simulated fleet of 1K to 100K users; CHECK=1: the simulation against a real server instead
	@PYTHONPATH=benchmarks:scripts python -m load.fleet $(if $(CHECK),--check)

accuracy: dev ## predictions of the analyzer over a folder: DATA=DIR SPLIT=dev OUT=FILE
	@python scripts/accuracy.py --data "$(DATA)" --split "$(SPLIT)" --out "$(OUT)"

wheel: $(VENV)/.tools ## dist/*.whl
	@echo "building a wheel (minutes, on a slow machine) ..."
	@mkdir -p build; set -o pipefail; NO_COLOR=1 $(BIN)/uv build --verbose --wheel --python $(BIN)/python -o dist . 2>&1 \
	  | tee $(WHEEL_LOG) | { $(STEPS); } || { $(call NOT_BUILT,$(WHEEL_LOG)); }
	@ls -t dist/*.whl | head -1

clean: ## remove everything that is made
	@rm -rf build dist $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks .import_linter_cache

.PHONY: bench-fleet bench-load audit fuzz-python model-check tsan-python-test free-threaded-test arm64-test fuzz help dev demo test test-full check gates lint format tidy types layers native-test bench-gate bench-instructions wheel-test bench bench-speech accuracy wheel clean
