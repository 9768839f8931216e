"""What a cell's numbers follow from, key by key; two cells with the same identity are the same experiment."""

from pipeline.config.schema import flatten
from pipeline.config.training import Training
from pipeline.runs import cells
from pipeline.runs.cells import Identity
from pipeline.runs.run import Run
from pipeline.stage_table import PRETRAIN, STAGE1, Cell

NOT_OF_A_CELL = ("pretrain.texts", "pretrain.files")  # the texts themselves stand in its identity


def of_pretraining(run: Run, cell: Cell) -> Identity:
    """Texts, what the encoder starts from, how texts become tokens, and [pretrain]."""
    config = run.config
    assert config.pretrain is not None
    own = {"stage": str(cell.stage), "fold": cell.fold, "texts": run.pretraining_texts.identity,
           "checkpoint": run.checkpoint.identity, "seed": cell.seed, "bert.precision": config.bert.precision,
           "tokens.tokenizer": config.tokens.tokenizer, "tokens.lowercase": config.tokens.lowers,
           "tokens.strip_accents": config.tokens.strip_accents}
    settings = flatten(config.pretrain, str(PRETRAIN))
    return own | {key: value for key, value in settings.items() if key not in NOT_OF_A_CELL}


def of_baseline(run: Run, cell: Cell) -> Identity:
    """Rows, folds and [baseline]; nothing is random."""
    return _of_rows(run, cell) | flatten(run.config.baseline, str(cell.stage))


def of_stage1(run: Run, cell: Cell) -> Identity:
    """Rows, folds, seed, the encoder that it starts from, [tokens], [head] and [stage1]."""
    config = run.config
    settings = flatten(config.tokens, "tokens") | flatten(config.head, "head")
    # The batch size of prediction changes a result only where a score depends on its batch.
    predicting = {} if config.head.masked else {"hardware.predict_batch": run.made_with.predict_batch}
    return (_of_labels(run, cell) | {
        "checkpoint": start_of_stage1(run, cell.fold), "bert.dropout": config.bert.dropout,
        "bert.precision": config.bert.precision} | settings | predicting
        | _recipe(run, config.stage1, cell) | _compared_by(run, config.stage1, cell))


def of_stage2(run: Run, cell: Cell) -> Identity:
    """Rows, folds, seed, the stage-1 cell that it starts from, and [stage2]."""
    parent = cells.fingerprint(run.paths.cell(run.cell(STAGE1, cell.fold, cell.seed)))
    return (_of_labels(run, cell) | {"stage 1 cell": parent} | _recipe(run, run.config.stage2, cell)
            | _compared_by(run, run.config.stage2, cell))


def start_of_stage1(run: Run, fold: int) -> str:
    """What names the encoder that stage 1 of a fold starts from: the checkpoint's identity, or a stage-0 cell's."""
    if run.config.pretrain is None:
        return run.checkpoint.identity
    return cells.fingerprint(run.paths.cell(run.cell(PRETRAIN, fold)))


def _of_rows(run: Run, cell: Cell) -> Identity:
    pseudo = run.pseudo_labels
    given = {} if pseudo is None else {"pseudo-labels": pseudo.of_fold(cell.fold).digest,
                                       "pseudo_labels.weight": pseudo.settings.weight}
    return {"stage": str(cell.stage), "fold": cell.fold, **run.data_identity, **given}


def _of_labels(run: Run, cell: Cell) -> Identity:
    data = run.config.data
    weights = {"data.label_weights": data.label_weights} if data and data.label_weights else {}
    return _of_rows(run, cell) | {"seed": cell.seed} | weights


def _recipe(run: Run, recipe: Training, cell: Cell) -> Identity:
    """A stage's settings. A monitor that follows from ``metric`` and chooses nothing changes no number: a metric may be
    named when cells are there."""
    settings = flatten(recipe, str(cell.stage))
    chooses = (recipe.early_stopping or recipe.plateau or recipe.predict_with == "best"
               or getattr(recipe, "hand_on", None) == "best")
    if recipe.monitor == run.config.metric and not chooses:
        settings[f"{cell.stage}.monitor"] = run.config.kind.monitor
    return settings


def _compared_by(run: Run, recipe: Training, cell: Cell) -> Identity:
    """The rows that a cell's epochs are compared by, where they are not the fold's: how they are dealt follows from
    keys that mean nothing else once the folds are there."""
    return {} if recipe.monitor_on == "fold" else {"inner rows": run.inner_rows(cell.fold)}
