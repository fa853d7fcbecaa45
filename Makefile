# Needs Python >= 3.11, git and make; everything else goes into .venv, once.
PY := $(shell for p in python3.14 python3.13 python3.12 python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
VENV := .venv
STAMP := $(VENV)/.installed
RUN := $(VENV)/bin/python

# The tests wait more than they work, so there are more of them at once than cores.
WORKERS ?= 4

.PHONY: demo test coverage lint types venv bench soak clean zip
.PHONY: _tests
.DEFAULT_GOAL := test

demo: $(STAMP)
	@$(RUN) -m tests.demo

# Side by side: the tests last longest, so that their closing line is the last one.
test: $(STAMP)
	@$(MAKE) --no-print-directory -j 3 lint types _tests

_tests: $(STAMP)
	@$(RUN) -m pytest -n $(WORKERS)

coverage: $(STAMP)
	@$(RUN) -m pytest -n $(WORKERS) --cov --cov-report=term

lint: $(STAMP)
	@$(RUN) -m ruff check --quiet .

types: $(STAMP)
	@$(RUN) -m mypy --no-error-summary

venv: $(STAMP)

bench: $(STAMP)
	@set -e; for file in benchmarks/[a-z]*.py; do \
		name=$$(basename $$file .py); [ $$name = soak ] || { echo "== $$name"; $(RUN) -m benchmarks.$$name; }; done

soak: $(STAMP)
	@$(RUN) -m benchmarks.soak

zip:
	@test -n "$(PY)" || { echo "PlexSync needs Python 3.11 or newer, and none was found." >&2; exit 1; }
	@$(PY) -m tests.tools.build_zip

clean:
	@rm -rf $(VENV) dist htmlcov .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): pyproject.toml requirements.txt
	@test -n "$(PY)" || { echo "PlexSync needs Python 3.11 or newer, and none was found." >&2; exit 1; }
	@$(PY) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PY) cannot make virtual environments: install your system's python3-venv package, then run make again." >&2; exit 1; }
	@echo "Installing into $(VENV) (once) ..." >&2
	@$(PY) -m venv $(VENV)
	@$(PY) -m tests.tools.dev_requirements > $(VENV)/requirements.txt
	@$(RUN) -m pip install --quiet --disable-pip-version-check -r $(VENV)/requirements.txt
	@touch $@
