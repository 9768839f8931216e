#!/usr/bin/env bash
# A run over the tasks of a Slurm array, a fold each, and its cells brought together. From the project's root:
#
#   python -m stages folds configs/mine.toml         and pretrain, where there is a [pretrain]
#   sbatch --array=0-4 --cpus-per-task=4 --gres=gpu:1 examples/slurm_array.sh configs/mine.toml
#   examples/slurm_array.sh gather configs/mine.toml   when all tasks have ended; prints the report
#
# Further options go to every stage, the same ones to both: --set stage1.epochs=4. A task that was killed, or that lost its
# node, is submitted again under its number (--array=3): it goes on from its last epoch. A task works in a folder of its own,
# array/CONFIG/FOLD, since one process at a time works on a run; code, data and environment are links, and what the run has
# already (folds, stage 0) is copied. Every task has the same number of threads, which is part of what last digits follow from.
set -euo pipefail
cd -- "${SLURM_SUBMIT_DIR:-$PWD}"
python=.venv/bin/python

if [[ ${1:-} == gather ]]; then
    config=${2:?gather needs a configuration}
    options=("${@:3}")
    for run in "array/$(basename -- "$config" .toml)"/*/models/*/; do
        "$python" -m stages import "$run"
    done
    exec "$python" -m stages all "$config" "${options[@]}"
fi

config=${1:?a configuration is needed: configs/mine.toml}
options=(--fold "${SLURM_ARRAY_TASK_ID:?is set by sbatch --array}" "${@:2}")
own=array/$(basename -- "$config" .toml)/$SLURM_ARRAY_TASK_ID
mkdir -p "$own/models" "$own/oof" "$own/submissions"
for part in pipeline stages configs data .venv; do
    [[ -e $own/$part ]] || ln -s "$PWD/$part" "$own/$part"
done
for run in models/*/; do
    name=$(basename -- "$run")
    if [[ -e $run/folds.csv && ! -e $own/models/$name ]]; then cp -r -- "$run" "$own/models/$name"; fi
done
cd "$own"
for stage in baseline stage1 stage2; do
    "$python" -m stages "$stage" "$config" "${options[@]}" \
        --set "hardware.threads_per_cell=${SLURM_CPUS_PER_TASK:-1}" --set hardware.jobs=1
done
