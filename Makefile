# Every target sets up what it needs; on a machine with nothing of ours, `make run` and `make test` just work.
.PHONY: help run demo test test-all check lint types collection format docs messages e2e vendor-check bench bench-long faults mutations release measures clean

PYTHON := .venv/bin/python
# What Python compiles is kept, whatever the environment says, and not among the sources: a start takes half as long.
export PYTHONPYCACHEPREFIX := $(CURDIR)/build/bytecode
unexport PYTHONDONTWRITEBYTECODE

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

run: ## start the site with its own PostgreSQL and a demo, on 127.0.0.1:$$PORT (8000)
	@sh scripts/setup.sh site && exec $(PYTHON) manage.py serve

demo: ## send a delivery and follow its run; FILE=any.json EVENT=its-type
	@sh scripts/setup.sh site && exec $(PYTHON) manage.py demo $${FILE:+"$$FILE"} --event "$${EVENT:-issues}"

test: ## all checks and tests, on throw-away PostgreSQLs
	@sh scripts/setup.sh dev
	@$(MAKE) --no-print-directory --jobs=3 --output-sync=target types lint collection
	@sh scripts/browser.sh
	@$(PYTHON) scripts/run_tests.py

test-all: test ## the same, and the tests that take long
	@$(PYTHON) scripts/run_tests.py -m extended

check: ## lint, format, types, layering, migrations
	@sh scripts/setup.sh dev
	@$(MAKE) --no-print-directory --jobs=2 --output-sync=target lint types

lint: # what is left of the checks, beside the types
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/djangofmt --check templates
	@.venv/bin/lint-imports --no-cache
	@$(PYTHON) -W ignore::RuntimeWarning manage.py makemigrations --check --dry-run

types:
	@.venv/bin/mypy

# Collects all tests and runs one that uses the database, so that the processes of the run find modules compiled and
# tables made: each of them would compile the same, while it waits for the first one that migrates.
collection:
	@$(PYTHON) -m pytest -q -k test_single_claims_take_turns_between_lanes tests

format: ## put code into shape
	@sh scripts/setup.sh dev
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .
	@.venv/bin/djangofmt --quiet templates

docs: ## the documentation as a site in build/docs; a warning is an error
	@sh scripts/setup.sh dev && sh scripts/browser.sh && $(PYTHON) manage.py automate_connector_docs
	@AUTOMATE_DOCS_IMAGES=docs/images $(PYTHON) -m pytest -q -m browser tests/e2e/test_pictures.py
	@exec .venv/bin/zensical build --strict -f zensical.toml

messages: ## what is said on screens, merged into the catalogues of each language
	@sh scripts/setup.sh dev && exec $(PYTHON) scripts/messages.py update

e2e: ## the browser tests alone
	@sh scripts/setup.sh dev && sh scripts/browser.sh && exec $(PYTHON) -m pytest tests/e2e

vendor-check: ## connectors against the vendors' documents in the folder AUTOMATE_VENDOR_DOCUMENTS
	@sh scripts/setup.sh dev && exec $(PYTHON) -m pytest -q -rs -m "extended or not extended" tests/vendors

bench: ## figures, one JSON line each (bench/README.md)
	@sh scripts/setup.sh dev && exec $(PYTHON) -m bench

faults: ## the long fault tests, one JSON line each; ARGS="F6 --events 1000 --kills 10 --seconds 60"
	@sh scripts/setup.sh dev && exec $(PYTHON) -m tests.faults.long $(ARGS)

mutations: ## small faults put into security-relevant modules, which tests must notice; ARGS="egress tokens"
	@sh scripts/setup.sh dev && exec $(PYTHON) -m tests.mutations $(ARGS)

bench-long: ## the figures beside a long history and an old transaction: half an hour
	@sh scripts/setup.sh dev && exec $(PYTHON) -m bench --long

release: check ## the sdists, the wheels and the SBOM in dist/, built twice and compared; run `make test-all` before
	@exec $(PYTHON) scripts/release.py

measures: ## the house in figures: how large rooms are, what is tangled, how often a rule is written
	@sh scripts/setup.sh dev && exec $(PYTHON) scripts/measures.py

clean: ## remove what was installed and built; the site's data stays
	@rm -rf .venv .uv build dist .mypy_cache .ruff_cache .hypothesis test-results screenshots
