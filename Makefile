# Careline. `make` alone lists what can be asked for.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.careline-stamp

.PHONY: help setup demo test check bench clean lock
.DEFAULT_GOAL := help

help:
	@echo "make demo    a working call centre from nothing, at http://127.0.0.1:8080"
	@echo "make test    the whole test suite, real Asterisk and real PostgreSQL included"
	@echo "make check   lint, types, imports and unit tests (under a minute)"
	@echo "make bench   every benchmark; one: $(BIN)/python -m bench NAME"
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

setup: $(STAMP)
	@$(BIN)/careline pbx install

demo: setup
	@exec $(BIN)/careline demo

test: $(STAMP)
	@$(BIN)/careline pbx install --tools
	@$(BIN)/python -m pytest -n 2 --dist loadfile $(ARGS) tests

check: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -n 2 tests/unit

bench: setup
	@$(BIN)/careline pbx install --tools
	@$(BIN)/python -m bench all

lock: $(STAMP)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra dev --generate-hashes --no-header --no-emit-index-url --universal -o requirements.lock

clean:
	rm -rf $(VENV) .cache
