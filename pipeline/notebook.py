"""A run in a notebook: a method for each stage, and results that show themselves."""

import html
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from pipeline.config import loading
from pipeline.doctor import inspection
from pipeline.errors import UserError
from pipeline.machine.console import say
from pipeline.proposal import configuration
from pipeline.results import predictions, stage_scores, submission, verdict
from pipeline.results import report as reports
from pipeline.runs import opening, scheduler
from pipeline.runs.invocation import Invocation
from pipeline.runs.run import Run
from pipeline.stage_table import BASELINE, PRETRAIN, STAGE1, STAGE2, Stage


class Shown:
    """A table and lines of text: HTML in a notebook, plain text elsewhere."""

    def __init__(self, table: pd.DataFrame | None, lines: Iterable[str]):
        self.table, self.lines = table, list(lines)

    def _repr_html_(self) -> str:
        table = "" if self.table is None else self.table.to_html(escape=True)
        items = "".join(f"<li>{html.escape(line)}</li>" for line in self.lines)
        return f"{table}<ul>{items}</ul>"

    def __repr__(self) -> str:
        return "\n".join([*([] if self.table is None else [self.table.to_string()]), *self.lines])


class Competition:
    """One run, by its TOML file or by a competition's folder, files or zip, which are looked at as ``stages new`` does.

    Args:
        source: the file, or the folder.
        settings: overrides, as "stage1.epochs=1".
        run: another name than the configuration's.
        metric: of a folder, what the competition scores by.

    Each method reads the tables again, so that files may change between two cells; what is finished is not done again.
    Raises UserError as the stages do.
    """

    def __init__(self, source: str | Path, *settings: str, run: str | None = None, metric: str | None = None):
        path = Path(source)
        if path.suffix != ".toml":
            where = configuration.path_of([path])
            if metric and where.exists():
                raise UserError(f"metric: {where} was written before and says its own; give 'metric={metric}' as a "
                                f"setting, or delete it")
            path = where if where.exists() else configuration.write([path], None, metric, list(settings)).path
            say(f"configuration: {path}")
        self.path, self._settings, self._run = path, list(settings), run

    def check(self) -> Shown:
        """What the data say, and what a run would do."""
        run = opening.read(self._loaded())
        return Shown(None, [*inspection.lines(run), *(f"warning: {line}" for line in inspection.warnings(run))])

    def baseline(self, fold: int | None = None) -> Shown:
        """tf-idf on the folds: the number to beat."""
        return self._finish(BASELINE, fold)

    def pretrain(self, fold: int | None = None) -> None:
        """Stage 0, where the configuration has [pretrain]."""
        with opening.opened(self._loaded()) as run:
            scheduler.finish(run, PRETRAIN, None if fold is None else [fold], whole_run=True)

    def stage1(self, fold: int | None = None, seed: int | None = None) -> Shown:
        """Fine-tunes encoder and head on each fold with each seed, or on one."""
        return self._finish(STAGE1, fold, seed)

    def stage2(self, fold: int | None = None, seed: int | None = None) -> Shown:
        """Trains the head alone, from stage 1 of each fold and seed, or of one."""
        return self._finish(STAGE2, fold, seed)

    def report(self) -> Shown:
        """Every finished stage's scores, a row each, and the verdict in words."""
        with opening.opened(self._loaded()) as run:
            return _report(run, Invocation(self.path, self._run, tuple(self._settings)))

    def oof(self, stage: str = str(STAGE1)) -> pd.DataFrame:
        """The out-of-fold predictions of a stage's finished folds, with the texts. Raises UserError where none is."""
        with opening.opened(self._loaded()) as run:
            parts = predictions.of_all_stages(run)
            if stage not in parts:
                raise UserError(f"{stage}: has no finished fold yet; there is {', '.join(parts) or 'none'}")
            oof = parts[stage].oof
            texts = run.competition.train.drop(columns=["label", "place", "dev", "stratum"])
            known = [name for name in texts if name == "id" or name not in oof]
            return oof.merge(texts[known], on="id", validate="many_to_one")

    def submission(self) -> pd.DataFrame:
        """Writes the submissions, and returns that of submit.stage. Raises UserError while folds are missing, and where
        the competition has no test rows."""
        with opening.opened(self._loaded()) as run:
            if not len(run.competition.test):
                raise UserError(f"{run.config.name} has no data.test, so there is no submission to make")
            parts = predictions.of_all_stages(run)
            submission.write(run, parts, run.folds)
            return submission.build(run, parts[run.config.submit.stage]).reset_index(drop=True)

    def predict(self, texts: Iterable[str], second: Iterable[str] | None = None) -> pd.DataFrame:
        """What the finished folds say of other texts, or pairs of them: the mean of their predictions."""
        from pipeline.inference.predictor import Predictor  # imports TensorFlow

        model = Predictor(self._loaded().name)
        rows = model.table(texts, second)
        return rows.merge(model.predict(rows), on="id")

    def _finish(self, stage: Stage, fold: int | None, seed: int | None = None) -> Shown:
        with opening.opened(self._loaded()) as run:
            scheduler.finish(run, stage, opening.chosen_folds(run, None if fold is None else [fold]), whole_run=True,
                             seeds=opening.chosen_seeds(run, None if seed is None else [seed]))
            if (part := predictions.gather(run, stage)) is not None:
                predictions.write(run, part)
            return _report(run, Invocation(self.path, self._run, tuple(self._settings)))

    def _loaded(self) -> loading.Config:
        return loading.load(self.path, self._settings, self._run)


def _report(run: Run, call: Invocation) -> Shown:
    parts = predictions.of_all_stages(run)
    task, built = run.competition.task, reports.build(run, parts)
    led = any("lead" in part for part in built["stages"].values())
    header = stage_scores.header(task, built["metric"] if led else None)
    rows = {stage: stage_scores.row(task, part) for stage, part in built["stages"].items()}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=header)
    if all(part.whole for part in parts.values()):
        reports.write(run, built)
    return Shown(table, [*reports.summary(task, built), *verdict.lines(run, built, parts, call)])
