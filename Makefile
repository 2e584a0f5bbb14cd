# The developers' commands. PYTHON is an interpreter with `pip install -e '.[dev]'` (see docs/contributing.md).
PYTHON ?= python3
export PATH := $(dir $(shell command -v $(PYTHON))):$(PATH)

.PHONY: docs pictures results build lint format test mutate bench accept loops sanitize cross

build:   ## compile the extensions in place
	$(PYTHON) setup.py --quiet build_ext --inplace

lint:    ## every linter and type checker, changing nothing
	ruff check .
	ruff format --check .
	mypy
	cython-lint src/fastrnn/*.pyx src/fastrnn/*.pxd
	clang-format --dry-run --Werror csrc/*.[ch] csrc/cells/*.h tools/*.c

format:  ## let the formatters rewrite the sources
	ruff check --fix .
	ruff format .
	clang-format -i csrc/*.[ch] csrc/cells/*.h tools/*.c

test:
	$(PYTHON) -m pytest -n auto --dist worksteal

mutate:  ## break the kernels and layers on purpose; every mutant must fail the suite
	$(PYTHON) tools/mutate.py

bench:
	$(PYTHON) -m pytest benchmarks

results: ## train every example and write docs/results.md and its pictures (keep the machine idle)
	$(PYTHON) examples/results.py

pictures: ## draw docs/pictures again
	$(PYTHON) docs/pictures.py

docs:    ## build the site, build/docs/index.html; a warning is an error
	rm -rf docs/api
	$(PYTHON) -m sphinx -W --keep-going -n -q -a -d build/doctrees docs build/docs

accept:  ## all that a release must pass: CI, every option, word and seed, every mutation (about 30 minutes)
	.ci/run
	$(PYTHON) -m pytest -m exhaustive
	$(PYTHON) tools/accept.py
	$(PYTHON) tools/mutate.py

loops:   ## disassemble the inner loops: no stores, no spills; OBJECTS=build/temp… takes those of a build
	$(PYTHON) tools/check_loops.py $(if $(OBJECTS),--objects $(OBJECTS))

sanitize:  ## the suite on a build with the address and undefined-behaviour sanitizers and bounds checks
	tools/sanitize.sh $(PYTHON)

cross:  ## the NEON kernels under emulation
	tools/cross_check.sh
