#!/usr/bin/env bash
# Lint, types and tests, in the same environment as ./run_all.sh. Arguments go to pytest: ./run_tests.sh -k folds
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
# shellcheck source=install.sh
source ./install.sh
.venv/bin/ruff check .
.venv/bin/mypy
.venv/bin/python -m pytest "$@"
