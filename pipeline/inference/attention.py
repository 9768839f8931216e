"""Where the head's [CLS] attention looked, of each validated row by its own fold's model."""

from pipeline.errors import UserError
from pipeline.inference.predictor import Predictor
from pipeline.runs.run import Run
from pipeline.stage_table import STAGE1, STAGE2
from pipeline.text.columns import text_columns

Tokens = list[tuple[str, float]]


def out_of_fold(run: Run) -> dict[str, Tokens]:
    """By id, each row's tokens with how much [CLS] attended to them, 1 in all; by stage 2's heads where they are
    finished, else by stage 1's. Raises UserError where there is no such head, or none is finished."""
    stage = STAGE2 if run.finished(STAGE2) else STAGE1
    folds = sorted({cell.fold for cell in run.finished(stage)})
    if not folds:
        raise UserError(f"run {run.config.name!r}: --attention needs a finished fold of {STAGE1}")
    train = run.competition.train
    by_id: dict[str, Tokens] = {}
    for fold in folds:
        model = Predictor(run.config.name, stage, [fold])
        if not model.attends:
            raise UserError(f"run {run.config.name!r}: --attention needs rows with one output and \"attention\" in "
                            f"head.parts")
        rows = train.loc[run.fold_of_row == fold, ["id", *text_columns(train)]].reset_index(drop=True)
        by_id |= dict(zip(rows.id, model.cls_attention(rows), strict=True))
    return by_id
