# Careline. `make` alone lists what can be asked for.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.careline-stamp

CLIENT := web/static/built/app.js

.PHONY: help setup demo test check chaos bench clean lock client pictures
.DEFAULT_GOAL := help

help:
	@echo "make demo    a working call centre from nothing, at http://127.0.0.1:8080"
	@echo "make test    the whole test suite, real Asterisk and real PostgreSQL included"
	@echo "make check   lint, types, imports and unit tests (under a minute)"
	@echo "make chaos   the service killed again and again while it dials (hours; RUNS=2 TARGETS=40 for a look)"
	@echo "make bench   every benchmark; one: $(BIN)/python -m bench NAME"
	@echo "make client  the pages' scripts, from web/client/"
	@echo "make setup   what the others do first: $(VENV)/ and .cache/"

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Careline needs Python 3.11 or later; '$(PYTHON)' is not. Name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) 2>/dev/null || { rm -rf $(VENV); \
	  echo "Python cannot make virtual environments here: install the package python3-venv, then run make again." >&2; exit 1; }
	@echo "Installing Python packages into $(VENV) (once, about a minute) …"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(CLIENT): $(STAMP) package-lock.json $(shell find web/client -type f 2>/dev/null)
	@$(BIN)/python tools/client.py

client: $(CLIENT)

setup: $(STAMP) $(CLIENT)
	@$(BIN)/careline pbx install

demo: setup
	@exec $(BIN)/careline demo

test: $(STAMP) $(CLIENT)
	@$(BIN)/careline pbx install --tools
	@$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder $(ARGS) tests

check: $(STAMP) $(CLIENT)
	@$(BIN)/python tools/client.py --types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -n 2 tests/unit

# The service killed at every arrow of the dialing protocol, 50 times each, and at random over 500 targets (hours).
chaos: $(STAMP) $(CLIENT)
	@$(BIN)/careline pbx install --tools
	@CARELINE_CHAOS_RUNS=$${RUNS:-50} CARELINE_CHAOS_TARGETS=$${TARGETS:-500} \
	  $(BIN)/python -m pytest tests/acceptance/test_campaign_crashes.py

# The pictures of the documentation, made by the test of an agent's day.
pictures: $(STAMP) $(CLIENT)
	@$(BIN)/careline pbx install --tools
	@mkdir -p docs/pictures
	@CARELINE_PICTURES=docs/pictures $(BIN)/python -m pytest tests/acceptance/test_agents_day.py

bench: setup
	@$(BIN)/careline pbx install --tools
	@$(BIN)/python -m bench all

lock: $(STAMP)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra dev --generate-hashes --no-header --no-emit-index-url --universal -o requirements.lock

clean:
	rm -rf $(VENV) .cache node_modules web/static/built
