"""Adversarial validation: whether a model can tell test rows from training rows, by what, and whether it matters."""

import numpy as np
import numpy.typing as npt

from pipeline.competition import folds
from pipeline.doctor import text_properties
from pipeline.doctor.examined import Examined, Ints
from pipeline.doctor.finding import Finding, Severity, shown
from pipeline.lazy import lazily
from pipeline.metrics import scores

text_features = lazily("sklearn.feature_extraction.text")
linear_model = lazily("sklearn.linear_model")

MOST = 20_000  # rows that are looked at, half of them of each side
FEATURES = 50_000
PERMUTATIONS = 10
PARTS = 5
SURE = 4.0  # standard deviations of the null from which a difference is one
SHIFT, UNLIKE = 0.55, 0.70  # AUC from which train and test differ, and from which they are of different sources
SHOWN = 10  # n-grams that are named
SEED = 2020


def differ(seen: Examined) -> Finding | None:
    """Whether tf-idf of character n-grams tells test from train, cross-validated with copies kept together, beyond what
    it tells of permuted rows."""
    count, rows = len(seen.train), _rows(seen)
    if rows is None:
        return None
    of_test, group = (rows >= count).astype(np.float64), seen.near[rows]
    vectorizer = text_features.TfidfVectorizer(analyzer="char", ngram_range=(1, 3), min_df=2, max_features=FEATURES,
                                               sublinear_tf=True, dtype=np.float32)
    vectors = vectorizer.fit_transform(seen.texts.iloc[rows])
    rng = np.random.default_rng(SEED)
    targets = np.stack([of_test, *(_permuted(of_test, group, rng) for _ in range(PERMUTATIONS))], axis=1)
    part = folds.split(of_test.astype(np.int64), group, "stratified_grouped", PARTS, SEED)
    told = np.zeros_like(targets)
    for number in range(PARTS):
        inside = part == number
        model = linear_model.Ridge(alpha=1.0, solver="sparse_cg", tol=1e-3).fit(vectors[~inside], targets[~inside])
        told[inside] = model.predict(vectors[inside])
    labels = targets.astype(np.int64)
    areas = np.array([scores.auc(labels[:, number], told[:, number]) for number in range(labels.shape[1])], np.float64)
    auc, null = float(areas[0]), areas[1:]
    sure = auc - null.mean() > SURE * null.std(ddof=1) * np.sqrt(1 + 1 / PERMUTATIONS)
    if auc < SHIFT or not sure:
        return None
    model = linear_model.Ridge(alpha=1.0, solver="sparse_cg", tol=1e-3).fit(vectors, of_test)
    names, weight = vectorizer.get_feature_names_out(), np.asarray(model.coef_).ravel()
    best = np.argsort(-np.abs(weight))[:SHOWN]
    grams = [f"{names[number]!r} ({'test' if weight[number] > 0 else 'train'})" for number in best]
    numbers: dict[str, float | None] = {"auc": auc, "auc of permuted rows, max": float(null.max())}
    numbers |= (matters := _matters(seen, rows, told[:, 0]))
    name, area = text_properties.most_telling(seen.texts.iloc[rows], of_test)
    likeliest = seen.id_and_text(int(rows[told[:, 0].argmax()]))
    return Finding(
        Severity.error if auc >= UNLIKE else Severity.warning,
        f"train and test can be told apart: AUC {auc:.3f}, where permuted rows give at most {null.max():.3f}",
        int(of_test.sum()), (f"what gives them away: {', '.join(grams)}",
                             f"most telling property: {name}, AUC {area:.3f}",
                             f"the likeliest test row: {shown(likeliest)}"),
        _effect(seen, matters), "look at where rows are from: data.source_column and folds.validate_on score on rows "
        "like test's; take a token that only one side has out of the texts", numbers)


def _rows(seen: Examined) -> Ints | None:
    """Numbers of the rows that are looked at; None where there are too few for each part."""
    rng, sides = np.random.default_rng(SEED), list[Ints]()
    for first, last in ((0, len(seen.train)), (len(seen.train), len(seen.train) + len(seen.test))):
        side = np.arange(first, last)
        sides.append(side if len(side) <= MOST // 2 else np.sort(rng.choice(side, MOST // 2, replace=False)))
        if len(np.unique(seen.near[sides[-1]])) < 2 * PARTS:
            return None
    return np.concatenate(sides)


def _permuted(target: npt.NDArray[np.float64], group: Ints, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """The target dealt anew, in runs of copies, so that copies stay about as alike as they are."""
    order = np.argsort(group, kind="stable")
    place = rng.permutation(int(group.max()) + 1)[group]
    dealt = np.empty_like(target)
    dealt[np.argsort(place, kind="stable")] = target[order]
    return dealt


def _matters(seen: Examined, rows: Ints, told: npt.NDArray[np.float64]) -> dict[str, float | None]:
    """The out-of-fold score of the tenth of validated rows that is most like test, and of the others."""
    if seen.oof is None:
        return {}
    inside = rows < len(seen.train)
    like = dict(zip(seen.train.id.iloc[rows[inside]], told[inside], strict=True))
    _, oof = seen.oof
    score_of = oof.id.map(like)
    if score_of.isna().all():
        return {}
    most = (score_of >= score_of.quantile(0.9)).to_numpy()
    return {"score of the tenth most like test": seen.score(oof[most]), "score of the others": seen.score(oof[~most])}


def _effect(seen: Examined, matters: dict[str, float | None]) -> str:
    like, others = (matters.get(key) for key in ("score of the tenth most like test", "score of the others"))
    if like is None or others is None or seen.oof is None:
        return "the out-of-fold score is of rows unlike test's"
    return (f"the out-of-fold score is of rows unlike test's: {seen.oof[0]} has {seen.metric_label} {like:.4f} on the "
            f"tenth of train most like test and {others:.4f} on the others")
