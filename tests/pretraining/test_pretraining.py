"""Stage 0: what is masked and held out, that its head is keras-bert's, that a killed training goes on exactly."""

import gzip
import itertools
import shutil
from pathlib import Path

import keras_bert
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.arrays import Tensors
from pipeline.backend import tf
from pipeline.checkpoints import checkpoint, encoder_config, google, hugging_face
from pipeline.checkpoints.encoder_config import MASKED_LM
from pipeline.config.model import Tokens
from pipeline.config.run import Config
from pipeline.errors import UserError
from pipeline.files import formats
from pipeline.pretraining import masking
from pipeline.pretraining.masked_lm import MaskedLanguageModel
from pipeline.pretraining.masked_training import MaskedData, MaskedTrainer, MaskedTraining
from pipeline.text import corpus, tokenization
from pipeline.text.corpus import Corpus
from pipeline.text.packing import Batch, Plan
from pipeline.text.vocabulary import SPECIAL, Vocabulary
from pipeline.text.word_starts import word_starts
from pipeline.training import epochs
from tests.conftest import Command
from tests.toy import CHARACTERS, TINY, make_tables

VOCAB = [*SPECIAL, *CHARACTERS]
TEXTS = ["服务员态度很好", "味道不错 真香", "good food here", "鱼肉" * 40, "a", "菜汤饭面香辣鲜嫩好差慢贵"]
PRETRAIN = """
[pretrain]
epochs = 3
batch_tokens = 128
learning_rate = 1e-2
max_tokens = 16
held_out = 0.1
files = ["data/menu.txt"]
"""


def made(folder: Path, texts: list[str], held_out: float = 0.2, **settings_: object) -> Corpus:
    values = {"name": "t", "bert": {"checkpoint": "c"}, "data": {"train": "a", "test": "b"},
              "pretrain": {"max_tokens": 16, "held_out": held_out}, "tokens": settings_}
    vocab = [*SPECIAL, *sorted({character for text in texts for character in text.lower() if character != " "})]
    return corpus.build(folder / "corpus", "these", ((text, 0) for text in texts), Vocabulary(vocab),
                        Config.model_validate(values))


@pytest.mark.parametrize(("text", "words"), [
    ("服务员态度很好", ["服务员", "态度", "很", "好"]),
    ("good food, 5.5!", ["good", " ", "food", ",", " ", "5", ".", "5", "!"]),
    ("", []),
])
def test_words_begin_where_a_reader_says(text: str, words: list[str]) -> None:
    starts = np.flatnonzero(word_starts(text)).tolist()
    assert [text[a:b] for a, b in itertools.pairwise([*starts, len(text)])] == words


@given(st.text())
@settings(max_examples=200, deadline=None)
def test_every_text_has_a_word_start_for_each_character_it_may_begin_at(text: str) -> None:
    starts = word_starts(text)
    assert len(starts) == len(text)
    assert not len(text) or starts[0]


def test_word_pieces_of_a_word_belong_together() -> None:
    vocab = [*SPECIAL, "play", "##ing", "games", "很", "好", "吃"]
    wordpiece = Tokens(tokenizer="wordpiece")
    [(ids, begins)] = tokenization.encode_words(["playing games 很好吃"], Vocabulary(vocab), wordpiece)
    shown = [(vocab[number], begin) for number, begin in zip(ids, begins, strict=True)]
    assert shown[:3] == [("play", True), ("##ing", False), ("games", True)]
    assert [token for token, _ in shown[3:]] == ["很", "好", "吃"]
    assert sum(begin for _, begin in shown[3:]) == len([1 for one in word_starts("很好吃") if one])


