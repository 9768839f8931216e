"""Stage 0: masked-language-model training on texts, and what it taught, measured on texts held out."""

import functools
import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from pipeline.arrays import Ints, Tensors
from pipeline.backend import graph, memory_told, tf, use_threads
from pipeline.checkpoints import bert_config, checkpoint
from pipeline.checkpoints.bert_config import MASKED_LM, BertConfig
from pipeline.config.training import Pretrain
from pipeline.errors import DivergedError, UserError
from pipeline.machine.console import Clock, progress, say
from pipeline.pretraining import masking
from pipeline.pretraining.masked_lm import MaskedLanguageModel
from pipeline.pretraining.masking import ALL_MASKED, MaskedBatch
from pipeline.runs import artefacts
from pipeline.runs.cells import Files, FitCell
from pipeline.runs.resume_file import ResumeFile
from pipeline.runs.run import Run
from pipeline.stage_table import ALL_FOLDS, PRETRAIN, Cell
from pipeline.text.corpus import Corpus
from pipeline.text.packing import SLOTS, Batch, Plan
from pipeline.training.optimizer import Optimizer, gradients, schedule

KEEP_EVERY = 300  # seconds between the states that a killed training goes on from
CHECK_EVERY = 50  # steps between looks at the loss
EXAMPLES = 8
MASKINGS = ("words", "tokens")  # a model trained on the one is also measured on the other


def start(run: Run) -> FitCell:
    """Sets up stage 0 and returns the function that fits one of its cells."""
    recipe = run.config.pretrain
    assert recipe is not None
    use_threads(run.made_with.threads(PRETRAIN))
    base, corpus = run.checkpoint, run.corpus
    if recipe.max_tokens > base.config.positions:
        raise UserError(f"pretrain.max_tokens = {recipe.max_tokens} cannot be greater than the checkpoint's position "
                        f"embeddings: {base.config.positions} ({base.source})")
    model = MaskedLanguageModel(base.config, recipe.dropout, run.config.bert.precision)
    fresh = bert_config.random_tensors(base.config, run.config.seed, with_masked_lm=True)
    head = base.masked_lm() or {name: values for name, values in fresh.items() if name.startswith(MASKED_LM)}
    if run.config.bert.checkpoint and checkpoint.has_own_output(Path(run.config.bert.checkpoint)):
        say(f"warning: {base.source} has an output product of its own, which stage 0 has not: its head starts afresh")
    weights, tokens = base.tensors() | head, run.config.tokens
    trainer = Trainer(model, recipe, run.made_with.xla)

    def fit_cell(cell: Cell) -> Files:
        clock, name = Clock(), str(cell)
        rows = corpus.training_rows(None if cell.fold == ALL_FOLDS else cell.fold)
        data = CellData(corpus, rows, np.flatnonzero(corpus.held), cell.random_seed, name)
        kept = ResumeFile(run.paths.cell(cell), run.identity(cell) | run.made_with.of(cell.stage))
        with memory_told(name, f"{recipe.batch_tokens} tokens", "halve pretrain.batch_tokens"):
            history = trainer.fit(data, weights, kept)
        files: Files = {artefacts.HISTORY: history, artefacts.EXAMPLES: _examples(trainer, data, base.vocab)}
        trained = model.dump()
        files[artefacts.HUGGING_FACE] = functools.partial(
            checkpoint.write_hugging_face, config=base.config, vocab=base.vocab, weights=trained, stored=recipe.storage,
            lowercase=tokens.lowers, strip_accents=tokens.strip_accents)
        if base.config.activation == "gelu_tanh" and base.config.epsilon == BertConfig.epsilon:
            files[artefacts.GOOGLE] = functools.partial(
                checkpoint.write_google, config=base.config, vocab=base.vocab, weights=trained, lowercase=tokens.lowers,
                strip_accents=tokens.strip_accents)
        say(f"{name}  done in {clock}")
        return files

    return fit_cell


@dataclass(frozen=True)
class CellData:
    """What a cell trains on: rows and held-out rows of a corpus, int64; everything random follows from the seed."""

    corpus: Corpus
    rows: Ints
    held: Ints
    seed: int
    name: str

    def plan(self, batch_tokens: int, layer_weights: int, hidden: int) -> tuple[Plan, int]:
        """How rows share sequences, and how many rows a batch of about that many tokens has."""
        plan = Plan.packed(self.corpus.table.lengths, [self.rows, self.held], SLOTS[-1], layer_weights, hidden)
        assert plan.width is not None
        return plan, max(1, batch_tokens // plan.width) * plan.slots


@dataclass
class Progress:
    """How far a training is: steps done, the loss summed over the present epoch's, and a line for each epoch."""

    step: int = 0
    loss: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)


