#!/bin/sh
# Every benchmark in turn, each alone on the machine; one that fails does not keep the others from being seen.
set -u
cd "$(dirname "$0")/.."
failed=""
for script in benchmarks/*.py; do
  [ -e "$script" ] || continue
  printf '\n== %s\n' "$script"
  .venv/bin/python "$script" "$@" || failed="$failed $script"
done
[ -z "$failed" ] || { printf '\nmissed its target or failed:%s\n' "$failed" >&2; exit 1; }
