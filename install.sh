# Sourced by run_all.sh and run_tests.sh, from the project's root: makes .venv from the two lock files, once.
#
# Every file that is fetched has its hash in a lock. Packages that come only as source are built in .venv itself, with the
# tools of requirements-build.lock and nothing else: no build environment is fetched for them, however much they ask for it.

supported() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; }

stop_install() { echo "install: $1" >&2; exit 2; }

# uv reads none of pip's settings: a mirror, proxy or certificate that pip was told of is passed on, pip.conf's first
# and the environment's last, as pip itself ranks them.
no_index=
pass_on_pip_settings() {
    local settings key value name
    settings=$("$1" -m pip config list 2>/dev/null) || return 0
    while IFS='=' read -r key value; do
        value=${value#\'} value=${value%\'}
        value=${value//\\n/ } name=
        case ${key##*.} in
            index-url) name=UV_DEFAULT_INDEX ;;
            extra-index-url) name=UV_INDEX ;;
            find-links) name=UV_FIND_LINKS value=${value// /,} ;;
            trusted-host) name=UV_INSECURE_HOST ;;
            cert) name=SSL_CERT_FILE ;;
            client-cert) name=SSL_CLIENT_CERT ;;
            timeout | default-timeout) name=UV_HTTP_TIMEOUT value=${value%%.*} ;;
            no-index) if [[ ${value,,} =~ ^(1|true|yes|on)$ ]]; then no_index=--no-index; fi ;;
            proxy) export HTTP_PROXY=$value HTTPS_PROXY=$value ALL_PROXY=$value ;;
        esac
        if [[ -n $name && -n $value ]]; then export "$name=$value"; fi
    done < <(for section in global install :env:; do grep "^$section\." <<<"$settings" || true; done)
}

retry="look at the network, or at the proxy and index that pip is told of, and run this again; what has come is kept"

install_tools() {
    "$1" -m venv .venv >.venv/install.log 2>&1 || stop_install "$1 cannot make a virtual environment: it lacks venv or \
pip (on Debian: apt install python3-venv), or the disk is full; see $(pwd)/.venv/install.log"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --require-hashes \
        -r requirements-build.lock >>.venv/install.log 2>&1 || stop_install "pip cannot fetch \
requirements-build.lock: $retry; see $(pwd)/.venv/install.log"
}

install_packages() (
    pass_on_pip_settings .venv/bin/python
    uv=(.venv/bin/uv pip install --python .venv/bin/python --require-hashes --no-build-isolation $no_index
        --index-strategy unsafe-best-match -r requirements.lock)
    if [[ -t 2 ]]; then  # uv draws its bars
        "${uv[@]}" || stop_install "uv cannot install requirements.lock: $retry"
    else
        "${uv[@]}" 2>&1 | tee -a .venv/install.log | sed -u -n -E '/^ *(Resolved|Download|Buil|Installed)/p' ||
            stop_install "uv cannot install requirements.lock: $retry; see $(pwd)/.venv/install.log"
    fi
)

locks=$(cat requirements-build.lock requirements.lock | sha256sum | cut -d' ' -f1)
if [[ $(cat .venv/.installed 2>/dev/null) != "$locks" ]]; then
    for candidate in "${PYTHON:-python3.11}" python3.11 python3.12 python3.13 python3; do
        if supported "$candidate"; then found=$candidate; break; fi
    done
    if [[ -z ${found:-} ]]; then
        stop_install "needs Python 3.11, 3.12 or 3.13 on the PATH (or PYTHON=/path/to/it)"
    fi
    echo "install: into $(pwd)/.venv with $("$found" --version), once"
    rm -rf .venv && mkdir .venv
    echo "install: 1 of 2, uv and what packages are built with"
    install_tools "$found"
    echo "install: 2 of 2, $(grep -c '==' requirements.lock) packages; the first time about 850 MB are fetched"
    install_packages
    echo "$locks" >.venv/.installed
fi
