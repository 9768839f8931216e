"""The number to beat: n-gram tf-idf with logistic regression, on the very folds of the other stages."""

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from pipeline import cells
from pipeline.competition import text_columns
from pipeline.log import say
from pipeline.metrics import auc
from pipeline.run import FitCell, Run


def start(run: Run) -> FitCell:
    """Returns the function that fits the baseline of one fold; the vocabulary is learnt from its training rows only."""
    config = run.config.baseline
    train, test, task = run.competition.train, run.competition.test, run.competition.task

    def fit_cell(fold: int) -> cells.Files:
        valid = run.fold_of_row == fold
        model = make_pipeline(
            TfidfVectorizer(analyzer=config.analyzer, ngram_range=tuple(config.ngrams), min_df=config.min_rows,
                            sublinear_tf=True),
            LogisticRegression(C=config.strength, max_iter=2000))
        texts, test_texts = (table[text_columns(table)].agg("\n".join, axis=1) for table in (train, test))
        model.fit(texts[~valid], train.label[~valid])
        logit = model.decision_function(texts[valid]).astype(np.float32)
        label = train.label[valid].to_numpy()
        area = auc(label, logit)
        say(f"baseline fold {fold}  valid AUC {'undefined' if area is None else f'{area:.4f}'}")
        return {"oof.csv": task.oof_table(train.id[valid], run.fold_of_row[valid], label, logit),
                "test.csv": task.test_table(test.id, model.decision_function(test_texts).astype(np.float32))}

    return fit_cell