def test_a_corpus_keeps_every_token_in_files_and_holds_out_whole_texts(tmp_path: Path) -> None:
    texts = [*TEXTS, *TEXTS]
    built = made(tmp_path, texts)
    assert isinstance(built.table.ids, np.memmap)
    lengths = built.table.lengths
    assert lengths.max() <= 16
    assert (lengths - 2).sum() == sum(map(len, texts))
    assert 0 < built.held.sum() < len(built.held)
    rows = [tuple(built.table.ids[a:b]) for a, b in itertools.pairwise(built.table.offsets)]
    held = {row for row, out in zip(rows, built.held, strict=True) if out}
    whole = {row for row in held if len(row) < 16}
    assert not whole & {row for row, out in zip(rows, built.held, strict=True) if not out}
    assert set(built.training_rows(None)) == set(np.flatnonzero(~built.held))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["words", "tokens"]), st.floats(0.05, 0.6))
def test_masks_take_whole_words_of_a_share_and_nothing_special(
        tmp_path_factory: pytest.TempPathFactory, seed: int, by: str, share: float) -> None:
    built = made(tmp_path_factory.mktemp("c"), TEXTS)
    rows = np.arange(len(built.held))
    [batch] = Plan(1, 16).ordered(built.table.lengths, rows, len(rows))
    plain = built.table.batch(batch)
    masked = masking.mask(built, batch, by, share, np.random.default_rng(seed))
    used = masked.place[masked.weight == 1]
    assert len(masked.place) == masking.guesses(batch, share)
    assert len(set(used)) == len(used) <= share * plain.ids.size + 0.5
    assert (plain.ids.ravel()[used] == masked.target[masked.weight == 1]).all()
    assert not np.isin(masked.target[masked.weight == 1], built.special).any()
    untouched = np.setdiff1d(np.arange(plain.ids.size), used)
    assert (plain.ids.ravel()[untouched] == masked.seen.ids.ravel()[untouched]).all()
    if by == "words":
        for place, row in enumerate(batch.rows.ravel()):
            start, end = built.table.offsets[row:row + 2]
            word = np.cumsum(built.begins[start:end])
            chosen = np.isin(np.arange(end - start) + place * 16, used)
            for number in np.unique(word[1:-1]):
                parts = chosen[word == number]
                assert parts.all() or not parts.any()
    again = masking.mask(built, batch, by, share, np.random.default_rng(seed))
    assert (again.seen.ids == masked.seen.ids).all()


def test_of_the_chosen_tokens_eight_in_ten_are_masked_and_one_replaced(tmp_path: Path) -> None:
    built = made(tmp_path, TEXTS)
    rows = np.arange(len(built.held))
    [batch] = Plan(1, 16).ordered(built.table.lengths, rows, len(rows))
    counts = np.zeros(3)
    for seed in range(300):
        masked = masking.mask(built, batch, "words", 0.3, np.random.default_rng(seed))
        there = masked.seen.ids.ravel()[masked.place[masked.weight == 1]]
        was = masked.target[masked.weight == 1]
        counts += [(there == built.mask).sum(), ((there != was) & (there != built.mask)).sum(), (there == was).sum()]
    assert counts / counts.sum() == pytest.approx([0.8, 0.1, 0.1], abs=0.02)