class Trainer:
    """The compiled step and evaluation, reused by all cells."""

    def __init__(self, model: MaskedLanguageModel, recipe: Pretrain, compiled: bool):
        self._model, self.recipe = model, recipe
        self._optimizer = Optimizer(recipe, model.variables, model.decayed)
        self._step = graph(self._train, compiled)
        self._score = graph(self._evaluate, compiled)

    @property
    def rows_of_table(self) -> int:
        """Of the table of word embeddings, each of which can be guessed."""
        return self._model.config.vocab_size

    def fit(self, data: CellData, weights: Tensors, kept: ResumeFile) -> pd.DataFrame:
        """Trains from the weights, or on from what was kept; the model then holds the result. A row an epoch.

        Raises DivergedError where the loss is not finite.
        """
        recipe, config = self.recipe, self._model.config
        plan, size = data.plan(recipe.batch_tokens, config.layer_weights, config.hidden)
        lengths = data.corpus.table.lengths
        per_epoch = math.ceil(len(data.rows) / size)
        total = recipe.epochs * per_epoch
        say(f"{data.name}: {len(data.rows):,} rows, {lengths[data.rows].sum():,} tokens, {per_epoch:,} steps an epoch; "
            f"{len(data.held):,} rows held out")
        now = self._start(data, plan, size, weights, kept)
        pace = _Pace(now.step, total, recipe.batch_tokens)
        with progress(data.name, total, now.step) as advance:
            while now.step < total:
                epoch = now.step // per_epoch
                batches = plan.shuffled(lengths, data.rows, size, np.random.default_rng([data.seed, epoch]))
                for batch in batches[now.step % per_epoch:]:
                    rate = recipe.learning_rate * schedule(now.step, total, recipe)
                    now.loss += self._take(data, batch, now.step, rate)
                    now.step += 1
                    advance()
                    if now.step % CHECK_EVERY == 0 and not math.isfinite(now.loss):
                        raise DivergedError(f"{data.name}, step {now.step}: the loss is not finite at learning rate "
                                            f"{rate:.2g}; lower pretrain.learning_rate")
                    if now.step % per_epoch and pace.keep_now():  # an epoch's end is kept below, with its row
                        kept.write(asdict(now), self._state())
                        done = now.step % per_epoch
                        say(f"{data.name}  epoch {now.step / per_epoch:.2f}/{recipe.epochs}  "
                            f"loss {now.loss / done:.4f}  {pace.line(now.step)}")
                now.history.append({"epoch": epoch + 1, "learning_rate": rate, "loss": now.loss / per_epoch}
                                   | self._held_out(data, plan, size))
                now.loss = 0.0
                self._tell(data, now)
                kept.write(asdict(now), self._state())
        return pd.DataFrame(now.history)

    def _start(self, data: CellData, plan: Plan, size: int, weights: Tensors, kept: ResumeFile) -> Progress:
        self._optimizer.reset()
        if found := kept.take_over():
            now, tensors = Progress(**found[0]), found[1]
            self._model.load(tensors)
            self._optimizer.load(tensors)
            say(f"{data.name}: goes on after step {now.step:,}")
            return now
        self._model.load(weights)
        now = Progress()
        now.history.append({"epoch": 0, "learning_rate": 0.0, "loss": math.nan} | self._held_out(data, plan, size))
        self._tell(data, now)
        return now

    def _state(self) -> Tensors:
        return self._model.dump() | self._optimizer.dump()

    def _take(self, data: CellData, batch: Batch, step: int, rate: float) -> float:
        rng = np.random.default_rng([data.seed, step, 1])
        masked = masking.mask(data.corpus, batch, self.recipe.masking, self.recipe.mask_share, rng)
        self._optimizer.set_rate(rate)
        return float(self._step(*_constants(masked), tf.constant([data.seed, step], tf.int32)))

    def _held_out(self, data: CellData, plan: Plan, size: int) -> dict[str, float]:
        """Masked loss and accuracy, by both kinds of masking, with the same masks every time."""
        found: dict[str, float] = {}
        for by in MASKINGS:
            rng = np.random.default_rng([data.seed, MASKINGS.index(by), 2])
            sums = np.zeros(3)
            for batch in plan.ordered(data.corpus.table.lengths, data.held, size):
                masked = masking.mask(data.corpus, batch, by, self.recipe.mask_share, rng)
                sums += [float(one) for one in self._score(*_constants(masked))]
            loss, hits, count = sums
            found |= {f"held_out_{by}_loss": loss / max(count, 1), f"held_out_{by}_accuracy": hits / max(count, 1)}
        return found

    def guesses(self, masked: MaskedBatch) -> npt.NDArray[np.int64]:
        """The likeliest token at each place, int64 [guesses]."""
        seen, place, _, _ = _constants(masked)
        return np.asarray(tf.argmax(self._model.guess(seen, place), axis=-1))

    def _train(self, seen: Any, place: Any, target: Any, weight: Any, seed: Any) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self._model.variables)
            logit = self._model.guess(seen, place, seed)
            each = tf.nn.sparse_softmax_cross_entropy_with_logits(target, logit)
            loss = tf.reduce_sum(weight * each) / tf.maximum(tf.reduce_sum(weight), 1)
        self._optimizer.apply(gradients(tape, loss, self._model.variables))
        return loss

    def _evaluate(self, seen: Any, place: Any, target: Any, weight: Any) -> Any:
        logit = self._model.guess(seen, place)
        each = tf.nn.sparse_softmax_cross_entropy_with_logits(target, logit)
        hits = tf.cast(tf.argmax(logit, axis=-1, output_type=tf.int32) == target, tf.float32)
        return tf.reduce_sum(weight * each), tf.reduce_sum(weight * hits), tf.reduce_sum(weight)

    def _tell(self, data: CellData, now: Progress) -> None:
        row = now.history[-1]
        trained = f"  loss {row['loss']:.4f}" if row["epoch"] else "  before"
        say(f"{data.name}  epoch {row['epoch']}/{self.recipe.epochs}{trained}  held out: "
            + ", ".join(f"{by} loss {row[f'held_out_{by}_loss']:.4f} accuracy {row[f'held_out_{by}_accuracy']:.4f}"
                        for by in MASKINGS))


