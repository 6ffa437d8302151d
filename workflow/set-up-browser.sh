#!/bin/sh
# Prints the path of the browser that checks the pages and prints the book, and installs one where there is none:
# playwright's own, or, as root on Debian and its like, the system's. Exit code 2 and one line when neither works.
set -eu
py=.venv/bin/python
found() { $py -c 'from psm.book.browser import find; print(find())' 2>/dev/null; }
say() { echo "set-up-browser: $1" >&2; }

if [ -n "${PSM_CHROMIUM:-}" ]; then
    command -v "$PSM_CHROMIUM" >/dev/null && found && exit 0
    say "PSM_CHROMIUM names $PSM_CHROMIUM, which does not run: name a Chromium or Chrome, or leave it unset"
    exit 2
fi
found && exit 0
say "no Chromium or Chrome here: installing playwright's (some minutes, once)"
$py -m playwright install chromium >&2 || true
found && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "that did not work: installing the system's chromium"
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium; } >&2 || true
    found && exit 0
fi
say "no browser could be installed: install Chromium or Chrome (Debian: apt install chromium) or set PSM_CHROMIUM to one"
exit 2