def test_guesses_are_those_of_keras_berts_masked_lm_head() -> None:
    weights = encoder_config.random_tensors(TINY, 3, with_masked_lm=True)
    weights = {name: values * (20 if name.endswith("kernel") else 1) for name, values in weights.items()}
    weights[f"{MASKED_LM}output_bias"] = np.linspace(-1, 1, TINY.vocab_size, dtype=np.float32)
    ours = MaskedLanguageModel(TINY, dropout=0.1)
    ours.load(weights)
    theirs = keras_bert.get_model(
        token_num=TINY.vocab_size, pos_num=TINY.positions, seq_len=12, embed_dim=TINY.hidden,
        transformer_num=TINY.layers, head_num=TINY.heads, feed_forward_dim=TINY.intermediate,
        feed_forward_activation="gelu", training=True)
    from pipeline.model.encoders.keras_bert import keras_bert_variables
    for name, variable in keras_bert_variables(theirs, TINY).items():
        variable.assign(weights[name])
    head = f"{MASKED_LM}transform/"
    theirs.get_layer("MLM-Dense").set_weights([weights[f"{head}dense/kernel"], weights[f"{head}dense/bias"]])
    theirs.get_layer("MLM-Norm").set_weights([weights[f"{head}LayerNorm/gamma"], weights[f"{head}LayerNorm/beta"]])
    theirs.get_layer("MLM-Sim").set_weights([weights[f"{MASKED_LM}output_bias"]])
    ids = np.random.default_rng(0).integers(6, TINY.vocab_size, (3, 12)).astype(np.int32)
    expected = theirs.predict([ids, np.zeros_like(ids), np.ones_like(ids)], verbose=0)[0]
    place = np.array([3, 17, 30], np.int32)
    logit = ours.guess([*map(tf.constant, (ids, np.zeros_like(ids), np.tile(np.arange(12, dtype=np.int32), (3, 1)),
                                           np.ones((3, 1, 12), bool)))], tf.constant(place))
    assert tf.nn.softmax(logit).numpy() == pytest.approx(expected.reshape(36, -1)[place], abs=1e-5)


@pytest.mark.parametrize("form", ["google", "huggingface"])
def test_both_formats_give_back_what_was_written(tmp_path: Path, form: str) -> None:
    weights = encoder_config.random_tensors(TINY, 3, with_masked_lm=True)
    write = google.write if form == "google" else hugging_face.write
    write(tmp_path / form, TINY, Vocabulary(VOCAB), weights)
    found = checkpoint.read(tmp_path / form)
    assert (found.config, found.vocab.tokens) == (TINY, VOCAB)
    back = found.tensors() | found.masked_lm()
    assert back.keys() == weights.keys()
    assert all(np.array_equal(back[name], weights[name]) for name in weights)


def test_half_precision_halves_the_file_and_stays_close(tmp_path: Path) -> None:
    weights = encoder_config.random_tensors(TINY, 3, with_masked_lm=True)
    for stored in ("float32", "float16"):
        hugging_face.write(tmp_path / stored, TINY, Vocabulary(VOCAB), weights, stored)
    half, whole = ((tmp_path / stored / "model.safetensors").stat().st_size for stored in ("float16", "float32"))
    assert half < 0.6 * whole
    back = checkpoint.read(tmp_path / "float16").tensors()
    assert all(np.allclose(back[name], weights[name], atol=1e-4) for name in back)


@pytest.fixture
def with_pretrain(project: Path) -> Path:
    """The tiny competition with a stage 0, and a file whose texts go round the same characters, each from its own."""
    Path("data/menu.txt").write_text("\n".join((CHARACTERS * 2)[start:start + 6 + start % 7] for start in range(26)))
    path = Path("configs/toy.toml")
    path.write_text(path.read_text() + PRETRAIN)
    return project


def test_stage_0_learns_is_told_and_is_what_stage_1_starts_from(with_pretrain: Path, stages: Command) -> None:
    refused = stages("stage1", "configs/toy.toml")
    assert refused.code == 2
    assert refused.lines == ["pretrain is not done, which this stage starts from: "
                             "python -m stages pretrain models/toy/config.toml"]
    told = stages("pretrain", "configs/toy.toml")
    assert told.code == 0, told.err
    cell = Path("models/toy/pretrain/all_folds")
    history = pd.read_csv(cell / "history.csv")
    assert history.epoch.tolist() == [0, 1, 2, 3]
    assert history.held_out_words_loss.iloc[-1] < history.held_out_words_loss.iloc[0]
    assert checkpoint.read(cell / "google").tensors().keys() == checkpoint.read(cell / "huggingface").tensors().keys()
    report = Path("oof/toy/pretrain.md").read_text()
    assert "validation texts are among them; no label was read" in report
    assert "□" in report
    assert not Path("models/toy/.corpus").exists()
    assert stages("stage1", "configs/toy.toml", "--fold", "0").code == 0
    made_from = formats.read_json(Path("models/toy/stage1/fold_0/DONE.json"))["identity"]["checkpoint"]
    shutil.rmtree("models/toy/pretrain")
    assert stages("pretrain", "configs/toy.toml", "--set", "pretrain.epochs=1").code == 0
    other = stages("stage1", "configs/toy.toml", "--set", "pretrain.epochs=1", "--fold", "0")
    assert other.code == 4
    assert any(line.strip().startswith("checkpoint: ") for line in other.lines)
    assert made_from


