# The book's commands. All run in .venv, which set-up makes and keeps in step with pyproject.toml and constraints.txt:
# its mark is named after their content, is made last, and so is missing when something changed or was cut short.
SCALE ?= laptop
PYTHON ?= python3
KEY := $(shell (pwd; cat pyproject.toml constraints.txt workflow/set-up.sh) | cksum | tr ' ' '-')
READY := .venv/ready-$(KEY)
BENCH := .venv/bench-$(shell (echo $(KEY); cat workflow/set-up-bench.sh) | cksum | tr ' ' '-')
PY := .venv/bin/python

.PHONY: help setup book test check-pages pdf bench lab edition verify freeze clean-pages
.DELETE_ON_ERROR:

help:  ## say what can be made
	@sed -n 's/^\([a-z-]*\):.*## /make \1: /p' Makefile

setup: $(READY)  ## make .venv with everything the book needs

book: $(READY)  ## run the whole book and build its pages (SCALE=smoke, laptop or full; laptop unless said)
	@$(PY) -m psm book --scale $(SCALE) --fetch

test: $(READY)  ## run the tests
	@OMP_NUM_THREADS=1 $(PY) -m pytest -q -n 2

check-pages: .venv/browser-$(KEY)  ## check the built pages in a real browser
	@browser=$$(sh workflow/set-up-browser.sh) && export PSM_CHROMIUM="$$browser" PSM_PAGES="$${PSM_PAGES:-_build/html}" OMP_NUM_THREADS=1 && \
		$(PY) -m pytest -q tests/pages/test_pdf.py && $(PY) -m pytest -q -n 2 --dist loadgroup tests/browser

pdf: .venv/browser-$(KEY)  ## print the whole book as _build/psm-book.pdf
	@browser=$$(sh workflow/set-up-browser.sh) && PSM_CHROMIUM="$$browser" $(PY) -m psm pdf --scale $(SCALE)

bench: $(READY)  ## measure speed and memory, as a table
	@$(MAKE) --no-print-directory $(BENCH) || echo "bench: goes on without lm-evaluation-harness" >&2
	@$(PY) workflow/bench.py

lab: .venv/lab-$(KEY)  ## open the chapters as notebooks in JupyterLab
	@$(PY) -m psm lab

edition: $(READY)  ## write evidence/ and the README's ledger from a finished run and a clean tree
	@$(PY) -m psm edition --scale $(SCALE)

verify: $(READY)  ## check the published edition against its manifest and checksums
	@$(PY) -m psm verify --scale $(SCALE)

freeze: $(READY)  ## maintainers: tag the version that is checked out, with the checksum of its published edition
	@$(PY) -m psm freeze --scale $(SCALE)

clean-pages:  ## delete the built pages; models and runs stay
	rm -rf _build

$(READY):
	@sh workflow/set-up.sh $(PYTHON) $@

.venv/lab-$(KEY) .venv/browser-$(KEY): .venv/%-$(KEY): $(READY)
	@sh workflow/set-up.sh $(PYTHON) $@ $*

$(BENCH): $(READY)
	@sh workflow/set-up-bench.sh $@
