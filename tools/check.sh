#!/bin/sh
# The gates: one line each while they hold; the first that does not says why, and nothing after it runs.
set -eu
cd "$(dirname "$0")/.."
bin=.venv/bin
uv=${UV:-uv}
# What a fresh environment needs before anything can be asked of it.
[ -x "$bin/ruff" ] || { echo "there is no .venv yet: run 'make sync'" >&2; exit 2; }

gate() {
  title=$1
  shift
  if said=$("$@" 2>&1); then
    printf '  ok      %s\n' "$title"
  else
    printf '  FAILED  %s\n\n%s\n\nagain:  %s\n' "$title" "$said" "$*" >&2
    exit 1
  fi
}

echo "gates"
gate "uv.lock is what pyproject.toml asks for" "$uv" lock --check --quiet
gate "ruff format" "$bin/ruff" format --check --quiet .
gate "ruff: every rule that is not excused" "$bin/ruff" check --quiet .
gate "mypy --strict" "$bin/mypy" --no-error-summary packages/*/src tests tools benchmarks
gate "architecture: imports run one way" "$bin/lint-imports" --no-cache
for package in packages/*; do
  # From inside the package, so that its own pyproject.toml is what its sources are held against.
  gate "dependencies of ${package#packages/} are declared and used" sh -c 'cd "$1" && ../../'"$bin"'/deptry src' sh "$package"
done
for script in tools/render_*.py; do
  gate "docs: ${script#tools/} has nothing new to write" "$bin/python" "$script" --check
done
