"""What stage 0 learnt, for reading: held-out loss and accuracy by epoch, a picture of them, and texts it filled in."""

from pathlib import Path

import pandas as pd

from pipeline.files import formats
from pipeline.results import plots
from pipeline.results.report import plain
from pipeline.runs import artefacts
from pipeline.runs.run import Run
from pipeline.stage_table import Cell

COLUMNS = {"epoch": "epoch", "loss": "training loss", "held_out_words_loss": "words: loss",
           "held_out_words_accuracy": "accuracy", "held_out_tokens_loss": "tokens: loss",
           "held_out_tokens_accuracy": "accuracy"}


def write(run: Run, cells: list[Cell]) -> list[Path]:
    """Writes oof/<run>/pretrain.md and pretrain.png from the finished cells; returns the paths."""
    pretrain = run.config.pretrain
    assert pretrain is not None
    folders = {str(cell): run.paths.cell(cell) for cell in cells}
    histories = {name: pd.read_csv(folder / artefacts.HISTORY) for name, folder in folders.items()}
    paths = [run.paths.oof / "pretrain.md", run.paths.oof / "pretrain.png"]
    lines = [f"# Stage 0 of run `{run.config.name}`", "",
             f"Masked-language-model training, {pretrain.masking} masked, started from {plain(run.checkpoint.source)}. "
             f"{_seen(run)} Loss and accuracy are of the masked places of texts that were held out, by either way of "
             f"masking; epoch 0 is before training.", ""]
    for name, folder in folders.items():
        lines += [f"## {name}", "", "| " + " | ".join(COLUMNS.values()) + " |", "|" + "---|" * len(COLUMNS)]
        for row in histories[name][list(COLUMNS)].itertuples(index=False):
            shown = ("" if pd.isna(value) else f"{value:.4f}" for value in row[1:])
            lines.append(f"| {row[0]:.0f} | {' | '.join(shown)} |")
        examples = pd.read_csv(folder / artefacts.EXAMPLES, dtype=str, keep_default_na=False)
        lines += ["", "| held-out text with blanks | what stood there | what the model puts there |", "|---|---|---|"]
        lines += [" | ".join(["", *(plain(str(value)) for value in row), ""]).strip()
                  for row in examples.itertuples(index=False)]
        lines.append("")
    formats.write(paths[0], "\n".join(lines))
    formats.write(paths[1], plots.pretraining(histories, run.config.name))
    return paths


def _seen(run: Run) -> str:
    pretrain = run.config.pretrain
    assert pretrain is not None
    sources = [f"{len(pretrain.files)} files"] * bool(pretrain.files) + [f"{name} texts" for name in pretrain.texts]
    hidden = "" if "train" not in pretrain.texts else (
        " The folds' validation texts are among them; no label was read." if pretrain.fold_texts == "all" else
        " The fold's own validation texts are not among them, wherever they stand; no label was read.")
    return f"Texts: {', '.join(sources)}.{hidden}"