@pytest.mark.parametrize(("name", "calls", "step"), [("take", 9, 9),
                                                     pytest.param("end_epoch", 1, 6, marks=pytest.mark.long)],
                         ids=["inside an epoch", "at its end"])
def test_a_killed_stage_0_goes_on_and_ends_in_the_same_bytes(
        with_pretrain: Path, stages: Command, monkeypatch: pytest.MonkeyPatch, name: str, calls: int, step: int
        ) -> None:
    assert stages("pretrain", "configs/toy.toml", "--run", "whole").code == 0
    monkeypatch.setattr(epochs, "STATE_EVERY", 0)
    whole, made = getattr(MaskedTraining, name), itertools.count()

    def killed(*arguments: object) -> object:
        if next(made) == calls:
            raise KeyboardInterrupt
        return whole(*arguments)

    monkeypatch.setattr(MaskedTraining, name, killed)
    assert stages("pretrain", "configs/toy.toml").code == 130
    assert not Path("models/toy/pretrain/all_folds").exists()
    assert list(Path("models/toy/pretrain").glob(".all_folds.*.state.safetensors"))
    monkeypatch.setattr(MaskedTraining, name, whole)
    again = stages("pretrain", "configs/toy.toml")
    assert f"goes on after step {step} of " in again.out
    for file in ("huggingface/model.safetensors", "history.csv", "examples.csv"):
        one, other = (Path("models") / run / "pretrain/all_folds" / file for run in ("whole", "toy"))
        assert one.read_bytes() == other.read_bytes(), file
    assert not list(Path("models/toy/pretrain").glob(".all_folds.*"))


def test_a_folds_own_texts_can_be_kept_from_its_encoder(with_pretrain: Path, stages: Command,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, MaskedData] = {}
    begin = MaskedTraining.__init__

    def watched(self: MaskedTraining, trainer: MaskedTrainer, data: MaskedData, weights: Tensors) -> None:
        seen[data.name] = data
        begin(self, trainer, data, weights)

    monkeypatch.setattr(MaskedTraining, "__init__", watched)
    test = pd.read_csv("data/test.csv", dtype=str)
    test.loc[:5, "text"] = pd.read_csv("data/train.csv", dtype=str).text[:6]  # of all folds
    test.to_csv("data/test.csv", index=False)
    own = ("--set", "pretrain.fold_texts=training", "--set", "pretrain.epochs=1", "--set", "hardware.jobs=1")
    assert stages("pretrain", "configs/toy.toml", *own).code == 0
    assert list(seen) == ["pretrain fold 0", "pretrain fold 1", "pretrain fold 2"]
    folds = pd.read_csv("models/toy/folds.csv").fold.to_numpy()
    train, vocab = pd.read_csv("data/train.csv", dtype=str), Path("data/bert/vocab.txt").read_text().split("\n")
    assert len(folds) == len(train) == 48
    for fold, data in enumerate(seen.values()):
        table = data.corpus.table
        read = {"".join(vocab[token] for token in table.ids[table.offsets[row] + 1:table.offsets[row + 1] - 1])
                for row in data.rows}
        validated = set(train.text[folds == fold])
        assert not read & validated
        assert read & set(train.text[folds != fold])
    assert stages("stage1", "configs/toy.toml", *own, "--fold", "1").code == 0


