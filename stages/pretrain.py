"""Stage 0: train the encoder on the competition's texts and on files, as a masked language model, if configured.

Looks at no label. Example: python -m stages pretrain configs/boyu_adapted.toml
"""

from pipeline.machine.console import say
from pipeline.runs.run import FitCell, Run
from stages import options


def pretrain(config: options.ConfigPath, fold: options.Folds = None, overrides: options.Set = None,
             run: options.RunName = None, other: options.From = None, redo: options.Redo = None,
             strict: options.Strict = False) -> None:
    with options.opened(config, overrides, run, other, redo) as work:
        if work.config.pretrain is None:
            say(f"pretrain: {config} has no [pretrain], so there is no stage 0")
            return
        wanted = work.cells_of("pretrain", options.chosen_folds(work, fold))
        work.finish("pretrain", wanted, _start, strict)
        from pipeline.results import pretraining  # imports Matplotlib

        found = [str(work.paths.cell("pretrain", cell)) for cell in wanted]
        say(f"pretrain: {', '.join(found + [str(path) for path in pretraining.write(work, wanted)])}")


def _start(work: Run) -> FitCell:
    from pipeline.pretraining import loop  # imports TensorFlow: only where there is a cell to fit

    return loop.start(work)
