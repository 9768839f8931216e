#!/usr/bin/env bash
# Lint, types and tests, in the same environment as ./run_all.sh. Arguments go to pytest: ./run_tests.sh -k folds
# ./run_tests.sh fault: half an hour of kills, full disks, damaged files and mutated inputs, then every guard broken once.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
# shellcheck source=install.sh
source ./install.sh
if [[ "${1:-}" == fault ]]; then
  told=$(mktemp -d) failed=0
  .venv/bin/python -m tests.fault killed random states >"$told/1" 2>&1 & first=$!
  .venv/bin/python -m tests.fault refused sizes damaged exchanged >"$told/2" 2>&1 & second=$!
  .venv/bin/python -m tests.fault.fuzzed >"$told/3" 2>&1 || failed=1
  .venv/bin/python -m pytest --hypothesis-profile=new -m "hypothesis or long" >"$told/4" 2>&1 || failed=1
  .venv/bin/python -m tests.fault.guards >"$told/5" 2>&1 || failed=1
  wait "$first" || failed=1
  wait "$second" || failed=1
  cat "$told"/*
  exit "$failed"
fi
.venv/bin/ruff check .
.venv/bin/mypy
.venv/bin/python -m pytest -n 2 --dist worksteal -m "not long" "$@"