def test_a_run_without_data_trains_on_files_and_does_nothing_else(project: Path, stages: Command) -> None:
    texts = [text for table in make_tables(200) for text in table.text]
    with gzip.open("data/texts.txt.gz", "wt", encoding="utf-8") as file:
        file.write("\n\n".join(texts))
    Path("configs/files.toml").write_text("""
[bert.random]
layers = 1
hidden = 16
heads = 2
intermediate = 32
min_count = 2
[pretrain]
texts = []
files = ["data/texts.txt.gz"]
epochs = 1
max_tokens = 16
[hardware]
threads_per_cell = 1
xla = false
""")
    told = stages("pretrain", "configs/files.toml")
    assert told.code == 0, told.err
    found = checkpoint.read(Path("models/files/pretrain/all_folds/huggingface"))
    assert found.config.positions == 22
    assert set(found.vocab.tokens) <= set(VOCAB)
    refused = stages("baseline", "configs/files.toml")
    assert refused.code == 2
    assert refused.lines == ["run 'files' has no [data]: all it can do is pretrain"]


def test_without_the_table_there_is_no_stage_0(project: Path, stages: Command) -> None:
    told = stages("pretrain", "configs/toy.toml")
    assert told.code == 0
    assert "has no [pretrain]" in told.out
    assert not Path("models/toy/pretrain").exists()


@pytest.mark.parametrize(("override", "problem"), [
    ("pretrain.files=['data/none.txt']", "data/none.txt: no such file, which pretrain.files names"),
    ("pretrain={texts=[]}", "configs/toy.toml: pretrain: needs texts or files to train on"),
    ("pretrain.mask_share=1.5", "configs/toy.toml: pretrain.mask_share: input should be less than 1; got 1.5"),
    ("pretrain.max_tokens=64", "pretrain.max_tokens = 64 cannot be greater than the checkpoint's position embeddings: "
                               "32 (data/bert (google format))"),
])
def test_a_stage_0_that_cannot_be_is_refused(with_pretrain: Path, stages: Command, override: str, problem: str
                                             ) -> None:
    refused = stages("pretrain", "configs/toy.toml", "--set", override)
    assert (refused.code, refused.lines) == (2, [problem])


@pytest.mark.parametrize(("content", "problem"), [
    (b"\xe5\xa5\xbd\n\xff\n", "texts.txt, line 2: must be UTF-8, got byte 0xff"),
    (b"\xef\xbb\xbfab\xfe\n", "texts.txt, line 1: must be UTF-8, got byte 0xfe"),
    (b"\n \n", "pretrain: there is no text in pretrain.files and pretrain.texts"),
    (b"a\na\n", "pretrain: needs two different texts, one to train on and one to hold out; got one"),
])
def test_a_text_file_that_cannot_be_read_is_refused(project: Path, content: bytes, problem: str) -> None:
    Path("texts.txt").write_bytes(content)
    with pytest.raises(UserError, match=problem):
        made(project, list(corpus.lines(Path("texts.txt"))))


def test_a_truncated_gzip_file_is_refused(tmp_path: Path) -> None:
    whole = gzip.compress("好\n".encode() * 10_000)
    (tmp_path / "t.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"t\.gz: cannot be read after line"):
        list(corpus.lines(tmp_path / "t.gz"))


def test_a_share_of_the_real_tokens_is_masked_however_empty_a_batch_is(tmp_path: Path) -> None:
    built = made(tmp_path, TEXTS)
    for filled in (1, 2, 4):
        rows = np.full([16, 1], -1)
        rows[:filled, 0] = np.arange(filled)
        batch = Batch(rows, 16)
        masked = masking.mask(built, batch, "tokens", 0.3, np.random.default_rng(0))
        assert masked.weight.sum() == round(0.3 * int(built.table.lengths[:filled].sum()))
        assert len(masked.weight) == round(0.3 * 16 * 16)  # one shape to compile
    one = masking.mask(built, Batch(np.array([[0]]), 16), "tokens", 0.01, np.random.default_rng(0))
    assert one.weight.sum() == 1
