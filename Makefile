# The Python that .venv is made with: make html PYTHON=python3.13
PYTHON ?= python3
PORT ?= 8000

BIN := .venv/bin
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)

# Each is the last thing written, so that a half-made .venv is not taken for a whole one. They
# bear the version of Python, so that another PYTHON makes another .venv.
DOCS := .venv/docs-$(VERSION)
DEV := .venv/dev-$(VERSION)
TOOLS := .venv/tools-$(VERSION)
AXE := tests/browser/node_modules/.package-lock.json

# $(call quote,TEXT) is TEXT as one word for the shell, whatever it holds.
quote = '$(subst ','\'',$(1))'
missing = $(error MATRIX and RESOLUTION go together: make table MATRIX=map.hic RESOLUTION=10000)
given = $(call quote,$(or $(value $(1)),$(missing)))
CALL = $(if $(value MATRIX)$(value RESOLUTION)$(ARGS),-- call $(call given,MATRIX) $(call given,RESOLUTION) $(ARGS))

# Asked when the line runs, not before: .venv may hold a uv of its own, and may just have gone.
INSTALL = echo 'Installing $<'; if command -v uv >/dev/null; \
	then uv pip install --quiet --python $(BIN)/python --require-hashes -r $<; \
	else $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<; \
	fi

# One release of each package for every Python: the table shows some, and must not depend on it.
COMPILE = $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	--fork-strategy fewest --generate-hashes --custom-compile-command 'make lock'

.DEFAULT_GOAL := help
.PHONY: help html table verify releases watch check test lint linkcheck lock bench serve clean venv venv-dev venv-tools browser lighthouse screenshots pdf epub FORCE

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-11s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo 'html, table and check document another run: MATRIX=map.hic RESOLUTION=10000 [ARGS="-p 8"]'
	@echo 'html and table write in spite of findings: ACCEPT=yes'

# Read anew each time: a page that Sphinx remembers keeps its warnings to itself, and what failed
# would pass when it is tried again.
html: table ## capture the table, then build the site
	$(BIN)/python -m sphinx -M html docs build -c . --fresh-env -W -n -q
	@echo 'The page: build/html/telemetry.html'

pdf: $(DOCS) ## print the whole site, from the committed files
	$(BIN)/python -m sphinx -b singlehtml -c . -d build/doctrees -E -W -n -q docs build/singlehtml
	$(BIN)/weasyprint --quiet --pdf-variant pdf/ua-1 build/singlehtml/index.html build/stripepy-telemetry.pdf

epub: $(DOCS) ## make a book of the site, from the committed files
	$(BIN)/python -m sphinx -b epub -c . -d build/doctrees -E -W -n -q docs build/epub

table: $(DOCS) ## capture the table
	$(BIN)/python scripts/telemetry_table.py $(if $(filter yes,$(ACCEPT)),--accept) $(CALL)

verify: $(DEV) ## try every statement of the site, by running the program
	$(BIN)/python scripts/telemetry_claims.py

releases: $(DEV) ## run every release of StripePy, from the package index
	$(BIN)/python scripts/telemetry_releases.py

watch: $(DEV) ## compare the newest StripePy and dependencies with what the site says
	$(BIN)/python scripts/watch.py

check: $(DEV) ## compare table and statements with new runs, and write nothing
	$(BIN)/python scripts/telemetry_table.py --check $(CALL)
	$(BIN)/python scripts/telemetry_claims.py --check

test: $(DEV) $(TOOLS) $(AXE) ## run the tests
	$(BIN)/python -m pytest -n auto

lint: $(DEV) $(AXE) ## look for slips in code, pages and settings
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/sphinx-lint -e all -d line-too-long docs
	$(BIN)/codespell
	tests/browser/node_modules/.bin/cspell lint --no-progress --no-summary
	$(BIN)/check-jsonschema --builtin-schema vendor.readthedocs .readthedocs.yaml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/zizmor --offline --quiet .github

linkcheck: $(DOCS) ## follow the links that leave the site
	$(BIN)/python -m sphinx -M linkcheck docs build -c . -q

lock: $(DEV) ## bring every locked package up to date
	$(COMPILE) requirements-docs.in -o requirements-docs.txt
	$(COMPILE) requirements-dev.in -o requirements-dev.txt
	$(COMPILE) requirements-tools.in -o requirements-tools.txt

lighthouse: html $(AXE) ## rate the telemetry page with Lighthouse
	$(BIN)/python scripts/lighthouse.py

screenshots: html $(DEV) ## take pictures of every page, for people to look at
	$(BIN)/python scripts/screenshots.py

bench: $(DEV) ## measure what a capture and a verification cost
	$(BIN)/python scripts/bench.py

serve: html ## show the site on this machine, on PORT
	$(BIN)/python -m http.server --bind 127.0.0.1 -d build/html $(PORT)

clean: ## remove what was built, but not .venv
	rm -rf build .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find scripts tests -name __pycache__ -prune -exec rm -r {} +

venv: $(DOCS) ## make .venv for building the site
venv-dev: $(DEV) ## make .venv for testing and linting
venv-tools: $(TOOLS) ## make .venv/tools, with which the tests start StripePy
browser: $(AXE) ## fetch what checks spelling and built pages

# Made anew whenever its lock changes, so that it never holds more than the lock does.
$(DOCS): requirements-docs.txt $(if $(realpath $(BIN)/python),,FORCE)
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, and $(PYTHON) is $(VERSION): name one, as in make html PYTHON=python3.13")'
	$(PYTHON) -m venv --clear .venv
	@$(INSTALL)
	@touch $@

$(DEV): requirements-dev.txt $(DOCS)
	@$(INSTALL)
	@touch $@

# Within .venv, so that they are made anew together.
$(TOOLS): private BIN := .venv/tools/bin
$(TOOLS): requirements-tools.txt $(DOCS)
	$(PYTHON) -m venv --clear .venv/tools
	@$(INSTALL)
	@touch $@

$(AXE): tests/browser/package-lock.json
	npm ci --prefix tests/browser --ignore-scripts --no-audit --no-fund
	@touch $@
