#!/bin/sh
# Installs what only `make bench` compares with, lm-evaluation-harness, in .venv/bench beside the book's environment, whose
# packages it sees: some versions that it wants are older than the book's. Usage: set-up-bench.sh MARK
set -eu
mark=$1
.venv/bin/python -m venv --clear .venv/bench
site=$(.venv/bench/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$site/book.pth"
.venv/bench/bin/python -m pip install -qq --disable-pip-version-check "$(grep '^lm_eval==' constraints.txt)" || {
    rm -rf .venv/bench      # nothing half-made: without it the bench says that it is not installed
    exit 1
}
touch "$mark"
