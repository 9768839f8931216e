# Sourced by run_all.sh and run_tests.sh, from the project's root: makes .venv from requirements.lock, once.

supported() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }

lock_hash=$(sha256sum requirements.lock | cut -d' ' -f1)
if [[ $(cat .venv/.installed 2>/dev/null) != "$lock_hash" ]]; then
    for candidate in "${PYTHON:-python3.11}" python3.11 python3.12 python3.13 python3; do
        if supported "$candidate"; then python=$candidate; break; fi
    done
    if [[ -z ${python:-} ]]; then
        echo "needs Python 3.11, 3.12 or 3.13 on the PATH (or PYTHON=/path/to/it)" >&2
        exit 2
    fi
    echo "installing into $(pwd)/.venv with $("$python" --version), once; this takes a few minutes"
    rm -rf .venv
    "$python" -m venv .venv
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
    echo "$lock_hash" > .venv/.installed
fi
