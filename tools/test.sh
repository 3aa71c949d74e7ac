#!/bin/sh
# Every test, with branch coverage of every process it starts, then the mutation run over the rule and path tables.
set -eu
cd "$(dirname "$0")/.."
bin=.venv/bin
results=$(mktemp -d)
# pytest's own verdict is counted from these files, so that the last line is true even when a later step fails.
trap '"$bin/python" tools/tally.py "$results"/*.xml; rm -rf "$results"' EXIT

"$bin/coverage" erase
# Tests in parallel first; then, alone on the machine, those that measure or start crowds of processes.
"$bin/coverage" run -m pytest -q -n 2 -m "not serial" --junitxml="$results/parallel.xml"
"$bin/coverage" run -m pytest -q -m serial --junitxml="$results/serial.xml" || [ $? -eq 5 ] # 5: none is marked
"$bin/coverage" combine --quiet
"$bin/coverage" report

echo "mutation: every row of the rule table and of the path table must fail a test when changed"
"$bin/python" tools/mutate_tables.py
