#!/usr/bin/env bash
# Every stage of a run, in order; cells that are done and still valid are skipped.
#
#   ./run_all.sh                                  the bundled example
#   ./run_all.sh data/mycomp                      a competition's folder, files or zip: writes configs/mycomp.toml first
#   ./run_all.sh configs/boyu.toml                a configuration
#   ./run_all.sh configs/boyu.toml --fold 2       one fold of every stage
#   ./run_all.sh configs/boyu.toml --stage stage2 one stage
#
# The stages, each a command of its own (.venv/bin/python -m stages STAGE CONFIG):
#
#   check     everything is read and validated; what a run will do, take and submit
#   folds     the training rows are dealt to folds, once
#   baseline  tf-idf on these folds: the number to beat
#   pretrain  stage 0, where the configuration has [pretrain]
#   stage1    BERT and head, fold by fold
#   stage2    the head alone, from each fold's stage 1
#   submit    the test predictions, averaged over the folds
#   report    what each stage scores out of fold, and what to upload
#
# Further options go to the stages, for example --run NAME, --set stage1.epochs=4 or --metric f1; -q is --quiet.
set -euo pipefail
here=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
stage=all what=() fold=() quiet=() options=()
while (($#)); do
    case $1 in
        -h | --help) sed -n '2,/^set/{s/^# \{0,1\}//;/^set/!p}' "$here/run_all.sh"; exit ;;
        --stage)
            stage=${2:?--stage needs a name}; shift 2
            if [[ ! $stage =~ ^(check|folds|baseline|pretrain|stage1|stage2|submit|report)$ ]]; then
                echo "run_all.sh: no stage $stage; see ./run_all.sh --help" >&2; exit 2
            fi ;;
        --fold) fold+=(--fold "${2:?--fold needs a number}"); shift 2 ;;
        --set | --run | --metric | --from | --redo) options+=("$1" "${2:?$1 needs a value}"); shift 2 ;;
        -q | --quiet) quiet=(--quiet); shift ;;
        --strict) options+=("$1"); shift ;;
        -*) echo "run_all.sh: unknown option $1; see ./run_all.sh --help" >&2; exit 2 ;;
        *) if [[ -e $1 ]]; then what+=("$(realpath -s -- "$1")"); else what+=("$1"); fi; shift ;;
    esac
done
if ((!${#what[@]})); then what=(configs/example.toml); fi
cd "$here"
# shellcheck source=install.sh
source ./install.sh
if [[ $stage == check ]]; then fold=(); fi
if [[ $stage != all ]]; then quiet=(); fi
exec .venv/bin/python -m stages "$stage" "${what[@]}" "${fold[@]}" "${quiet[@]}" "${options[@]}"
