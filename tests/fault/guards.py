"""Breaks every guard once, in a copy of the project, and sees a test go red: python -m tests.fault.guards [WORD ...]

With words it breaks only the guards whose description holds one of them. A guard that cannot be found any more, and a
test that stays green, both count as failures.
"""

import argparse
import importlib
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent.parent
LONGEST = 120  # seconds that the tests of a broken guard may take
COPIED = ("pipeline", "stages", "tests", "configs", "benchmarks", "pyproject.toml", "run_all.sh", "install.sh",
          "requirements.lock", "requirements-build.lock", "README.md", "README.zh-CN.md", "docs", "examples",
          "data/example", "data/bert/small_chinese")


class Guard(NamedTuple):
    """A promise, the code that keeps it, the same code without it, and the tests that must notice, as pytest takes
    them: a file, and words for -k."""

    promise: str
    file: str
    code: str
    broken: str
    tests: str
    words: str = ""


GUARDS = (
    Guard("the same text is in one fold whatever its width and case", "pipeline/competition/folds.py",
          'unicodedata.normalize("NFKD", text)', "text", "tests/competition/test_folds.py", "width"),
    Guard("and whatever nobody sees in it", "pipeline/competition/folds.py", ".translate(_SEEN)", "", "tests/competition/test_folds.py",
          "look_alike"),
    Guard("every row is in a fold", "pipeline/competition/folds.py", "if len(unvalidated):", "if False:",
          "tests/competition/test_folds.py", "no_fold"),
    Guard("a cell trains on both classes", "pipeline/competition/folds.py",
          "elif train.stratum[fold_of_row != fold].nunique() < min(2, train.stratum.nunique()):", "elif False:",
          "tests/competition/test_folds.py", "one_class"),
    Guard("folds edited by hand stop the run", "pipeline/runs/folds_file.py", "if hashing.sha256(path) != digest:", "if False:",
          "tests/competition/test_folds.py", "by_hand"),
    Guard("folds of other settings stop the run", "pipeline/runs/folds_file.py",
          "if changed := cells.differences(source, _source(config, competition.train)):", "if changed := []:", "tests/competition/test_folds.py",
          "other_settings or changes_later"),
    Guard("a damaged cell is not used", "pipeline/files/sealed.py", "intact = inside and all(", "intact = inside or all(",
          "tests/whole_run/test_run.py", "damaged_cell"),
    Guard("a cell names its own files only", "pipeline/files/sealed.py", "intact = inside and all(", "intact = all(",
          "tests/whole_run/test_run.py", "elsewhere"),
    Guard("a cell of other settings or data is not used", "pipeline/runs/cells.py",
          'elif changed := differences(done["identity"], identity_of(cell)):', "elif changed := []:",
          "tests/whole_run/test_run.py", "changed_setting or edited_data"),
    Guard("inputs edited during the run stop it", "pipeline/runs/scheduler.py", "        run.inputs.verify()\n", "",
          "tests/whole_run/test_run.py", "edited_during"),
    Guard("a state of another cell is not gone on from", "pipeline/runs/resume_file.py",
          "return not cells.differences(known, json.loads(self._identity))", "return True",
          "tests/runs/test_cells.py"),
    Guard("a damaged state is not gone on from", "pipeline/runs/resume_file.py",
          'whole = notes.pop("sha256") == _digest(notes, tensors)', 'whole = bool(notes.pop("sha256"))',
          "tests/runs/test_cells.py"),
    Guard("a resumed cell draws on where it stopped", "pipeline/training/fine_tuning.py",
          'self._rng.bit_generator.state = state["rng"]', "pass", "tests/whole_run/test_run.py", "killed_cell"),
    Guard("a resumed cell has its moments", "pipeline/training/fine_tuning.py", "self._trainer.optimizer.load(tensors)", "pass",
          "tests/whole_run/test_run.py", "killed_cell"),
    Guard("a resumed cell knows its plateau and patience", "pipeline/training/fine_tuning.py",
          'Monitor(self.recipe, self._sign, **state["monitor"])', "Monitor(self.recipe, self._sign)", "tests/whole_run/test_run.py", "killed_cell"),
    Guard("a resumed stage 0 has its moments", "pipeline/pretraining/masked_training.py", "self._trainer.optimizer.load(tensors)", "pass",
          "tests/pretraining/test_pretraining.py", "killed"),
    Guard("an epoch's end is written with its row", "pipeline/training/epochs.py",
          "due = not at_end and pace.state_is_due()", "due = pace.state_is_due()", "tests/pretraining/test_pretraining.py", "killed"),
    Guard("a cell resumed inside an epoch has that epoch's batches", "pipeline/training/fine_tuning.py",
          "rng = self._drawn_from if inside_epoch else", "rng = self._rng.bit_generator.state if True else", "tests/whole_run/test_run.py", "killed_cell"),
    Guard("the first finished attempt at a cell stays", "pipeline/runs/cells.py",
          'if done is not None and not differences(done["identity"], identity):', "if False:", "tests/runs/test_cells.py",
          "first_finished"),
    Guard("an attempt whose state was taken over ends", "pipeline/runs/resume_file.py",
          "if self._owned and not self.path.exists():", "if False:", "tests/runs/test_cells.py", "taken_over"),
    Guard("what another host builds is left alone", "pipeline/files/atomic.py", "if _elsewhere(left) or", "if",
          "tests/runs/test_cells.py", "another_host"),
    Guard("a later key leaves finished cells valid", "pipeline/config/schema.py",
          "elif LATER not in field.metadata or value != field.default:", "else:", "tests/runs/test_identity.py", "later_key"),
    Guard("contradictions are told beside wrong values", "pipeline/config/problems.py", "if tree is not None:", "if False:",
          "tests/config/test_loading.py", "beside_wrong"),
    Guard("a row's vectors do not depend on its neighbours", "pipeline/model/encoders/packed_bert.py",
          "tf.where(together, scores, scores.dtype.min)", "scores", "tests/test_contracts.py", "alone"),
    Guard("a report says why a number is missing", "pipeline/tasks/report_parts.py",
          'part["pooled_reason"] = not_finished(missing)', "pass", "tests/test_contracts.py", "contract"),
    Guard("no stage is named outside its table", "pipeline/results/report.py", "last = str(STAGE2)", 'last = "stage2"',
          "tests/test_layers.py", "outside_its_table"),
    Guard("two processes never work on one run", "pipeline/runs/lock.py",
          "fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)", "pass", "tests/machine/test_interrupts.py", "two_processes"),
    Guard("SIGTERM frees the run in order", "pipeline/machine/interrupts.py", "signal.signal(signal.SIGTERM, _terminate)",
          "pass", "tests/machine/test_interrupts.py", "interrupt"),
    Guard("workers end with their parent", "pipeline/machine/interrupts.py", "        parent.join()\n        os._exit(1)",
          "        parent.join()", "tests/machine/test_interrupts.py", "workers"),
    Guard("a file is whole or the old one", "pipeline/files/atomic.py",
          'temporary = path.with_name(f".{path.name}.writing")', "temporary = path", "tests/fault/test_fault.py"),
    Guard("what a killed process was writing goes", "pipeline/files/atomic.py",
          'for ending in ("building", "writing", "removing"):', "for ending in ():", "tests/whole_run/test_run.py", "swept"),
    Guard("a full disk is told as one", "stages/command.py", "if error.errno not in NOT_WRITTEN:", "if True:",
          "tests/whole_run/test_run.py", "whoever_writes"),
    Guard("a disk too small is told before training", "pipeline/files/room.py", "if free < needed:", "if False:",
          "tests/whole_run/test_run.py", "cannot_hold"),
    Guard("memory refused is told", "pipeline/training/bert_stages.py",
          'with memory_told(data.name, f"{recipe.batch_size} rows', 'with memory_told("", f"', "tests/whole_run/test_run.py",
          "tensorflow_refuses"),
    Guard("a killed worker is told", "pipeline/runs/processes.py", "except BrokenProcessPool:", "except ZeroDivisionError:",
          "tests/whole_run/test_run.py", "killed_process"),
    Guard("scores do not depend on padding", "pipeline/model/heads.py", "if not self.masked:", "if True:",
          "tests/model/test_network.py", "padding"),
    Guard("stage 1 moves the encoder", "pipeline/training/bert_stages.py", "proofs.all_moved(tensors, fitted.last.weights, data.name)",
          "pass", "tests/whole_run/test_run.py", "cannot_move"),
    Guard("stage 2 does not move it", "pipeline/training/proofs.py", "    if moved:\n", "    if False:\n",
          "tests/model/test_network.py", "frozen_encoder"),
    Guard("stage 2 starts from what stage 1 recorded", "pipeline/training/proofs.py", "if not difference <= most:",
          "if False:", "tests/whole_run/test_run.py", "reproduce"),
    Guard("a loss that is no number ends training", "pipeline/training/epochs.py", "if not math.isfinite(value):", "if False:",
          "tests/whole_run/test_run.py", "diverging"),
    Guard("cells of other code are told", "pipeline/runs/scheduler.py", "if changed:\n        line =",
          "if False:\n        line =", "tests/whole_run/test_run.py", "other_code"),
    Guard("damaged features are made again", "pipeline/training/encoder_outputs.py", "if sealed.read_done(folder) is None:",
          "if not folder.exists():", "tests/model/test_network.py", "frozen_features"),
    Guard("equal texts are held out together", "pipeline/text/corpus.py", "hashes.append(zlib.crc32(text.encode()))",
          "hashes.append(len(hashes))", "tests/pretraining/test_pretraining.py", "holds_out"),
    Guard("stage 0 does not see a fold's own texts where it must not", "pipeline/text/corpus.py",
          "~np.isin(self.group, hidden)", "True", "tests/pretraining/test_pretraining.py",
          "own_texts"),
    Guard("whole words are masked", "pipeline/pretraining/masking.py", 'if by == "tokens" else', "if True else",
          "tests/pretraining/test_pretraining.py", "whole_words"),
    Guard("special tokens are never masked", "pipeline/pretraining/masking.py", "& ~np.isin(seen.ids, corpus.special)", "",
          "tests/pretraining/test_pretraining.py", "masks_take"),
    Guard("ids are unique", "pipeline/competition/tables.py", "again = table[table.id.duplicated()]", "again = table[:0]",
          "tests/competition/test_tables.py"),
    Guard("every row has as many fields as the header", "pipeline/competition/readers/delimited.py",
          "if len(row) != len(columns)]", "if False]", "tests/competition/test_tables.py"),
    Guard("labels are what the config says", "pipeline/tasks/label_names.py", "if label not in allowed:", "if False:",
          "tests/competition/test_tables.py"),
    Guard("a submission holds the sample's ids", "pipeline/competition/sample_submission.py", "if unknown:\n", "if False:\n",
          "tests/competition/test_tables.py"),
    Guard("data cannot steer the terminal", "pipeline/machine/console.py",
          "clean = visible(line)", "clean = line",
          "tests/competition/test_tables.py tests/whole_run/test_hostile.py"),
    Guard("a vocabulary has each token once", "pipeline/text/bert_vocabulary.py", "elif token in first_at:", "elif False:",
          "tests/checkpoints/test_checkpoint.py", "vocabulary"),
    Guard("[PAD] is token 0 to keras-bert", "pipeline/runs/run.py", 'read.vocab.pad != 0', "False",
          "tests/checkpoints/test_checkpoint.py", "first_pad"),
    Guard("pairs have two segments", "pipeline/runs/run.py", "read.vocab.frame.second_segment >= read.config.segments", "False",
          "tests/checkpoints/test_checkpoint.py", "second_segment"),
    Guard("frozen features are those of this run's texts", "pipeline/training/cell_inputs.py", "[encoder, self.tokens.digest,",
          "[encoder,", "tests/runs/test_identity.py", "this_runs_texts"),
    Guard("features have the shape of this run's texts", "pipeline/training/encoder_outputs.py",
          "return vectors if (vectors.shape, vectors.dtype) == (shape, np.float32) else None", "return vectors",
          "tests/runs/test_identity.py", "another_shape"),
    Guard("the rows that epochs are compared by are part of a cell", "pipeline/runs/identity.py",
          'return {} if recipe.monitor_on == "fold" else', "return {} if True else", "tests/runs/test_identity.py",
          "inner_rows"),
    Guard("what changes last bits stays with the run", "pipeline/runs/made_with.py", "if asked not in (None, settled):", "if False:",
          "tests/runs/test_identity.py", "stay_with_the_run"),
    Guard("copies of a text are one case to DeLong", "pipeline/metrics/intervals.py",
          "np.square(np.bincount(group, _deviation(label, placements))).sum()",
          "np.square(_deviation(label, placements)).sum()", "tests/metrics/test_intervals.py",
          "copies"),
    Guard("copies of a text are one case to Wilson", "pipeline/metrics/intervals.py", "rows *= of_rows / of_groups",
          "pass", "tests/metrics/test_intervals.py", "copies"),
    Guard("nothing may be positive", "pipeline/metrics/thresholds.py", "if nothing > worth[last]:",
          "if 0:", "tests/metrics/test_intervals.py", "nothing_is_positive"),
    Guard("thresholds decide alike in every precision", "pipeline/metrics/thresholds.py",
          "return float(middle if middle > below else ranked[last])", "return float(middle)",
          "tests/metrics/test_intervals.py",
          "decides_alike"),
    Guard("15 % of the real tokens are masked", "pipeline/pretraining/masking.py", "round(share * int(layout.real.sum()))",
          "guesses(batch, share)", "tests/pretraining/test_pretraining.py", "real_tokens"),
    Guard("evaluate scores the mean of probabilities", "pipeline/tasks/__init__.py",
          "if logits := logit_columns(task):", "if logits := list[str]():", "tests/inference/test_predictor.py",
          "evaluate_says"),
    Guard("predict decides as submit does", "pipeline/inference/predictor.py", "if not self.task.decides(self.config.metric):",
          "if True:", "tests/inference/test_predictor.py", "decide_alike"),
    Guard("predict reads files as the run does", "stages/predict.py",
          "if texts is None or _is_lines(texts, model) else", "if True else", "tests/inference/test_predictor.py",
          "as_the_run_does"),
    Guard("the baseline has no opinion on labels that it never saw", "pipeline/tasks/linear.py",
          "if label.min() == label.max():", "if False:", "tests/tasks/test_tasks.py", "no_training_row"),
    Guard("the report cross-fits the rule that is submitted", "pipeline/tasks/multilabel.py",
          "there[others], probability[others], metric)", "there[others], probability[others], None)", "tests/tasks/test_tasks.py", "cross_fits"),
    Guard("scores over all rows wait for all folds", "pipeline/tasks/binary.py",
          "        if missing:\n            names", "        if False:\n            names", "tests/tasks/test_tasks.py",
          "wait_for"),
    Guard("a rate that the fold halved is noted", "pipeline/results/report.py", ' + ["its rate"] * bool(stage.plateau)', "",
          "tests/tasks/test_tasks.py", "reported_fold_chose"),
    Guard("balanced means balanced", "pipeline/model/losses.py", "tf.reduce_sum(tf.cast(weight > 0, tf.float32))",
          "tf.reduce_sum(weight)", "tests/model/test_heads.py", "balanced"),
    Guard("biases do not decay", "pipeline/model/network.py", ' and "bias" not in variable.name.rpartition("/")[2]', "",
          "tests/model/test_heads.py", "bias_alone"),
    Guard("tags are decided legally", "pipeline/tasks/tags.py",
          "tag_schemes.decode(log_probability, (table.word == 0).to_numpy(), self._rules)",
          "log_probability.argmax(axis=1)", "tests/tasks/test_tasks.py", "words_go_through_the_whole"),
    Guard("a wrong reading does not prove itself", "pipeline/export/conversion.py",
          "if before is not None and not np.abs(before - ours).max() <= most:", "if False:",
          "tests/export/test_conversion.py", "prove_itself"),
    Guard("another model is refused", "pipeline/checkpoints/config_files.py",
          "if keys.get(name, only) not in (only, None) and not", "if False and not", "tests/checkpoints/test_checkpoint.py",
          "not_this_bert"),
    Guard("a head with an output product of its own is not taken", "pipeline/checkpoints/checkpoint.py",
          "if _own_output(read):", "if False:",
          "tests/export/test_conversion.py", "output_product"),
    Guard("what a folder says of its tokenizer is followed", "pipeline/checkpoints/tokenizer_settings.py",
          "chosen[name] = value if given is None else given", "chosen[name] = given", "tests/export/test_conversion.py",
          "tokenizer_is_followed"),
    Guard("a header in the middle is told", "pipeline/competition/readers/delimited.py",
          "if _as_header(row) == as_header]", "if False]",
          "tests/competition/test_tables.py", "bad_training_table"),
    Guard("rows that a quote swallows are told", "pipeline/competition/readers/delimited.py",
          'if quoting is None and layout.delimiter == "\\t":', "if False:", "tests/competition/test_tables.py", "swallows"),
    Guard("comments are no words", "pipeline/competition/readers/conll.py", "comments.add(number)", "pass",
          "tests/tasks/test_tasks.py", "comments"),
    Guard("carriage returns read back", "pipeline/files/formats.py",
          "return csv.QUOTE_NONNUMERIC if returns else csv.QUOTE_MINIMAL", "return csv.QUOTE_MINIMAL",
          "tests/whole_run/test_round_trip.py", "names_of_any"),
    Guard("files put together are told by their mark", "pipeline/competition/tables.py",
          'table[table.id.str.contains("\\ufeff", regex=False)]', "table[:0]",
          "tests/competition/test_tables.py", "bad_training_table"),
    Guard("the sample is compared before training", "pipeline/competition/sample_submission.py",
          "if unlike := column_problems(", "if unlike := [] and column_problems(", "tests/tasks/test_tasks.py", "sample_submission_of_classes"),
    Guard("a prediction that is no number has no score", "pipeline/metrics/metric.py",
          "not np.isfinite(prediction).all()", "False", "tests/metrics/test_registry.py", "no_number"),
    Guard("a grade that is not there keeps its distance", "pipeline/metrics/registry.py",
          "every = np.arange(max(both.max(initial=0), 1) + 1)", "every = np.unique(both)",
          "tests/metrics/test_registry.py", "keeps_its_distance"),
    Guard("a bootstrap draws groups", "pipeline/metrics/intervals.py",
          "number = np.unique(group, return_inverse=True)[1]", "number = np.arange(len(group))",
          "tests/metrics/test_registry.py", "one_group_have"),
    Guard("what leads is decided by the other folds", "pipeline/tasks/scoring.py",
          "best = self.cut(_take(target, others), _take(deciding, others), by)",
          "best = self.cut(_take(target, inside), _take(deciding, inside), by)",
          "tests/tasks/test_numbers_and_grades.py", "when_cells_are_there or grades_go"),
    Guard("less is better where it is", "pipeline/tasks/scoring.py",
          "return self.named_metric(monitor).sign if names.is_one(self.kind, monitor) else 1", "return 1",
          "tests/tasks/test_numbers_and_grades.py", "in_its_direction"),
    Guard("a metric may be named late", "pipeline/runs/identity.py",
          "if recipe.monitor == run.config.metric and not chooses:", "if False:",
          "tests/tasks/test_numbers_and_grades.py", "when_cells_are_there"),
    Guard("what chose an epoch is part of a cell", "pipeline/runs/identity.py",
          "if recipe.monitor == run.config.metric and not chooses:", "if recipe.monitor == run.config.metric:",
          "tests/tasks/test_numbers_and_grades.py", "in_its_direction"),
    Guard("numbers are scaled by the rows that are trained on", "pipeline/training/bert_stages.py",
          "network.fit_scale(data.target[data.train])", "network.fit_scale(data.target)",
          "tests/tasks/test_numbers_and_grades.py", "fold_trains_on"),
    Guard("losses see standard deviations", "pipeline/model/losses.py",
          "loss(head.standardised(target), head.standardised(value), weight)", "loss(target, value, weight)",
          "tests/tasks/test_numbers_and_grades.py", "standard_deviations"),
    Guard("the cells of a sample are looked at", "pipeline/competition/sample_submission.py",
          "if shown is None or form in shown:", "if True:", "tests/tasks/test_numbers_and_grades.py", "sample_submission_shows"),
    Guard("an output's table is no other's", "pipeline/tasks/multioutput.py", 'named, taken = {}, {"test"}',
          "named, taken = {}, set()", "tests/tasks/test_tasks.py", "files_of_their_own"),
    Guard("labels that look alike are told", "pipeline/tasks/label_names.py", "if len(same) > 1][:10]", "if False][:10]",
          "tests/tasks/test_tasks.py", "white_space"),
    Guard("nothing is installed without its hash", "install.sh", "--require-hashes --no-build-isolation",
          "--no-build-isolation", "tests/test_scripts.py", "no_lock_names"),
    Guard("every tensor has its shape", "pipeline/checkpoints/checkpoint.py",
          "if wrong := _compare(shapes, expected, config, str(source.where)):", "if wrong := []:",
          "tests/checkpoints/test_checkpoint.py"),
    Guard("weights of classes come from the rows to train on", "pipeline/training/class_weights.py",
          "_balanced(target, target[train])", "_balanced(target, target)", "tests/model/test_heads.py", "balanced"),
    Guard("an entity lies inside its text", "pipeline/competition/readers/spans.py",
          "elif entity.start < 0 or entity.end > len(text):", "elif False:", "tests/competition/test_readers.py", "bad_spans"),
    Guard("every line of words has as many columns", "pipeline/competition/readers/conll.py",
          "elif len(fields) != (rule := rule or (len(fields), number))[0]:", "elif False:", "tests/competition/test_readers.py",
          "bad_words"),
    Guard("every word has a tag", "pipeline/tasks/tags.py", "elif len(words) != len(tags):", "elif False:",
          "tests/competition/test_readers.py", "tag_for_each_word"),
    Guard("a word that was cut off is outside", "pipeline/model/heads.py",
          "tf.where(there[..., None], self.dense(vectors), self.cut_off)", "self.dense(vectors)", "tests/model/test_heads.py",
          "outside"),
    Guard("a damaged cell predicts nothing", "pipeline/inference/predictor.py",
          "if sealed.read_done(folder) is None:", "if False:", "tests/inference/test_predictor.py",
          "damaged_cell"),
    Guard("an export that differs is not kept", "pipeline/export/saved_model.py", "if not difference <= CLOSE:", "if False:",
          "tests/export/test_export.py", "differs"),
    Guard("a body has an end", "pipeline/inference/server.py", "if len(body) > limits.body:", "if False:",
          "tests/inference/test_server.py", "without_a_length"),
    Guard("no more texts wait than may", "pipeline/inference/server.py",
          "if self.waiting + len(rows) > self._limits.waiting:", "if False:", "tests/inference/test_server.py", "may_wait"),
    Guard("a request that fails fails alone", "pipeline/inference/server.py", "if len(asked) > 1:", "if False:",
          "tests/inference/test_server.py", "fails_alone"),
    Guard("a token is asked for", "pipeline/inference/server.py",
          "if token and not secrets.compare_digest(given.encode(), token.encode()):", "if False:",
          "tests/inference/test_server.py", "token_is_asked"),
    Guard("others reach no server without a token", "stages/serve.py",
          "if not _loopback(host) and token is None:", "if False:", "tests/inference/test_server.py", "another_address"),
    Guard("a configuration is never written over", "pipeline/proposal/configuration.py", "    if path.exists():\n        raise", "    if False:\n        raise",
          "tests/proposal", "written_over"),
    Guard("an archive stays inside its folder", "pipeline/proposal/files.py", 'if path.is_absolute() or ".." in path.parts:', "if False:",
          "tests/proposal", "leads_out or paths_lead_out"),
    Guard("a sample that disagrees is asked about", "pipeline/proposal/proposing.py",
          'if ids == counted or any(ids == set(rows[name]) for name in rows) or "data.sample_submission" in choices.given:', "if True:",
          "tests/proposal", "sample_that_disagrees"),
    Guard("nobody is asked where there is nobody", "pipeline/proposal/choices.py", "            if self.ask is None:\n                raise UserError(question.line())\n",
          "            if self.ask is None:\n                self.given[question.key] = question.values[0][0]\n                return self.choose(question.key, question.values[0][0], reason)\n",
          "tests/proposal", "two_candidates or grades"),
    Guard("a run goes on with what was chosen", "pipeline/runs/fitted_defaults.py", "config, lines = _kept(config, begun or config.name, own)", "lines = []",
          "tests/runs/test_fitted_defaults.py", "goes_on"),
    Guard("UTF-8 is read as UTF-8 whatever is named", "pipeline/files/inputs.py", "other = None if is_utf_8(iter(functools.partial(raw.read, SAMPLE), b\"\")) else encoding",
          "other = encoding", "tests/competition/test_records.py", "whatever_is_named"),
    Guard("an item of a list does not hold what joins them", "pipeline/competition/readers/records.py",
          "if inside := next((item for item in items if joined_by in item), None):", "if inside := None:", "tests/competition/test_records.py", "no_row"),
    Guard("unknown tokens are warned of", "pipeline/doctor/unsuited.py", "(share := float(np.mean(table.ids == unknown))) > MUCH", "(share := float(np.mean(table.ids == unknown))) > 1",
          "tests/doctor", "unknown"),
    Guard("few steps are warned of", "pipeline/doctor/unsuited.py", "stage.epochs * per_epoch < FEW_STEPS", "False", "tests/doctor", "few_steps"),
    Guard("a bundle that says anything else is not kept", "pipeline/export/bundled_score.py", "np.float32(rule[\"at\"])", "np.float32(0.5)",
          "tests/export/test_bundle.py", "decides"),
    Guard("a submission has the labels of the file", "pipeline/results/submission.py", ".replace(own)", "", "tests/competition/test_records.py", "own"),
    Guard("a fetched file is what the hub says", "pipeline/checkpoints/hub.py", "if wrong := [file for file, stated in files.items() if not",
          "if wrong := [file for file, stated in () if not", "tests/checkpoints/test_hub.py", "not_what_the_hub_says"),
    Guard("what an earlier fetch left is no part of an encoder", "pipeline/checkpoints/hub.py", "if left.is_file() and left.name not in files:",
          "if False:", "tests/checkpoints/test_hub.py", "earlier_attempt"),
    Guard("a fetched folder belongs to one name", "pipeline/checkpoints/hub.py", "or name_of(folder) != str(name):", "and False:",
          "tests/checkpoints/test_hub.py", "one_name"),
    Guard("a layer of ALBERT is applied many times", "pipeline/checkpoints/encoder_config.py", "0 if self.family == 'albert' else layer", "layer",
          "tests/checkpoints/test_families.py", "albert"),
    Guard("RoBERTa's first position is not row 0", "pipeline/model/encoders/packed_bert.py", "position + self.config.first_position", "position",
          "tests/checkpoints/test_families.py", "roberta"),
    Guard("DeBERTa's far distances share rows", "pipeline/model/encoders/packed_deberta.py", "if config.relative_buckets:\n            middle",
          "if False:\n            middle", "tests/checkpoints/test_families.py", "deberta"),
    Guard("DeBERTa sees from position to content too", "pipeline/model/encoders/packed_deberta.py",
          " + tf.linalg.matrix_transpose(from_place)", "", "tests/checkpoints/test_families.py", "deberta"),
    Guard("MPNet tells distances apart", "pipeline/model/encoders/packed_mpnet.py",
          'scores + tf.einsum("qkb,bh->hqk", one_hot, self.layers[RELATIVE_BIAS])', "scores", "tests/checkpoints/test_families.py", "mpnet"),
    Guard("ERNIE's task is added", "pipeline/checkpoints/families.py", "return read | {SEGMENTS: read[SEGMENTS] + read[TASKS][:1]}", "return read",
          "tests/checkpoints/test_families.py", "ernie"),
    Guard("heads that a file keeps apart are those of its configuration", "pipeline/checkpoints/keras_hub.py",
          "not in (None, config.heads)", "not in (heads, None)", "tests/checkpoints/test_saved_encoders.py", "heads"),
    Guard("a tensor is in a checkpoint once", "pipeline/checkpoints/hugging_face.py",
          "    if ours in shapes and ours != name:", "    if False:", "tests/checkpoints/test_families.py", "more_than_once"),
    Guard("a WordPiece that is not BERT's keeps its own tokens", "pipeline/checkpoints/tokenizer_files.py",
          'and normalizer.get("handle_chinese_chars", True) is True', "", "tests/text/test_own_tokenizer.py", "not_berts"),
    Guard("a special token that a text names is text", "pipeline/text/own_tokenizer.py", "tokenizer.encode_special_tokens = True", "pass",
          "tests/text/test_own_tokenizer.py", "names_is_text"),
    Guard("a bundle frames texts as the run does", "pipeline/export/bundled_score.py",
          "row = [*before, *kept[0], *between, *kept[1], *after]", "row = [*before, *kept[0], *after, *kept[1], *after]",
          "tests/export/test_bundle.py", "cuts"),
    Guard("a run goes on with the casing that it was begun with", "pipeline/runs/fitted_defaults.py",
          "    if not own:  # which says both itself\n", "    if False:\n", "tests/whole_run/test_families.py", "accents"),
    Guard("the next command says again how the run was called", "pipeline/runs/invocation.py",
          "for setting in (*kept, *also)", "for setting in also", "tests/results/test_verdict.py", "says_again"),
    Guard("a validated row in a further file is refused", "pipeline/competition/row_columns.py",
          "if own in first]", "if own is first]", "tests/whole_run/test_training_rows.py", "refused_by_name"),
    Guard("a row that is only trained on is in no fold", "pipeline/competition/folds.py",
          "outside |= train.extra.to_numpy(bool)", "outside |= False", "tests/whole_run/test_training_rows.py", "further_rows"),
    Guard("a source that is not validated is in no fold", "pipeline/competition/folds.py",
          "outside |= ~train.source.isin(config.validate_on).to_numpy()", "outside |= False",
          "tests/whole_run/test_training_rows.py", "sources"),
    Guard("a row of weight 0 teaches nothing", "pipeline/training/cell_inputs.py",
          "weight *= rows.weight.reshape(-1, *[1] * (weight.ndim - 1))", "pass", "tests/whole_run/test_training_rows.py", "weight_0"),
    Guard("nor in the baseline", "pipeline/baseline.py", "None if (rows.weight == 1).all() else rows.weight[rows.train]", "None",
          "tests/whole_run/test_training_rows.py", "weight_0"),
    Guard("a row is scored by its label and not by its soft label", "pipeline/training/cell_inputs.py",
          "scored, target, hard = task.target(self.run.competition.train.label), rows.target, rows.hard",
          "scored, target, hard = task.target(self.run.competition.train.label), rows.hard, rows.hard",
          "tests/whole_run/test_training_rows.py", "soft_labels_that"),
    Guard("weights, soft labels and sources are part of what cells follow from", "pipeline/runs/run.py",
          "*row_columns.present(train)]),", "]),", "tests/whole_run/test_training_rows.py", "are_part_of"),
    Guard("a fold's pseudo-labels are its own model's", "pipeline/runs/pseudo_labels.py",
          "if fold in (cell.fold, ALL_ROWS)]", "if fold >= ALL_ROWS]", "tests/whole_run/test_training_rows.py", "own_model"),
    Guard("pseudo-labels are of the same folds", "pipeline/runs/pseudo_labels.py",
          "for key, value in data_identity.items() if identity.get(key) != value]", "for key in () if identity.get(key)]",
          "tests/whole_run/test_training_rows.py", "would_mislead"),
    Guard("pseudo-labels of a run that is often wrong are refused", "pipeline/runs/pseudo_labels.py",
          "if self.right < RIGHT and not settings.forced:", "if False:", "tests/whole_run/test_training_rows.py", "would_mislead"),
    Guard("a test row whose text is in train gets no pseudo-label", "pipeline/runs/pseudo_labels.py",
          "own = (label == number) & ~self._known", "own = label == number", "tests/whole_run/test_training_rows.py", "no_training_text"),
    Guard("pseudo-labels are in the identity", "pipeline/runs/identity.py",
          '{"pseudo-labels": pseudo.of_fold(cell.fold).digest,', "{", "tests/whole_run/test_training_rows.py", "own_model"),
    Guard("the full fit chooses no epoch by a fold", "pipeline/config/run.py",
          'if recipe.monitor_on == "fold" and (keys :=', 'if recipe.monitor_on == "none" and (keys :=',
          "tests/whole_run/test_training_rows.py", "choose_by_a_fold"),
    Guard("a submission waits for the full fit", "pipeline/results/submission.py",
          "if (full := full_fit.predicted(run)) is None:", "if (full := full_fit.predicted(run)) is None and not part.test.size:",
          "tests/whole_run/test_training_rows.py", "has_no_score"),
    Guard("weights of a blend are fitted on other folds", "pipeline/blending/estimate.py",
          "own = methods.fit(method, self._blended, ~inside, self.shrink)",
          "own = methods.fit(method, self._blended, all_rows, self.shrink)", "tests/blending/test_blending.py", "not_seen"),
    Guard("a member of other folds needs the flag", "pipeline/blending/members.py", "if unlike and not other_folds:", "if False:",
          "tests/blending/test_blending.py", "need_a_flag"),
    Guard("a member twice changes nothing", "pipeline/blending/members.py",
          "if member.alike(known)), None):", "if member is known), None):", "tests/blending/test_blending.py", "copies_of_members"),
    Guard("an imported cell is whole", "pipeline/runs/importing.py", "    done = sealed.read_done(source)\n    if done is None:",
          "    done = sealed.read_done(source) or {'identity': {}, 'files': {}, 'provenance': {}}\n    if done is None:",
          "tests/runs/test_importing.py", "does_not_fit"),
    Guard("an imported cell is of this run", "pipeline/runs/importing.py",
          'if changed := cells.differences(done["identity"], run.identity(cell)):', "if changed := []:",
          "tests/runs/test_importing.py", "does_not_fit"),
    Guard("an imported cell is of this run's threads", "pipeline/runs/importing.py",
          'done["provenance"]))) and not other_threads:', 'done["provenance"]))) and False:', "tests/runs/test_importing.py", "threads"),
    Guard("a further seed has cells of its own", "pipeline/stage_table.py",
          'return PurePath(self.stage.name, f"{fold}_seed_{self.seed}" if self.further else fold)',
          "return PurePath(self.stage.name, fold)", "tests/whole_run/test_seeds.py", "as_they_were"),
    Guard("runs of other rows or folds are never compared", "pipeline/results/run_table.py",
          'metric, hashes["scored rows"]), metric,', 'metric, ""), metric,', "tests/results/test_run_table.py", "cannot_be_compared"),
    Guard("no pair of near copies is missed", "pipeline/competition/near_copies.py",
          "kept = size - np.ceil(ALIKE * size - 1e-9).astype(np.int64) + 1", "kept = size - np.ceil(ALIKE * size - 1e-9).astype(np.int64)",
          "tests/doctor/test_doctor.py", "all_pairs"),
    Guard("nor of short ones", "pipeline/competition/near_copies.py", "variants = {text, *(", "variants = {*(",
          "tests/doctor/test_doctor.py", "all_pairs"),
    Guard("a chain of near copies is no group", "pipeline/competition/near_copies.py",
          "group[large] = len(texts) + np.flatnonzero(large)", "pass", "tests/doctor/test_doctor.py", "capped"),
    Guard("train and test that are alike are not accused", "pipeline/doctor/train_against_test.py",
          "if auc < SHIFT or not sure:", "if False:", "tests/doctor/test_doctor.py", "not_accused"),
    Guard("an order that says nothing is not accused", "pipeline/doctor/order.py",
          "if likely < CHANCE and abs(area - 0.5) > FAR and", "if abs(area - 0.5) > 0.001 and", "tests/doctor/test_doctor.py", "not_accused"),
    Guard("a silenced check is not made", "pipeline/doctor/checks.py", "if check.code not in silenced and (", "if (",
          "tests/doctor/test_doctor.py", "silences_codes"),
    Guard("a list of ids names rows that there are", "pipeline/competition/corrections.py",
          "unknown, twice = ~table.id.isin(train.id), table.id.duplicated()", "unknown, twice = table.id.isna(), table.id.duplicated()",
          "tests/doctor/test_doctor.py", "lists_of_ids"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="WORD")
    words = parser.parse_args().words
    wanted = [guard for guard in GUARDS if not words or any(word in guard.promise for word in words)]
    for name in ("pipeline.backend", "pandas", "sklearn.linear_model", "matplotlib.pyplot", "hypothesis"):
        importlib.import_module(name)  # here, so that no fork need do it
    red = 0
    print("| guard | tests | when it is broken | seconds |\n|---|---|---|---|")
    for guard in wanted:
        start = time.monotonic()
        end = _break(guard)
        red += end == "red"
        print(f"| {guard.promise} | {guard.tests} {guard.words} | {end} | {time.monotonic() - start:.0f} |", flush=True)
    print(f"\n{len(wanted)} guards broken, {red} noticed")
    sys.exit(red < len(wanted))


def _break(guard: Guard) -> str:
    """What the tests say of a copy of the project without the guard: red, green, or why that cannot be told."""
    with tempfile.TemporaryDirectory() as name:
        copy = Path(name)
        for one in COPIED:
            if (ROOT / one).is_dir():
                shutil.copytree(ROOT / one, copy / one, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(ROOT / one, copy / one)
        if (ROOT / ".venv").exists():  # the tests of install.sh need its uv
            (copy / ".venv").symlink_to(ROOT / ".venv")
        source = copy / guard.file
        text = source.read_text()
        if text.count(guard.code) != 1:
            return f"stands {text.count(guard.code)} times in {guard.file}"
        source.write_text(text.replace(guard.code, guard.broken))
        code = _pytest(copy, ["-x", "-q", "-p", "no:cacheprovider", *guard.tests.split(),
                              *(["-k", guard.words] if guard.words else [])])
        return {0: "green", 1: "red"}.get(code, f"pytest ended with {code}")


def _pytest(project: Path, arguments: list[str]) -> int:
    """pytest's exit code in a fork, where TensorFlow is imported already and everything of the project anew."""
    child = os.fork()
    if child == 0:
        signal.alarm(LONGEST)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for number in (1, 2):
            os.dup2(nowhere, number)
        os.chdir(project)
        sys.path[:] = [str(project), *(entry for entry in sys.path if entry not in ("", str(ROOT)))]
        for name in [name for name in sys.modules if name.partition(".")[0] in ("pipeline", "stages", "tests")]:
            del sys.modules[name]
        os._exit(pytest.main(arguments))
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    main()
