"""Tokenizers as RoBERTa, XLM-R, ALBERT and DeBERTa bring them along, learnt from a few texts."""

from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

from pipeline.text import sentencepiece_model
from pipeline.text.own_tokenizer import OwnTokenizer
from pipeline.text.vocabulary import Vocabulary
from tests.conftest import ROOT
from tests.toy import CHARACTERS

MODEL = ROOT / "tests" / "golden" / "tf_hub" / "albert" / "assets" / "sp.model"
TEXTS = [CHARACTERS, " ".join(CHARACTERS), "ab cd ef gh ij 好吃 不好 abc def ghij", "the food is good, it was bad"]
KINDS = ("byte-level BPE", "xlm-roberta", "camembert", "albert", "deberta-v2")


def library(kind: str) -> Tokenizer:
    """The library's tokenizer of a kind: byte-level BPE, learnt here; else Unigram from a SentencePiece model."""
    if kind != "byte-level BPE":
        return sentencepiece_model.tokenizer(model_of(kind), kind, lowercase=True)
    built = Tokenizer(models.BPE())
    built.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    built.train_from_iterator(TEXTS * 3, trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False))
    built.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return built


def model_of(kind: str) -> bytes:
    """A SentencePiece model with a family's first pieces."""
    names = {"xlm-roberta": ("<unk>", "<s>", "</s>"), "camembert": ("<unk>", "<s>NOTUSED", "</s>NOTUSED"),
             "deberta-v2": ("[PAD]", "[CLS]", "[SEP]", "[UNK]")}.get(kind, ())
    model = sentencepiece_model._message().FromString(MODEL.read_bytes())
    for piece, name in zip(model.pieces, names, strict=False):
        piece.piece, piece.type = name, 2 if "unk" in name.lower() else 3
    raw: bytes = model.SerializeToString()
    return raw


def vocabulary(kind: str) -> Vocabulary:
    """The same as a checkpoint gives it."""
    return Vocabulary.of(OwnTokenizer.of(library(kind)))
