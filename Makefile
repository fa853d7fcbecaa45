# Needs Python >= 3.11, git and make; everything else goes into .venv, once.
PY := $(shell for p in python3.14 python3.13 python3.12 python3.11 python3 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
VENV := .venv
STAMP := $(VENV)/.installed
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip install --quiet --disable-pip-version-check

# Tests of the page: where node, npm and a Chromium are found, and nowhere else (Playwright has no wheels for musl).
BROWSER := tests/browser
CHROMIUM := $(or $(PLEXSYNC_CHROMIUM),$(shell command -v chromium || command -v chromium-browser || \
	command -v google-chrome || command -v google-chrome-stable))
FOUND := $(and $(shell command -v node),$(shell command -v npm),$(CHROMIUM))
NODE_STAMP := $(BROWSER)/node_modules/.installed
PLAYWRIGHT_STAMP := $(VENV)/.playwright
UI_TESTS = $(wildcard tests/ui/*.test.js tests/ui/*.test.mjs tests/ui/test_*.js tests/ui/test_*.mjs)

ACTIONLINT := v1.7.12

# The tests wait more than they work, so there are more of them at once than cores.
WORKERS ?= 6

# Where `make source` serves: BIND=0.0.0.0 for a Stash in Docker or on another machine.
BIND ?= 127.0.0.1
PORT ?= 9970

# Without bytecode, each process that a test starts would compile all that it loads.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test coverage lint types venv bench soak clean dist source lock browser addresses actions docs
.PHONY: _tests _browser _ui_tests
.DEFAULT_GOAL := test

demo: $(STAMP)
	@$(RUN) -m tests.demo

# Side by side: the tests last longest, so that their closing line is the last one.
test: $(STAMP) _browser
	@$(MAKE) --no-print-directory -j 3 lint types _tests

_tests: $(STAMP) _ui_tests
	@$(RUN) -m pytest -n $(WORKERS)

# Node's runner says much where all is well, so it is heard only where something is not.
_ui_tests:
	@[ -z "$(and $(shell command -v node),$(UI_TESTS))" ] || { \
		said=$$(node --test $(UI_TESTS) 2>&1) || { printf '%s\n' "$$said"; exit 1; }; }

_browser:
	@[ -n "$(FOUND)" ] && $(MAKE) --no-print-directory browser || \
		echo "Left out: tests of the page, which need node, npm and Chromium (apt-get install nodejs npm chromium)." >&2

browser: $(NODE_STAMP) $(PLAYWRIGHT_STAMP)

# Without the tests in a browser: they measure JavaScript and take their time.
coverage: $(STAMP)
	@$(RUN) -m pytest -n $(WORKERS) --cov --cov-report=term --ignore=tests/browser

lint: $(STAMP)
	@$(RUN) -m ruff check --quiet .

types: $(STAMP)
	@$(RUN) -m mypy --no-error-summary

# The workflows, and the shell in them where shellcheck is installed. The one command that needs Go.
actions:
	@command -v go >/dev/null || { echo "make actions needs Go (https://go.dev)." >&2; exit 1; }
	@go run github.com/rhysd/actionlint/cmd/actionlint@$(ACTIONLINT)

venv: $(STAMP)

docs: $(STAMP)
	@$(RUN) -m tests.tools.site

bench: $(STAMP)
	@set -e; for file in benchmarks/[a-z]*.py; do \
		name=$$(basename $$file .py); [ $$name = soak ] || { echo "== $$name"; $(RUN) -m benchmarks.$$name; }; done

soak: $(STAMP)
	@$(RUN) -m benchmarks.soak

# These three need an interpreter with pip, and none of what development needs.
dist: | $(RUN)
	@$(RUN) -m tests.tools.dist

source: | $(RUN)
	@$(RUN) -m tests.tools.source --bind $(BIND) --port $(PORT)

lock: | $(RUN)
	@$(RUN) -m tests.tools.lock

# After the address, the version or the state of publishing has changed. Needs nothing installed.
addresses:
	@test -n "$(PY)" || { echo "PlexSync needs Python 3.11 or newer, and none was found." >&2; exit 1; }
	@$(PY) -m tests.tools.addresses

clean:
	@rm -rf $(BROWSER)/node_modules $(BROWSER)/dist $(VENV) dist htmlcov .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(RUN):
	@test -n "$(PY)" || { echo "PlexSync needs Python 3.11 or newer, and none was found." >&2; exit 1; }
	@$(PY) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PY) cannot make virtual environments: install your system's python3-venv package, then run make again." >&2; exit 1; }
	@$(PY) -m venv $(VENV)

# First the packages of a release, from its very wheels, so that what is tested is what is shipped; then the tools.
$(STAMP): pyproject.toml requirements.txt | $(RUN)
	@echo "Installing into $(VENV) (once) ..." >&2
	@$(RUN) -m tests.tools.wheels >/dev/null
	@$(PIP) --force-reinstall --no-deps --no-index --find-links $(VENV)/wheels --require-hashes -r requirements.txt
	@$(RUN) -m tests.tools.dev_requirements > $(VENV)/requirements.txt
	@$(PIP) -r $(VENV)/requirements.txt
	@touch $@

$(NODE_STAMP): $(BROWSER)/package.json $(BROWSER)/package-lock.json
	@echo "Installing what the tests of the page need (once) ..." >&2
	@cd $(BROWSER) && npm ci --ignore-scripts --silent
	@touch $@

$(PLAYWRIGHT_STAMP): $(STAMP)
	@$(PIP) "playwright>=1.45"
	@touch $@
