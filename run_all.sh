#!/usr/bin/env bash
# Every stage of a run, in order; cells that are done and still valid are skipped.
#
#   ./run_all.sh                                  the bundled example
#   ./run_all.sh configs/boyu.toml                a real competition
#   ./run_all.sh configs/boyu.toml --fold 2       one fold of every stage
#   ./run_all.sh configs/boyu.toml --stage stage2 one stage
#
# Further options go to every stage, for example --run NAME or --set stage1.epochs=4.
set -euo pipefail
here=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
config=configs/example.toml fold=() only="" options=()
while (($#)); do
    case $1 in
        -h | --help) sed -n '2,/^set/{s/^# \{0,1\}//;/^set/!p}' "$here/run_all.sh"; exit ;;
        --fold) fold+=(--fold "${2:?--fold needs a number}"); shift 2 ;;
        --stage)
            only=${2:?--stage needs a name}; shift 2
            if [[ ! $only =~ ^(check|folds|baseline|pretrain|stage1|stage2|submit|report)$ ]]; then
                echo "run_all.sh: no stage $only; see ./run_all.sh --help" >&2; exit 2
            fi ;;
        --set | --run) options+=("$1" "${2:?$1 needs a value}"); shift 2 ;;
        -*) echo "run_all.sh: unknown option $1; see ./run_all.sh --help" >&2; exit 2 ;;
        *) config=$1; if [[ -e $1 ]]; then config=$(realpath -- "$1"); fi; shift ;;
    esac
done
cd "$here"
# shellcheck source=install.sh
source ./install.sh

stage() {
    if [[ -n $only && $only != "$1" ]]; then return; fi
    echo "== $1"
    .venv/bin/python -m stages "$1" "$config" "${options[@]}" "${@:2}"
}

stage check
stage folds
stage baseline "${fold[@]}"
stage pretrain "${fold[@]}"                    # stage 0, where the config has [pretrain]
stage stage1 "${fold[@]}"
stage stage2 "${fold[@]}"
if ((!${#fold[@]})); then stage submit; fi      # refused while folds are missing
stage report
