"""The configurations of well-known data read a miniature of it, in the layout that it comes in."""

import shutil
import tomllib
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


def commonlit() -> None:
    write("commonlit/train.csv", "id,url_legal,license,excerpt,target,standard_error",
          *(f'{row:09x},,,"It was a {"long " * (row % 7)}day,\nand ""{row}"" was.",{-0.5 * (row % 7) + 0.1:.9f},0.4'
            for row in range(30)))
    write("commonlit/test.csv", "id,url_legal,license,excerpt", "c0f722661,,,My hope lay in Jack.")
    write("commonlit/sample_submission.csv", "id,target", "c0f722661,0.0")


def feedback_ell() -> None:
    names = ["cohesion", "syntax", "vocabulary", "phraseology", "grammar", "conventions"]
    write("feedback-ell/train.csv", ",".join(["text_id", "full_text", *names]),
          *(",".join([f"{row:012X}", f'"I think that {row} students,\r\nshould study"',
                      *(str(1 + (row + place) % 9 / 2) for place in range(6))]) for row in range(30)))
    write("feedback-ell/test.csv", "text_id,full_text", '0000C359D63E,"when a person"')
    write("feedback-ell/sample_submission.csv", ",".join(["text_id", *names]), "0000C359D63E" + ",3.0" * 6)


def essay_scoring() -> None:
    write("essay-scoring/train.csv", "essay_id,full_text,score",
          *(f'{row:07x},"Cars are ""{row}"", and {"so " * (row % 6)}on.\n\nThey drive.",{row % 6 + 1}'
            for row in range(36)))
    write("essay-scoring/test.csv", "essay_id,full_text", "000d118,Many people have car")
    write("essay-scoring/sample_submission.csv", "essay_id,score", "000d118,3")


def patent_phrases() -> None:
    write("patent-phrases/train.csv", "id,anchor,target,context,score",
          *(f"{row:016x},abatement {row // 4},act of {row} abating,A47,{row % 5 * 0.25}" for row in range(40)))
    write("patent-phrases/test.csv", "id,anchor,target,context", "4112d61851461f60,opc drum,inorganic drum,G02")
    write("patent-phrases/sample_submission.csv", "id,score", "4112d61851461f60,0")


def quest() -> None:
    config = tomllib.loads((ROOT / "configs/quest.toml").read_text())["data"]["label_columns"]
    columns = ["question_title", "question_body", "answer", "url", "category", "host"]
    labels = [[f"{(row + place) % 4 / 3:.18g}" for place in range(30)] for row in range(40)]
    write("quest/train.csv", ",".join(["qa_id", *columns, *config]),
          *(",".join([str(row), "What?", f'"What am I {row // 2} losing,\n\nwhen?"', f"It {row} just.",
                      f"http://x/{row // 2}", "LIFE", "photo", *own]) for row, own in enumerate(labels)))
    write("quest/test.csv", ",".join(["qa_id", *columns]), "39,Will?,Will it leave?,No.,http://y,CULTURE,gaming")
    write("quest/sample_submission.csv", ",".join(["qa_id", *config]), "39" + ",0.00308" * 30)


@pytest.mark.parametrize(("make", "told"), [
    (jigsaw, "6 of 6 occur"), (conll2003, "4 entities: ORG 2, MISC 2"), (thucnews, "id 体育/0.txt, label 体育:"),
    (lcqmc, "fold 0: 6 rows, 3 positive"), (commonlit, "-2.9 to 0.1"), (feedback_ell, "cohesion: mean"),
    (essay_scoring, "1: 1, 2: 1, 3: 1, 4: 2"), (patent_phrases, "0 to 1"), (quest, "answer_well_written: mean"),
], ids=lambda one: one.__name__ if callable(one) else "")
@pytest.mark.usefixtures("project")
def test_a_shipped_config_reads_what_its_data_are(stages: Command, make: Callable[[], None], told: str) -> None:
    make()
    shutil.copy(ROOT / "configs" / f"{make.__name__}.toml", "configs")
    small = ["--set", "bert.checkpoint=data/bert", "--set", "tokens.max_tokens=22", "--set", "head.layers=1"]
    checked = stages("check", f"configs/{make.__name__}.toml", *small)
    assert checked.code == 0, checked.err
    assert told in checked.out
