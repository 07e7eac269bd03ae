# On a fresh clone, with nothing but Python 3.10+ and make, each of these does all it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
PARALLEL := -q -n auto --dist worksteal

.PHONY: demo test test-all lint chromium clean

demo: $(READY)            ## train on drawn faces from scratch, reconstruct, edit: about 7 minutes on 2 cores
	$(BIN)/stylemap demo --out demo

test: lint chromium       ## lint and the quick tests
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow"

test-all: lint chromium   ## the slow tests too
	$(BIN)/python -m pytest $(PARALLEL)

# The editor's page is tested in a real browser; root can install one, elsewhere these tests are skipped and say why.
chromium:
	@command -v chromium chromium-browser google-chrome >/dev/null || \
	    { [ "$$(id -u)" = 0 ] && { apt-get install -qqy chromium || { apt-get update -qq && apt-get install -qqy chromium; }; }; } || true

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Rebuilt when the dependencies change. Several GB because of torch; minutes at first, nothing afterwards.
$(READY): setup.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "error: Python 3.10 or newer is needed; make PYTHON=python3.12 ...")'
	@echo "installing into $(VENV): PyTorch is several GB, so this takes minutes the first time"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --upgrade pip
	@$(BIN)/python -m pip install -qq --editable '.[dev]'
	@touch $(READY)

clean:
	rm -rf $(VENV) demo build *.egg-info
