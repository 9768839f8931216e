"""Several labels a row, each one of two or one of several: every output is a task of its own on the shared encoder."""

import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.config.run import Config
from pipeline.metrics import names
from pipeline.metrics.metric import Form
from pipeline.tasks import linear
from pipeline.tasks.binary import Binary
from pipeline.tasks.label_names import JOINT
from pipeline.tasks.multiclass import Multiclass
from pipeline.tasks.protocol import Link, Report
from pipeline.tasks.report_parts import format_score, over_folds, spread
from pipeline.tasks.row_views import RowView
from pipeline.tasks.rows import RowTask

LONGEST_NAME = 40  # characters of an output's name in a file's name
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Multioutput(RowTask):
    """Named outputs, in this order everywhere; a row's label is that of every output."""

    parts: dict[str, Binary | Multiclass]
    weights: tuple[float, ...]

    kind: ClassVar[str] = "multioutput"
    metric: ClassVar[str] = names.MEAN
    metric_label: ClassVar[str] = "mean score"
    contradiction: ClassVar[str] = "texts with several sets of labels"
    footnote: ClassVar[str] = "The mean over outputs: the AUC of an output of two labels, the accuracy of others."
    label_dtype: ClassVar[str] = "str"
    pictures: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def from_config(cls, config: Config, labels: Sequence[str]) -> "Multioutput":
        data = config.competition
        return cls.of(data.label_columns or [], labels, data.label_weights)

    @classmethod
    def of(cls, names: Sequence[str], labels: Sequence[str], weights: Sequence[float] | None) -> "Multioutput":
        """What the labels of the training rows say: an output of two different labels is binary, the second of them in
        order the positive one."""
        columns = _columns(labels, len(names))
        parts: dict[str, Binary | Multiclass] = {}
        for name, column in zip(names, columns, strict=True):
            values = sorted(set(column) - {""})
            parts[name] = Binary(values[0], values[1]) if len(values) == 2 else Multiclass(tuple(values))
        return cls(parts, tuple(weights or [1.0] * len(names)))

    @property
    def loss_weights(self) -> tuple[float, ...]:
        return self.weights

    @property
    def report_header(self) -> list[str]:
        """Each output's own pooled score."""
        return ["mean ± sd", "pooled", *(f"{name}: {part.metric_label}" for name, part in self.parts.items())]

    @property
    def output_names(self) -> tuple[str, ...]:
        return tuple(self.parts)

    @property
    def outputs(self) -> tuple[int, ...]:
        """A head an output."""
        return tuple(part.outputs[0] for part in self.parts.values())

    @property
    def links(self) -> tuple[Link, ...]:
        """Each output's own."""
        return tuple(part.links[0] for part in self.parts.values())

    @property
    def identity(self) -> dict[str, Any]:
        """The outputs and their labels."""
        return {"task": "multioutput", "outputs": {
            name: list(part.labels if isinstance(part, Binary) else part.classes) for name, part in self.parts.items()}}

    @property
    def oof_columns(self) -> list[str]:
        """A label an output, then logits and probabilities of each."""
        return ["id", "fold", *(f"label:{name}" for name in self.parts), *self.test_columns[1:]]

    @property
    def test_columns(self) -> list[str]:
        """Logits and probabilities of each output: logit:<output>, or logit:<output>:<class>."""
        return ["id", *(_named(column, name) for name, part in self.parts.items() for column in part.test_columns[1:])]

    def problems(self, rows: pd.DataFrame, where: str, trained_on: bool) -> list[str]:
        """Those of every output in its column, and of one that has a single label."""
        wrong = []
        for (name, part), column in zip(self.parts.items(), _columns(rows.label, len(self.parts)), strict=True):
            at = f"{where}, column {name}"
            if isinstance(part, Multiclass) and len(part.classes) < 2:
                wrong.append(f"{at}: an output needs two labels or more, got {', '.join(map(repr, part.classes))}")
            wrong += part.problems(rows.assign(label=column), at, trained_on)
        again = [column for column, count in Counter(self.test_columns).items() if count > 1]
        return wrong + [f"{where}: two outputs would share the column {column!r}; name one of them, or its label, "
                        f"without a colon" for column in again[:5]]

    def label_text(self, label: str) -> str:
        """The labels of all outputs."""
        return label.replace(JOINT, ", ")

    def shares(self, label: pd.Series) -> str:
        return "; ".join(f"{name}: {part.shares(own)}" for name, part, own in self._own(label))

    def strata(self, label: pd.Series) -> npt.NDArray[np.int64]:
        """The combination of labels."""
        together = np.stack([part.strata(own) for _, part, own in self._own(label)], axis=1)
        return np.unique(together, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)

    def target(self, label: pd.Series) -> Floats:
        """float32 [rows, outputs]: the number of each output's label."""
        return np.stack([part.target(own) for _, part, own in self._own(label)], axis=1).astype(np.float32)

    def epoch_scores(self, target: Floats, logit: Floats) -> dict[str, float]:
        """Means over the outputs, and each output's own score by its name."""
        each = {name: part.epoch_scores(target[:, number].astype(part.target_dtype), own) for number, (name, part, own)
                in enumerate(self._logits(logit))}
        means = {name: float(np.mean([scores[name] for scores in each.values()]))
                 for name in ("auc", "accuracy", "f1", "loss")}
        own = {f"score of {name}": scores[self.parts[name].metric] for name, scores in each.items()}
        return means | {"mean_score": float(np.mean(list(own.values())))} | own

    def format_scores(self, scores: dict[str, float]) -> str:
        """An epoch's scores on one line."""
        return "  ".join(f"{name} {part.metric_label} {scores[f'score of {name}']:.4f}"
                         for name, part in self.parts.items())

    def linear(self, vectors: Any, target: Floats, strength: float, weight: Floats | None = None) -> linear.Linear:
        """Logistic regression of each output."""
        return linear.beside([part.linear(vectors, target[:, number].astype(part.target_dtype), strength, weight)
                              for number, part in enumerate(self.parts.values())])

    def oof_table(self, rows: pd.DataFrame, fold: npt.NDArray[np.int64], logit: Floats) -> pd.DataFrame:
        """id, fold, the label of each output, then its logits and probabilities."""
        table = self.test_table(rows, logit)
        table.insert(1, "fold", fold)
        for place, (name, column) in enumerate(zip(self.parts, _columns(rows.label, len(self.parts)), strict=True), 2):
            table.insert(place, f"label:{name}", column)
        return table

    def test_table(self, rows: pd.DataFrame, logit: Floats) -> pd.DataFrame:
        """id, then the logits and probabilities of each output."""
        tables = [_of_output(part.test_table(rows, own).drop(columns="id"), name)
                  for name, part, own in self._logits(logit)]
        return pd.concat([rows[["id"]].reset_index(drop=True), *tables], axis=1)

    def tables(self, oof: pd.DataFrame) -> dict[str, pd.DataFrame]:
        """Each output's own, as a run of that output alone has it, by a name that no other file has."""
        named, taken = {}, {"test"}  # <stage>_test.csv is the table of test predictions
        for name in self.parts:
            plain = re.sub(r"[^\w.-]+", "_", name)[:LONGEST_NAME]
            numbered = (f"{plain}_{number}" for number in itertools.count(2))
            candidates = itertools.chain([plain], numbered)
            short = next(candidate for candidate in candidates if candidate.casefold() not in taken)
            taken.add(short.casefold())
            named[short] = self._part(oof, name)
        return named

    def row_views(self, oof: pd.DataFrame) -> dict[str, RowView]:
        """Each output's own."""
        return {name: part.row_views(self._part(oof, name))[""] for name, part in self.parts.items()}

    def probabilities(self, test: pd.DataFrame, each: bool = False) -> pd.DataFrame:
        """Those of each output."""
        return pd.concat([_of_output(part.probabilities(self._part(test, name)), name)
                          for name, part in self.parts.items()], axis=1)

    def decisions(self, oof: pd.DataFrame | None, test: pd.DataFrame, metric: str | None) -> pd.DataFrame:
        """One label of each output."""
        return pd.concat([_of_output(part.decisions(
            None if oof is None else self._part(oof, name), self._part(test, name), _own_metric(metric)), name)
            for name, part in self.parts.items()], axis=1)

    def submission_columns(self, form: Form, each: bool = False) -> list[str]:
        """Outputs, and where several probabilities are submitted of one, output:class."""
        return [name + (f":{inner}" if inner else "") for name, part in self.parts.items()
                for inner in part.submission_columns(form)]

    def describe_decision(self, oof: pd.DataFrame, metric: str | None) -> str:
        """How each output comes to its labels."""
        return "; ".join(f"{name}: {part.describe_decision(self._part(oof, name), _own_metric(metric))}"
                         for name, part in self.parts.items())

    def cut_of(self, oof: pd.DataFrame | None, metric: str | None) -> dict[str, Any]:
        """Each output's own."""
        return {name: part.cut_of(None if oof is None else self._part(oof, name), _own_metric(metric))
                for name, part in self.parts.items()}

    def epoch_score(self, metric: str, target: Floats, logit: Floats) -> float:
        """The mean over the outputs."""
        return float(np.mean([part.epoch_score(_own_metric(metric) or part.metric,
                                               target[:, number].astype(part.target_dtype), own)
                              for number, (_, part, own) in enumerate(self._logits(logit))]))

    def lead(self, oof: pd.DataFrame, missing: list[int], metric: str | None, cut: Any = None) -> Report:
        """The mean over the outputs of each one's; it has no interval."""
        outputs = [part.lead(self._part(oof, name), missing, _own_metric(metric), (cut or {}).get(name))
                   for name, part in self.parts.items()]
        by = self.named_metric(metric)
        folds = [{"fold": rows[0]["fold"], "rows": rows[0]["rows"],
                  by.name: _mean([row[report["metric"]] for row, report in zip(rows, outputs, strict=True)])}
                 for rows in zip(*(report["folds"] for report in outputs), strict=True)]
        return {"metric": by.name, "greater_is_better": by.greater_is_better} | over_folds(
            folds, by.name, _mean([report["pooled"] for report in outputs]), missing, "an output has none",
            "needs two folds with a score of every output") | {
            "pooled_interval": None, "pooled_interval_reason": "a mean over outputs"}

    def scores(self, oof: pd.DataFrame, metric: str | None) -> tuple[dict[int, float | None], float | None]:
        """The means over the outputs."""
        outputs = [part.scores(self._part(oof, name), _own_metric(metric)) for name, part in self.parts.items()]
        folds = {fold: _mean([by_fold[fold] for by_fold, _ in outputs]) for fold in outputs[0][0]}
        return folds, _mean([pooled for _, pooled in outputs])

    def value_of_parts(self, parts: Sequence[tuple[pd.DataFrame, Any]], metric: str | None) -> float | None:
        """The mean over the outputs."""
        return _mean([part.value_of_parts([(self._part(table, name), cut[name]) for table, cut in parts],
                                          _own_metric(metric)) for name, part in self.parts.items()])

    def lead_change(self, old: pd.DataFrame, new: pd.DataFrame, metric: str | None) -> Report:
        """The mean of the outputs' changes; it has no interval."""
        changes = [part.lead_change(self._part(old, name), self._part(new, name), _own_metric(metric))
                   for name, part in self.parts.items()]
        delta = _mean([change["delta"] for change in changes])
        return {"metric": metric or self.metric, "rows": changes[0]["rows"], "delta": delta, "delta_interval": None} | (
            {"delta_reason": "an output has none"} if delta is None else {})

    def decision_scores(self, table: pd.DataFrame, decided: pd.DataFrame) -> dict[str, float]:
        """Those of each output, as "<output>: <score>"."""
        return {f"{name}: {score}": value for name, part in self.parts.items() for score, value in part.decision_scores(
            self._part(table, name), decided.rename(columns={f"prediction:{name}": "prediction"})).items()}

    def evaluate(self, oof: pd.DataFrame, missing: list[int], metric: str | None, cut: Any = None) -> Report:
        """Each output's report, and the means of their scores."""
        own_metric = _own_metric(metric)
        outputs = {name: part.evaluate(self._part(oof, name), missing, own_metric) for name, part in self.parts.items()}
        folds = []
        for number, first in enumerate(next(iter(outputs.values()))["folds"]):
            own = [report["folds"][number][self.parts[name].metric] for name, report in outputs.items()]
            folds.append({"fold": first["fold"], "rows": first["rows"], "mean_score": _mean(own)})
        means = [row["mean_score"] for row in folds if row["mean_score"] is not None]
        part: Report = {"folds": folds, "missing_folds": missing, "mean": _mean(means),
                        "sd": float(np.std(means, ddof=1)) if len(means) > 1 else None}
        if len(means) < 2:
            part["sd_reason"] = "needs two folds with a score of every output"
        part["pooled"] = _mean([report["pooled"] for report in outputs.values()])
        if part["pooled"] is None:
            part["pooled_reason"] = "an output has none"
        return part | {"rows": len(oof), "outputs": outputs}

    def compare(self, old: str, old_oof: pd.DataFrame, new: str, new_oof: pd.DataFrame, metric: str | None) -> Report:
        """Each output's comparison."""
        own_metric = _own_metric(metric)
        outputs = {name: part.compare(old, self._part(old_oof, name), new, self._part(new_oof, name), own_metric)
                   for name, part in self.parts.items()}
        return {"old": old, "new": new, "rows": next(iter(outputs.values()))["rows"], "outputs": outputs}

    def describe_change(self, comparison: Report) -> str | None:
        """Each output's comparison, on one line."""
        told = [f"{name}: {line}" for name, part in self.parts.items()
                if (line := part.describe_change(comparison["outputs"][name]))]
        return "; ".join(told) or None

    def report_row(self, part: Report) -> list[str]:
        """A stage's numbers under ``report_header``."""
        of_outputs = [format_score(part["outputs"][name]["pooled"]) for name in self.parts]
        return [spread(part), format_score(part["pooled"]), *of_outputs]

    def _own(self, label: pd.Series) -> list[tuple[str, Binary | Multiclass, pd.Series]]:
        """Each output with its name, its kind and its encoded label column."""
        columns = _columns(label, len(self.parts))
        return [(name, part, pd.Series(part.encode(column), index=label.index))
                for (name, part), column in zip(self.parts.items(), columns, strict=True)]

    def _logits(self, logit: Floats) -> list[tuple[str, Binary | Multiclass, Floats]]:
        """Each output with its name, its kind and its logits: [rows] for two labels, [rows, classes] for more."""
        by_output = np.split(logit, np.cumsum(self.outputs)[:-1], axis=1)
        return [(name, part, own[:, 0] if isinstance(part, Binary) else own)
                for (name, part), own in zip(self.parts.items(), by_output, strict=True)]

    def _part(self, table: pd.DataFrame, name: str) -> pd.DataFrame:
        """An output's own table of predictions."""
        part = self.parts[name]
        wanted = {_named(column, name): column for column in ("label", *part.test_columns[1:])}
        columns = [column for column in table if column in ("id", "fold", "group") or column in wanted]
        own = table[columns].rename(columns=wanted)
        return own.assign(label=part.encode(own.label.tolist())) if "label" in own else own


def _own_metric(metric: str | None) -> str | None:
    """What the metric of all outputs is to one of them: nothing where it is the mean of their own."""
    return None if metric == names.MEAN else metric


def _named(column: str, output: str) -> str:
    """A column of an output's table in the table of all: logit -> logit:<output>, logit:a -> logit:<output>:a."""
    kind, colon, name = column.partition(":")
    return f"{kind}:{output}{colon}{name}"


def _of_output(table: pd.DataFrame, output: str) -> pd.DataFrame:
    """The table with the columns' names in the table of all outputs."""
    return table.set_axis([_named(str(column), output) for column in table], axis=1)


def _columns(labels: Sequence[str] | pd.Series, count: int) -> list[list[str]]:
    """The labels of each output."""
    split = [label.split(JOINT) for label in labels]
    return [[row[number] for row in split] for number in range(count)]


def _mean(values: list[float | None]) -> float | None:
    """The mean; None where a value is undefined, or where there is no value."""
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known and len(known) == len(values) else None