class _Pace:
    """How fast the steps go since this process began, and when a state is to be kept."""

    def __init__(self, step: int, total: int, batch_tokens: int):
        self._first, self._total, self._tokens = step, total, batch_tokens
        self._begin = self._kept = time.monotonic()

    def keep_now(self) -> bool:
        if time.monotonic() - self._kept < KEEP_EVERY:
            return False
        self._kept = time.monotonic()
        return True

    def line(self, step: int) -> str:
        each = (time.monotonic() - self._begin) / (step - self._first)
        return f"{self._tokens / each:,.0f} tokens/s, {(self._total - step) * each / 60:.0f} min left"


def _constants(masked: MaskedBatch) -> tuple[Any, ...]:
    return [tf.constant(part) for part in masked.seen], *map(tf.constant, (masked.place, masked.target, masked.weight))


def _examples(trainer: Trainer, data: CellData, vocab: list[str]) -> pd.DataFrame:
    """Held-out texts with blanks, the words that stood there, and what the model puts there."""
    corpus, rng = data.corpus, np.random.default_rng([data.seed, 3])
    rows = rng.permutation(data.held)[:EXAMPLES]
    found = []
    vocab = vocab + ["[UNK]"] * (trainer.rows_of_table - len(vocab))  # rows that no token has
    for row in rows:
        batch = Batch(np.array([[row]]), int(corpus.table.lengths[row]))
        masked = masking.mask(corpus, batch, "words", max(trainer.recipe.mask_share, 3 / batch.width), rng,
                              ALL_MASKED)
        used = masked.weight > 0
        order = np.argsort(masked.place[used])
        place = masked.place[used][order]
        if not len(place):
            continue
        begins = corpus.begins[corpus.table.offsets[row] + place] | (np.diff(place, prepend=-2) > 1)
        shown = [vocab[token] for token in masked.seen.ids[0, 1:-1]]
        guess = trainer.guesses(masked)[used][order]
        found.append({"text": joined(["□" if token == "[MASK]" else token for token in shown]),
                      "truth": _words(masked.target[used][order], begins, vocab),
                      "guess": _words(guess, begins, vocab)})
    return pd.DataFrame(found, columns=["text", "truth", "guess"])


def _words(tokens: npt.NDArray[Any], begins: npt.NDArray[np.bool_], vocab: list[str]) -> str:
    parts = np.split(tokens, np.flatnonzero(begins)[1:])
    return " | ".join(joined([vocab[token] for token in part]) for part in parts)


def joined(pieces: list[str]) -> str:
    """Tokens as a text: word pieces put together, a space between two of Latin letters or digits."""
    text = ""
    for piece in pieces:
        piece = " " if piece == "[unused1]" else piece
        if piece.startswith("##"):
            text += piece[2:]
        else:
            apart = text[-1:].isascii() and text[-1:].isalnum() and piece.isascii() and piece.isalnum()
            text += " " * (apart and len(piece) > 1) + piece
    return text
