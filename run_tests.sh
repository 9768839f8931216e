#!/usr/bin/env bash
# Lint, types and tests, in the same environment as ./run_all.sh. Arguments go to pytest: ./run_tests.sh -k folds
# ./run_tests.sh fault: half an hour of kills, full disks, damaged files and mutated inputs, then every guard broken once.
set -euo pipefail
cd -- "$(dirname -- "${BASH_SOURCE[0]}")"
# shellcheck source=install.sh
source ./install.sh
if [[ "${1:-}" == fault ]]; then
  failed=0
  for part in fault fault.fuzzed fault.guards; do
    .venv/bin/python -m "tests.$part" || failed=1
  done
  exit "$failed"
fi
.venv/bin/ruff check .
.venv/bin/mypy
.venv/bin/python -m pytest "$@"
