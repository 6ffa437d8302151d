#!/bin/sh
# Makes .venv with the exact versions of constraints.txt. Usage: set-up.sh PYTHON MARK [EXTRA]
# MARK is the file that says it is done: made last, named by the Makefile after the content of what it depends on.
# With EXTRA (lab, browser) it adds that extra to a .venv that is there.
set -eu
python=$1 mark=$2 extra=${3:-test} unfinished=.venv/unfinished

fail() { echo "set-up: $1" >&2; exit 1; }
install() { .venv/bin/python -m pip install -qq --disable-pip-version-check -c constraints.txt "$@"; }

if [ "$extra" = test ]; then
    command -v "$python" >/dev/null || fail "$python was not found: install Python 3.11 or newer, or say make PYTHON=/path/to/python3"
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "Python 3.11 or newer is needed and $python is $("$python" -V 2>&1): say make PYTHON=/path/to/a/newer/python3"
    "$python" -c 'import venv, ensurepip' 2>/dev/null ||
        fail "$python cannot make virtual environments: install its venv package (Debian, Ubuntu: apt install python3-venv)"
    if [ -e $unfinished ]; then     # an earlier set-up was cut off, or is still at it
        ! kill -0 "$(cat $unfinished)" 2>/dev/null || fail "another set-up (process $(cat $unfinished)) is at work in .venv: wait for it"
        echo "set-up: an earlier set-up did not finish: starting over"
        find .venv -mindepth 1 -maxdepth 1 ! -name unfinished -exec rm -rf {} +
    fi
    echo "set-up: installing into .venv (some minutes the first time)"
    mkdir -p .venv
    echo $$ > $unfinished
    rm -f .venv/ready-* .venv/lab-* .venv/browser-*
    "$python" -m venv .venv
    # torch first and by itself, so that the build that pip's own settings prefer is the one installed (README, "CPU")
    install "$(grep '^torch==' constraints.txt)"
fi
install -e ".[$extra]"
rm -f $unfinished
touch "$mark"
