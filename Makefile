# Every target sets up what it needs in a local environment, .venv, and does again only what has changed.
# `make` tells what there is.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
CORE := $(wildcard cascade/_core/*.pyx cascade/_core/*.pxd cascade/_core/*/*.pyx cascade/_core/*/*.pxd)
# As many processes as there are cores; PYTEST="-n 0 ..." for one, with the output of each test as it comes.
SPREAD := -n auto --dist worksteal
SECONDS ?= 600
FIREFLIES ?= --side 30 --period 5 --refractory 1 --nudge 0.2 --duration 60

.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help fireflies test lint types pytest docs test-long test-all stress sanitize bench build annotate sdist wheel \
    clean

help:
	@echo 'make fireflies  900 recursive agents in the terminal; FIREFLIES="--side 10 ..." for other options'
	@echo 'make test       all of these: make lint (ruff, cython-lint), make types (mypy, stubtest, pyright), make pytest'
	@echo '                PYTEST="-k name ..." for options of pytest'
	@echo 'make docs       the site, in build/site: with no warning and no dead link'
	@echo 'make test-long  the tests that take many seconds, which make pytest leaves out'
	@echo 'make test-all   pytest on every supported Python here, against the built package, long tests included'
	@echo 'make stress     use the core from everywhere at once, for SECONDS=600; STRESS="--seed 1 ..." for other options'
	@echo 'make sanitize   its tests and make stress with AddressSanitizer and UBSan; needs gcc; about 20 minutes'
	@echo 'make bench      the benchmarks; BENCH="--quick ..." for other options'
	@echo 'make build      the compiled modules, in place'
	@echo 'make annotate   annotated C of the compiled modules, in build/cython'
	@echo 'make sdist      the source archive; make wheel: that and the wheel made from it, in dist'
	@echo 'make clean      remove all that these made'

# --- environments -----------------------------------------------------------------------------------------------------

$(VENV)/.made: pyproject.toml .ci/requires
	@$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else \
	    "Cascade needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another: make PYTHON=...")'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || .ci/environment $(PYTHON) $(VENV)
	@$(BIN)/python .ci/requires build run >$(VENV)/requirements.txt
	$(PIP) install --requirement $(VENV)/requirements.txt
	@touch $@

# The package itself, editable and without its extensions...
$(VENV)/.installed: $(VENV)/.made
	CASCADE_EXTENSIONS=0 $(PIP) install --no-build-isolation --no-deps --editable .
	@touch $@

# ... which `build_ext` makes in place: those whose sources have changed, or all of them if their flags may have.
$(VENV)/.flags: setup.py | $(VENV)/.made
	@rm -rf build/lib.* build/temp.* build/cython
	@touch $@

$(VENV)/.built: $(VENV)/.installed $(VENV)/.flags $(CORE)
	$(BIN)/python setup.py --quiet build_ext --inplace
	@touch $@

$(VENV)/.cli: $(VENV)/.made
	@$(BIN)/python .ci/requires cli >$(VENV)/requirements.txt
	$(PIP) install --requirement $(VENV)/requirements.txt
	@touch $@

$(VENV)/.tools: $(VENV)/.made
	@$(BIN)/python .ci/requires cli docs plots test dev >$(VENV)/requirements.txt
	$(PIP) install --requirement $(VENV)/requirements.txt
	@touch $@

# A copy of the package whose core is built with AddressSanitizer and UBSan. The interpreter is not: the runtime must be
# loaded before it, and it must take its memory from malloc, where the runtime sees it. It never gives back all of it.
SANITIZED := $(VENV)/sanitized
SANITIZERS := PYTHONPATH="$(abspath $(SANITIZED))/lib" PYTHONSAFEPATH=1 PYTHONMALLOC=malloc \
    LD_PRELOAD="$$($(CC) -print-file-name=libasan.so)" ASAN_OPTIONS=detect_leaks=0 \
    UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
# The tests of the core: those in which expressions are extracted, evaluated and freed, on channels and clocks.
SANITIZED_TESTS = $(filter-out %/test_interrupts.py,$(wildcard $(addprefix tests/,language model/test_channel.py \
    model/test_clock.py model/test_population.py scale stress/test_channels.py stress/test_destructors.py unit/_core/expr \
    unit/_core/run unit/_core/shape unit/_core/time unit/_support/test_failures*.py unit/clock/test_timers.py \
    unit/clock/test_virtual_loop.py unit/durable unit/engine/test_*.py unit/expressions/test_order.py \
    unit/expressions/test_router.py unit/inspect/test_api*.py unit/messaging unit/templates/test_cache.py \
    unit/workers/test_process_pool_tasks.py unit/workers/test_workers_modes.py)))

$(SANITIZED)/.flags: setup.py | $(VENV)/.made
	@rm -rf $(SANITIZED)
	@mkdir -p $(SANITIZED)/lib
	@touch $@

$(SANITIZED)/.built: $(SANITIZED)/.flags $(CORE) $(shell find cascade -name '*.py')
	@find $(SANITIZED)/lib -name '*.py' -delete
	CASCADE_SANITIZE=1 $(BIN)/python setup.py --quiet build --build-base $(SANITIZED) --build-lib $(SANITIZED)/lib
	@touch $@

# --- what one does with them ------------------------------------------------------------------------------------------

build: $(VENV)/.built

fireflies: $(VENV)/.built $(VENV)/.cli
	$(BIN)/cascade fireflies $(FIREFLIES)

lint: $(VENV)/.tools
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PATH="$(abspath $(BIN)):$$PATH" cython-lint cascade  # it looks for pycodestyle there

types: $(VENV)/.built $(VENV)/.tools
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest --allowlist .ci/stubtest-allowlist cascade
	$(BIN)/pyright

# Built anew, as what is kept of an earlier build would hide warnings. The tests look at the links of what was built.
docs: $(VENV)/.built $(VENV)/.tools
	@rm -rf build/site
	$(BIN)/sphinx-build --quiet --fail-on-warning --keep-going -c docs -d build/doctrees -E . build/site
	CASCADE_SITE="$(abspath build/site)" $(BIN)/pytest -q -n 0 tests/docs/test_site.py
	@echo '$(abspath build/site)/index.html'

pytest: $(VENV)/.built $(VENV)/.tools
	$(BIN)/pytest $(SPREAD) $(PYTEST)

test-long: $(VENV)/.built $(VENV)/.tools
	$(BIN)/pytest $(SPREAD) -m long $(PYTEST)

# All of them, whatever the ones before found.
test: $(VENV)/.built $(VENV)/.tools
	@$(MAKE) --no-print-directory --keep-going lint types pytest

test-all: sdist
	PYTEST="$(SPREAD) $(PYTEST)" EXCEPT="$(EXCEPT)" .ci/test-all dist/cascade_engine-*.tar.gz $(PYTHON)

stress: $(VENV)/.built
	$(BIN)/python -P tests/stress --seconds $(SECONDS) $(STRESS)

# A child of a fork may hang in AddressSanitizer itself, as another thread was in it.
sanitize: $(VENV)/.built $(VENV)/.tools $(SANITIZED)/.built
	$(SANITIZERS) $(BIN)/python -m pytest -p no:cacheprovider $(SPREAD) $(SANITIZED_TESTS) $(PYTEST)
	$(SANITIZERS) $(BIN)/python tests/stress --seconds $(SECONDS) --without fork $(STRESS)

bench: $(VENV)/.built $(VENV)/.tools
	$(BIN)/python -m benchmarks $(BENCH)

# The C is made when setup.py is read, so the lightest of its commands will do.
annotate: $(VENV)/.made
	CASCADE_ANNOTATE=1 $(BIN)/python setup.py --quiet --name
	@find build/cython/cascade/_core -name '*.html'

sdist: $(VENV)/.tools
	@rm -rf dist
	$(BIN)/python -m build --quiet --no-isolation --sdist

wheel: $(VENV)/.tools
	@rm -rf dist
	$(BIN)/python -m build --quiet --no-isolation

clean:
	rm -rf $(VENV) .venvs build dist *.egg-info .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find cascade/_core '(' -name '*.so' -o -name '*.c' -o -name '*.html' ')' -delete
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
