# On a fresh clone, with nothing but Python 3.10+ and make, each of these does all it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
# Python keeps what it compiled, whatever this machine prefers: the tests alone take 8 s to compile, in each process.
unexport PYTHONDONTWRITEBYTECODE
# Versions that setup.py promises. Whoever names a Python gets the environment of that one, made anew if it was of another.
LOWEST_PYTHON := 3.10
ifneq ($(origin PYTHON),file)
override PYTHON := $(or $(shell .ci/interpreter '$(PYTHON)'),$(error no Python))
ASKED := $(shell $(PYTHON) -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
ifeq ($(wildcard $(BIN)/$(ASKED)),)
.PHONY: $(READY)
CLEAR := --clear
endif
endif
PARALLEL := -q -n auto --dist worksteal

.PHONY: demo check release test test-all test-versions lint chromium pictures site clean

demo: $(READY)            ## train on drawn faces from scratch, reconstruct, edit: about 5 minutes on 2 cores
	$(BIN)/stylemap demo --out demo

check: lint               ## lint, and the tests beside what changed since main
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow" $$(.ci/affected)

test: lint chromium       ## lint and the quick tests
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow"

test-all: lint chromium   ## the slow tests too
	$(BIN)/python -m pytest $(PARALLEL)

test-versions:            ## try the wheel on every supported Python, with the lowest and the newest PyTorch: an hour, and 25 GB of the disk while it runs
	.ci/versions

# The editor's page is tested in a real browser; root can install one, elsewhere these tests are skipped and say why.
chromium:
	@command -v chromium chromium-browser google-chrome >/dev/null || \
	    { [ "$$(id -u)" = 0 ] && { apt-get install -qqy chromium || { apt-get update -qq && apt-get install -qqy chromium; }; }; } || true

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@# what came to Python later; `long` is a type of old, and a method of torch
	$(BIN)/vermin --quiet --violations --target=$(LOWEST_PYTHON)- --exclude long stylemap op data tests benchmarks *.py

# Rebuilt when the dependencies change. Several GB because of torch; minutes at first, nothing afterwards.
$(READY): setup.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "error: Python 3.10 or newer is needed; make PYTHON=python3.12 ...")'
	@echo "installing into $(VENV): PyTorch is several GB, so this takes minutes the first time"
	@$(PYTHON) -m venv $(CLEAR) $(VENV)
	@$(BIN)/python -m pip install -qq --upgrade pip
	@$(BIN)/python -m pip install -qq --editable '.[dev]'
	@touch $(READY)

pictures: $(READY) chromium  ## the images of README and docs anew, from faces that no training saw
	$(BIN)/python -m docs.pictures

release:                  ## make release VERSION=1.0.0: name it, build wheel and source archive, try them in an empty environment
	.ci/release $(VERSION)

site: $(READY)            ## the documentation as a site: open site/index.html
	$(BIN)/python -m docs.site --out site

clean:
	rm -rf $(VENV) demo site build dist *.egg-info
