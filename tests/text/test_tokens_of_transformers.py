"""Tokens are those of transformers' AutoTokenizer, on 10,000 odd texts and 2,000 pairs for each kind of tokenizer.

Outside the suite's own environment: it needs transformers (CONTRIBUTING.md says how)."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from pipeline.checkpoints import tokenizer_files
from pipeline.config.model import Tokens
from pipeline.text import tokenization
from tests.conftest import ROOT
from tests.text.own_tokenizers import library, model_of

transformers = pytest.importorskip("transformers")

ODD = ("", " ", "  a  b ", "\t\n", "ﬁne ①②", "İstanbul", "café naïve", "``quoted'' ", "a\u200bb", "\u202eabc", "한국어",
       "👩\u200d👧 emoji", "ｆｕｌｌ　ｗｉｄｔｈ", "x" * 300, "3,000,000.5", "e\u0301", "\u00a0nbsp", "▁under", "Ġ",
       "\ufeffbom", "a\r\nb")
SPECIAL = ("<s>", "</s>", "<unk>", "<pad>", "<mask>", "[CLS]", "[SEP]", "[PAD]", "[UNK]", "[MASK]")
RANGES = ((32, 0x2000), (0x3000, 0xD7FF), (0x1F300, 0x1F700))


def texts(count: int) -> list[str]:
    """Odd strings, lines of the bundled example, and those with a tenth of their characters exchanged for others."""
    rng = random.Random(0)
    known = pd.read_csv(ROOT / "data" / "example" / "train.csv", dtype=str).content.tolist()

    def drawn() -> str:
        kind = rng.random()
        if kind < 0.2:
            return rng.choice(ODD) + rng.choice(ODD)
        text = rng.choice(known)
        return text if kind < 0.5 else "".join(
            character if rng.random() > 0.1 else chr(rng.randrange(*rng.choice(RANGES))) for character in text)

    made = [drawn() for _ in range(count)]
    return [text for text in made if not any(token in text for token in SPECIAL)]


def byte_level(folder: Path) -> None:
    library("byte-level BPE").model.save(str(folder))


def of_xlm_roberta(folder: Path) -> None:
    (folder / "sentencepiece.bpe.model").write_bytes(model_of("xlm-roberta"))


def of_albert(folder: Path) -> None:
    (folder / "spiece.model").write_bytes(model_of("albert"))


KINDS: dict[str, tuple[str, str, Callable[[Path], None]]] = {  # model_type, tokenizer_class, the tokenizer's files
    "RoBERTa": ("roberta", "RobertaTokenizer", byte_level),
    "XLM-R": ("xlm-roberta", "XLMRobertaTokenizer", of_xlm_roberta),
    "ALBERT": ("albert", "AlbertTokenizer", of_albert),
}
FAMILIES = {"xlm-roberta": "roberta"}


@pytest.mark.parametrize("saved", [False, True], ids=["its files", "tokenizer.json"])
@pytest.mark.parametrize("kind", KINDS)
def test_tokens_are_those_of_transformers(kind: str, saved: bool, tmp_path: Path) -> None:
    model_type, name, write = KINDS[kind]
    folder = tmp_path / "files"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model_type": model_type}))
    (folder / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": name}))
    write(folder)
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    if saved:
        folder = tmp_path / "saved"
        theirs.save_pretrained(folder)
        for other in ("vocab.json", "merges.txt"):
            (folder / other).unlink(missing_ok=True)
    problems: list[str] = []
    vocab = tokenizer_files.read(folder, FAMILIES.get(model_type, model_type), model_type, problems)
    assert problems == []
    config, many = Tokens(tokenizer="checkpoint", max_tokens=512), texts(10_000)
    single = tokenization.encode(pd.DataFrame({"text": many}), vocab, config)
    expected = theirs(many, truncation=True, max_length=512)["input_ids"]
    assert [single.ids[begin:end].tolist() for begin, end in zip(single.offsets, single.offsets[1:], strict=False)
            ] == expected
    first, second = many[:2_000], many[2_000:4_000]
    pairs = tokenization.encode(pd.DataFrame({"text": first, "text_pair": second}), vocab,
                                config.model_copy(update={"max_tokens": 100_000}))
    expected = theirs(first, second)["input_ids"]
    assert [pairs.ids[begin:end].tolist() for begin, end in zip(pairs.offsets, pairs.offsets[1:], strict=False)
            ] == expected
