"""The configurations of well-known data read a miniature of it, in the layout that it comes in."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, Command


def write(path: str, *lines: str) -> None:
    Path("data", path).parent.mkdir(parents=True, exist_ok=True)
    Path("data", path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def jigsaw() -> None:
    labels = "toxic,severe_toxic,obscene,threat,insult,identity_hate"
    write("jigsaw/train.csv", f"id,comment_text,{labels}",
          *(f'{row:016x},"Say ""{row}"",\nor not",{",".join(str(int(row % (place + 2) == 0)) for place in range(6))}'
            for row in range(60)))
    write("jigsaw/test.csv", "id,comment_text", "00001cee341fdb12,well", "0000247867823ef7,done")
    halves = ",0.5" * 6
    write("jigsaw/sample_submission.csv", f"id,{labels}", f"00001cee341fdb12{halves}", f"0000247867823ef7{halves}")


def conll2003() -> None:
    sentence = ("EU NNP B-NP B-ORG", "rejects VBZ B-VP O", "German JJ B-NP B-MISC", "call NN I-NP O", ". . O O", "")
    for name in ("eng.train", "eng.testa", "eng.testb"):
        write(f"conll2003/{name}", "-DOCSTART- -X- -X- O", "", *sentence, *sentence)


def thucnews() -> None:
    for label in ("体育", "财经"):
        for row in range(6):
            write(f"thucnews/{label}/{row}.txt", f"{label}新闻第{row}条", "　　正文。")


def lcqmc() -> None:
    rows = [f'怎么"去{row}号楼\t去{row}号楼怎么走\t{row % 2}' for row in range(6)]
    for name in ("train", "dev"):
        write(f"lcqmc/{name}.tsv", "text_a\ttext_b\tlabel", *rows)
    write("lcqmc/test.tsv", "text_a\ttext_b", "谁\t什么")


@pytest.mark.parametrize(("make", "told"), [
    (jigsaw, "6 of 6 occur"), (conll2003, "4 entities: ORG 2, MISC 2"), (thucnews, "id 体育/0.txt, label 体育:"),
    (lcqmc, "fold 0: 6 rows, 3 positive"),
], ids=lambda one: one.__name__ if callable(one) else "")
@pytest.mark.usefixtures("project")
def test_a_shipped_config_reads_what_its_data_are(stages: Command, make: Callable[[], None], told: str) -> None:
    make()
    shutil.copy(ROOT / "configs" / f"{make.__name__}.toml", "configs")
    small = ["--set", "bert.checkpoint=data/bert", "--set", "tokens.max_tokens=22", "--set", "head.layers=1"]
    checked = stages("check", f"configs/{make.__name__}.toml", *small)
    assert checked.code == 0, checked.err
    assert told in checked.out
