# The Python that .venv is made with: make html PYTHON=python3.13
PYTHON ?= python3
PORT ?= 8000

BIN := .venv/bin
NPM := tests/browser/node_modules
SUPPORTED := 3.11 3.12 3.13 3.14
LACKING := , for which hictkpy and h5py have no wheels
VERSION := $(shell $(PYTHON) -E -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)

# A stamp is written last, so that an incomplete environment is never used. Its name holds Python's
# version, so that another PYTHON makes another .venv.
DOCS := .venv/docs-$(VERSION)
DEV := .venv/dev-$(VERSION)
TOOLS := .venv/tools/tools-$(VERSION)
BROWSER := $(NPM)/.package-lock.json

# Keep the user's settings from leading Python or pip past .venv. Only the scripts get PYTHONPATH,
# for the stripepy that they run.
unexport $(filter-out PYTHONPATH,$(filter PYTHON%,$(.VARIABLES)))
export PIP_USER := 0
export PIP_DRY_RUN := 0

# In test-all, a missing tool is a failure.
ifneq ($(filter test-all,$(MAKECMDGOALS)),)
export REQUIRE_TOOLS := yes
endif

# The shell reads the path from its environment, so that spaces and quotes do not matter.
HALF = $(error MATRIX and RESOLUTION go together: make table MATRIX=map.hic RESOLUTION=10000)
CALL = $(if $(MATRIX)$(RESOLUTION)$(ARGS),-- call "$$MATRIX" "$$RESOLUTION" $(ARGS)$(if $(and $(MATRIX),$(RESOLUTION)),,$(HALF)))

SPHINX := PYTHONPATH= $(BIN)/python -m sphinx -c . -d build/doctrees -q

# Every Python gets the same releases: the table shows some, and must not depend on the Python.
COMPILE := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
	--fork-strategy fewest --generate-hashes --custom-compile-command 'make lock'

# $(call install,FOLDER,MODULE) installs what $< locks into FOLDER, whatever the user's settings for
# pip, and imports MODULE to check that it landed there.
install = @echo 'Installing $<'; export PYTHONPATH=; \
	$(1)/bin/python -m pip --python=$(1)/bin/python install --quiet --disable-pip-version-check \
	--target= --root=/ --prefix="$$PWD/$(1)" --require-hashes -r $< \
	&& { $(1)/bin/python -c 'import $(2)' 2>/dev/null \
	|| { echo '$(2) is not in $(1): look for what leads elsewhere in: pip config list' >&2; exit 1; }; }

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help html table verify releases newest check test test-all lint linkcheck lock bench serve clean venv venv-dev browser lighthouse screenshots pdf epub FORCE

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-11s %s\n", $$1, $$2 }' Makefile
	@echo
	@echo 'html, table and check document another run: MATRIX=map.hic RESOLUTION=10000 [ARGS="-p 8"]'
	@echo 'html and table write in spite of findings: ACCEPT=yes'

# Our extension has Sphinx read all pages each time: a cached page would not repeat its warnings.
html: table ## capture the table, then build the site
	$(SPHINX) -W -b html docs build/html
	@echo 'The page: build/html/telemetry.html'

table: $(DOCS) ## capture the table
	$(BIN)/python scripts/telemetry_table.py $(if $(filter yes,$(ACCEPT)),--accept) $(CALL)

verify: $(DEV) ## test every statement of the site by running the program
	$(BIN)/python scripts/telemetry_claims.py

releases: $(DEV) ## run every release of StripePy, from the package index
	$(BIN)/python scripts/telemetry_releases.py

newest: $(DEV) ## compare the newest StripePy and dependencies with what the site says
	$(BIN)/python scripts/telemetry_newest.py

check: $(DEV) ## compare table and statements with new runs, and write nothing
	$(BIN)/python scripts/telemetry_table.py --check $(CALL)
	$(BIN)/python scripts/telemetry_claims.py --check

test: $(DEV) ## run the quick tests; name the tools that others need
	$(BIN)/python -m pytest -n auto -m 'not slow'

test-all: $(TOOLS) $(BROWSER) test ## run all tests; a missing tool is a failure
	$(BIN)/python -m pytest -n auto -m slow

lint: $(DEV) ## check style, types, imports, spelling and settings
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	PYTHONPATH=scripts $(BIN)/lint-imports --no-cache
	$(BIN)/sphinx-lint -e all -d line-too-long docs
	$(BIN)/codespell
	@if test -e $(BROWSER); then $(NPM)/.bin/cspell lint --no-progress --no-summary; \
	else echo 'Spelling is not checked: cspell is missing: make browser'; fi
	$(BIN)/check-jsonschema --builtin-schema vendor.readthedocs .readthedocs.yaml
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/zizmor --offline --quiet .github

linkcheck: $(DOCS) ## follow the links that leave the site
	$(SPHINX) -b linkcheck docs build/linkcheck

pdf: $(DOCS) ## print the whole site, from the committed files
	$(SPHINX) -W -b singlehtml docs build/singlehtml
	$(BIN)/weasyprint --quiet --pdf-variant pdf/ua-1 build/singlehtml/index.html build/stripepy-telemetry.pdf

epub: $(DOCS) ## make a book of the site, from the committed files
	$(SPHINX) -W -b epub docs build/epub

lock: $(DEV) ## bring every locked package up to date
	$(COMPILE) requirements-docs.in -o requirements-docs.txt
	$(COMPILE) requirements-dev.in -o requirements-dev.txt
	$(COMPILE) requirements-tools.in -o requirements-tools.txt

bench: $(DEV) ## measure what a capture, a build and a verification cost
	$(BIN)/python tools/bench.py

lighthouse: html $(BROWSER) ## rate the telemetry page with Lighthouse
	$(BIN)/python tools/lighthouse.py

screenshots: html $(DEV) ## take a picture of every page
	$(BIN)/python tools/screenshots.py

serve: html ## show the site on this machine, on PORT
	@$(BIN)/python tools/site_server.py $(PORT)

clean: ## remove what was built, but not .venv
	rm -rf build .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find scripts tests tools -name __pycache__ -prune -exec rm -r {} +

venv: $(DOCS) ## make .venv for building the site
venv-dev: $(DEV) ## make .venv for testing and linting
browser: $(BROWSER) ## fetch what checks spelling and the built pages

# Remade whenever its lock changes or its Python is gone.
$(DOCS): requirements-docs.txt $(if $(realpath $(BIN)/python),,FORCE)
	$(if $(filter $(VERSION),$(SUPPORTED)),,$(error Python 3.11 to 3.14 is needed, and $(PYTHON) is $(or $(VERSION),not there)$(if $(filter 3.15,$(VERSION)),$(LACKING)): name another, as in make html PYTHON=python3.13))
	PYTHONPATH= $(PYTHON) -m venv --clear .venv
	$(call install,.venv,sphinx)
	@touch $@

$(DEV): requirements-dev.txt $(DOCS)
	$(call install,.venv,pytest)
	@touch $@

$(TOOLS): requirements-tools.txt $(DOCS)
	PYTHONPATH= $(PYTHON) -m venv --clear .venv/tools
	$(call install,.venv/tools,snakemake)
	@touch $@

$(BROWSER): tests/browser/package-lock.json
	@command -v npm >/dev/null || { echo 'npm is missing: apt-get install npm' >&2; exit 1; }
	npm ci --prefix tests/browser --ignore-scripts --no-audit --no-fund
