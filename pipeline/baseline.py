"""The number to beat: n-gram tf-idf with logistic regression, on the very folds of the other stages."""

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from pipeline import cells
from pipeline.competition import text_columns
from pipeline.errors import UserError
from pipeline.log import say
from pipeline.run import FitCell, Run


def start(run: Run) -> FitCell:
    """Returns the function that fits the baseline of one fold; the vocabulary is learnt from its training rows only."""
    config = run.config.baseline
    train, test, task = run.competition.train, run.competition.test, run.competition.task

    target = task.target(train.label)

    def fit_cell(fold: int) -> cells.Files:
        valid = run.fold_of_row == fold
        texts, test_texts = (table[text_columns(table)].agg("\n".join, axis=1) for table in (train, test))
        ngrams = TfidfVectorizer(analyzer=config.analyzer, ngram_range=tuple(config.ngrams), min_df=config.min_rows,
                                 sublinear_tf=True)
        try:
            vectors = ngrams.fit_transform(texts[~valid])
        except ValueError as error:
            raise UserError(f"baseline fold {fold}: no n-gram is in baseline.min_rows = {config.min_rows} of its "
                            f"training rows ({error}); lower it, or choose another baseline.analyzer") from None
        model = task.linear(config.strength).fit(vectors, target[~valid])
        logit, test_logit = (model.decision_function(ngrams.transform(rows)).astype(np.float32)
                             for rows in (texts[valid], test_texts))
        say(f"baseline fold {fold}  valid {task.told(task.scores(target[valid], logit))}")
        return {"oof.csv": task.oof_table(train.id[valid], run.fold_of_row[valid], train.label[valid], logit),
                "test.csv": task.test_table(test.id, test_logit)}

    return fit_cell
