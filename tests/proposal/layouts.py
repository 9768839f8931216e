"""Made-up competitions in the layouts that competitions come in: a function for each writes its files into a folder,
and says what a configuration for it must have."""

import json
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

GOOD, BAD = "鲜香嫩好棒赞", "差慢贵咸烂冷"
FILLER = "鱼肉菜汤饭面店服务环境味道价格今天我们这家"
WORDS = ("the", "a", "this", "that", "film", "story", "actor", "scene", "plot", "music", "we", "they", "saw", "liked",
         "found", "very", "quite", "really", "so", "night", "day", "people", "place", "time", "first", "last", "new")
GOOD_WORDS, BAD_WORDS = ("great", "lovely", "bright", "superb"), ("poor", "dull", "awful", "weak")
Expected = dict[str, Any]
ROWS, TEST_ROWS = 120, 40


def chinese(rng: random.Random, good: bool) -> str:
    body = [*rng.choices(FILLER, k=rng.randint(4, 14)), *rng.choices(GOOD if good else BAD, k=2)]
    rng.shuffle(body)
    return "".join(body)


def english(rng: random.Random, good: bool) -> str:
    body = [rng.choice(WORDS) for _ in range(rng.randint(6, 14))] + [rng.choice(GOOD_WORDS if good else BAD_WORDS)]
    rng.shuffle(body)
    return " ".join(body).capitalize() + "."


def lines(path: Path, rows: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")


def jsonl(path: Path, rows: list[dict[str, Any]]) -> None:
    lines(path, [json.dumps(row, ensure_ascii=False) for row in rows])


def with_ids(folder: Path) -> Expected:
    """Kaggle's usual three files, English, further columns, labels in the sample submission."""
    rng = random.Random(1)
    lines(folder / "train.csv", ["id,keyword,location,text,target", *(
        f'{row},fire,,"{english(rng, row % 3 == 0)} See, here",{int(row % 3 == 0)}' for row in range(ROWS))])
    lines(folder / "test.csv", ["id,keyword,location,text", *(
        f'{row + 500},,Rome,"{english(rng, row % 3 == 0)} See, here"' for row in range(TEST_ROWS))])
    lines(folder / "sample_submission.csv", ["id,target", *(f"{row + 500},0" for row in range(TEST_ROWS))])
    return {"task": "binary", "metric": "f1", "data.id_column": "id", "data.text_columns": ["text"],
            "data.label_column": "target", "bert.random.layers": 2}


def without_ids(folder: Path) -> Expected:
    """The test file is texts alone; the sample submission counts them."""
    rng = random.Random(2)
    lines(folder / "train.csv", ["content,label", *(f"{chinese(rng, row % 3 == 0)},{int(row % 3 == 0)}"
                                                   for row in range(ROWS))])
    lines(folder / "test.csv", ["content", *(chinese(rng, row % 3 == 0) for row in range(TEST_ROWS))])
    lines(folder / "sample_submission.csv", ["ID,Prediction", *(f"{row},0.5" for row in range(TEST_ROWS))])
    return {"task": "binary", "metric": "auc", "data.id_column": None, "data.text_columns": ["content"],
            "data.label_column": "label", "bert.checkpoint": "data/bert/small_chinese"}


def label_columns(folder: Path) -> Expected:
    """Jigsaw: a column of 0 and 1 for each label, each file a zip inside the zip; the labels of test lie beside."""
    rng, names = random.Random(3), ["toxic", "obscene", "threat"]
    files = {
        "train.csv": ["id,comment_text," + ",".join(names), *(
            f'{row:06x},"{english(rng, row % 2 == 0)}",{row % 2},{int(row % 3 == 0)},{int(row % 5 == 0)}'
            for row in range(ROWS))],
        "test.csv": ["id,comment_text", *(f'f{row:05x},"{english(rng, True)}"' for row in range(TEST_ROWS))],
        "sample_submission.csv": ["id," + ",".join(names), *(f"f{row:05x},0.5,0.5,0.5" for row in range(TEST_ROWS))],
        "test_labels.csv": ["id," + ",".join(names), *(f"f{row:05x},-1,-1,-1" for row in range(TEST_ROWS))]}
    folder.mkdir(parents=True)
    for name, rows in files.items():
        with zipfile.ZipFile(folder / f"{name}.zip", "w") as archive:
            archive.writestr(name, "".join(f"{row}\n" for row in rows))
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, path.name)
            path.unlink()
    folder.rmdir()
    return {"task": "multilabel", "data.label_columns": names, "data.id_column": "id",
            "data.text_columns": ["comment_text"]}


def joined_names(folder: Path) -> Expected:
    """Several names in one column, and no test file."""
    rng = random.Random(4)
    sets = ["产品", "财经|股市", "财经", "体育", "股市", "体育|财经", "产品|体育"]
    lines(folder / "train.csv", ["label,content", *(f"{sets[row % 7]},{chinese(rng, row % 2 == 0)}"
                                                   for row in range(ROWS))])
    return {"task": "multilabel", "data.label_separator": "|", "data.label_column": "label",
            "data.text_columns": ["content"]}


def tnews(folder: Path) -> Expected:
    """CLUE's JSON lines: train, dev and test, a list of labels, two columns that say the same."""
    rng = random.Random(5)
    names = {"100": "news_story", "101": "news_culture", "102": "news_entertainment"}
    keys = list(names)

    def row(number: int, labelled: bool, id_too: bool) -> dict[str, Any]:
        label = keys[number % 3]
        text = chinese(rng, label == "100") + {"100": "故事", "101": "文化", "102": "娱乐"}[label]
        own = {"label": label, "label_desc": names[label]} if labelled else {}
        words = "味道,价格" if number % 2 else ""
        return ({"id": number} if id_too else {}) | own | {"sentence": text, "keywords": words}

    jsonl(folder / "train.json", [row(number, True, False) for number in range(ROWS)])
    jsonl(folder / "dev.json", [row(number, True, False) for number in range(30)])
    jsonl(folder / "test.json", [row(number, False, True) for number in range(TEST_ROWS)])
    jsonl(folder / "labels.json", [{"label": key, "label_desc": name} for key, name in names.items()])
    lines(folder / "README.txt", ["TNEWS"])
    return {"task": "multiclass", "data.label_column": "label", "data.text_columns": ["sentence"],
            "folds.method": "given", "data.id_column": "id"}


def mrpc(folder: Path) -> Expected:
    """Tab-separated pairs with quotes that enclose nothing."""
    rng = random.Random(6)

    def pair(same: bool) -> str:
        text = english(rng, same)
        return f'"{text} he said.\t{text if same else english(rng, not same)} "So it is'

    lines(folder / "msr_paraphrase_train.txt", ["Quality\t#1 ID\t#2 ID\t#1 String\t#2 String", *(
        f"{row % 2}\t{7_000 + row // 2}\t{8_000 + row}\t{pair(row % 2 == 1)}" for row in range(ROWS))])
    lines(folder / "msr_paraphrase_test.txt", ["Quality\t#1 ID\t#2 ID\t#1 String\t#2 String", *(
        f"{row % 2}\t{9_000 + row}\t{9_500 + row}\t{pair(row % 2 == 1)}" for row in range(TEST_ROWS))])
    return {"task": "binary", "data.quoting": False, "data.text_columns": ["#1 String", "#2 String"],
            "data.label_column": "Quality"}


def conll(folder: Path) -> Expected:
    """CoNLL-2003 in files whose names say nothing of it."""
    rng = random.Random(7)

    def sentence() -> list[str]:
        name = rng.choice(["Anna", "Rome", "Peter", "Oslo"])
        tag = "B-PER" if name in ("Anna", "Peter") else "B-LOC"
        words = [f"{word} NN I-NP O" for word in rng.choices(WORDS, k=5)]
        return [*words, f"{name} NNP I-NP {tag}", ". . O O", ""]

    lines(folder / "train.txt", ["-DOCSTART- -X- O O", "", *(line for _ in range(60) for line in sentence())])
    lines(folder / "test.txt", ["-DOCSTART- -X- O O", "", *(line for _ in range(20) for line in sentence())])
    return {"task": "tags", "data.format": "conll"}


def bmes(folder: Path) -> Expected:
    """Chinese characters with BMES tags, and a dev file."""
    rng = random.Random(8)

    def sentence() -> list[str]:
        body = [f"{rng.choice(FILLER)} O" for _ in range(6)]
        return [*body, "张 B-NAME", "小 M-NAME", "明 E-NAME", "好 O", ""]

    for name, count in (("train", 60), ("dev", 15), ("test", 20)):
        lines(folder / f"{name}.char.bmes", [line for _ in range(count) for line in sentence()])
    return {"task": "tags", "folds.method": "given"}


def folders(folder: Path) -> Expected:
    """aclImdb: a folder for each class, texts without labels, lists of addresses beside."""
    rng = random.Random(9)
    for part, count in (("train", ROWS // 2), ("test", TEST_ROWS // 2)):
        for good, name in ((True, "pos"), (False, "neg")):
            (folder / part / name).mkdir(parents=True)
            for row in range(count):
                lines(folder / part / name / f"{row}_{9 if good else 2}.txt", [english(rng, good)])
        lines(folder / part / "urls_pos.txt", ["http://example.org/1"])
    (folder / "train/unsup").mkdir()
    lines(folder / "train/unsup/0_0.txt", ["no label"])
    lines(folder / "imdb.vocab", ["the", "and"])
    return {"task": "binary", "data.labels": ["neg", "pos"]}


def headerless(folder: Path) -> Expected:
    """THUCNews' short form: text, tab, number of the class, whose names stand in class.txt; no header."""
    rng = random.Random(10)
    marks = ["球赛", "股票", "电影"]

    def row(number: int) -> str:
        return f"{chinese(rng, number % 2 == 0)}{marks[number % 3]}\t{number % 3}"

    for name, count in (("train", ROWS), ("dev", 30), ("test", TEST_ROWS)):
        lines(folder / f"{name}.txt", [row(number) for number in range(count)])
    lines(folder / "class.txt", ["sports", "stocks", "film"])
    return {"task": "multiclass", "data.header": ["text", "label"], "folds.method": "given"}


def semicolons(folder: Path) -> Expected:
    """GB18030, semicolons, yes and no."""
    rng = random.Random(11)
    folder.mkdir(parents=True)
    for name, count, labelled in (("train", ROWS, True), ("test", TEST_ROWS, False)):
        rows = ["编号;内容" + ";推荐" * labelled, *(f"{name}{row};{chinese(rng, row % 3 == 0)}"
                + (f";{'是' if row % 3 == 0 else '否'}" if labelled else "") for row in range(count))]
        (folder / f"{name}.csv").write_bytes("".join(f"{row}\n" for row in rows).encode("gb18030"))
    return {"task": "binary", "data.encoding": "GB18030", "data.labels": ["否", "是"], "data.id_column": "编号",
            "data.text_columns": ["内容"], "data.label_column": "推荐"}


def numbers(folder: Path) -> Expected:
    """Numbers with decimals, as CommonLit has them."""
    rng = random.Random(12)
    lines(folder / "train.csv", ["id,url_legal,license,excerpt,target,standard_error", *(
        f'c{row},,,"{english(rng, row % 2 == 0)}",{rng.uniform(-3, 2):.4f},{rng.uniform(0.4, 0.6):.4f}'
        for row in range(ROWS))])
    lines(folder / "test.csv", ["id,url_legal,license,excerpt", *(
        f'd{row},,,"{english(rng, row % 2 == 0)}"' for row in range(TEST_ROWS))])
    lines(folder / "sample_submission.csv", ["id,target", *(f"d{row},0.0" for row in range(TEST_ROWS))])
    return {"task": "regression", "metric": "rmse", "data.text_columns": ["excerpt"], "data.label_column": "target"}


def class_probabilities(folder: Path) -> Expected:
    """A column for each class in the sample submission, named after the class with something before it."""
    rng = random.Random(13)
    authors = ["EAP", "HPL", "MWS"]
    lines(folder / "train.csv", ['"id","text","author"', *(
        f'"id{row:05d}","{english(rng, row % 2 == 0)} {authors[row % 3]}ish","{authors[row % 3]}"'
        for row in range(ROWS))])
    lines(folder / "test.csv", ['"id","text"', *(f'"id{row + 900:05d}","{english(rng, True)}"'
                                                 for row in range(TEST_ROWS))])
    lines(folder / "sample_submission.csv", ['"id","author_EAP","author_HPL","author_MWS"', *(
        f'"id{row + 900:05d}",0.4,0.3,0.3' for row in range(TEST_ROWS))])
    return {"task": "multiclass", "submit.columns": "author_{label}", "data.label_column": "author"}


def cluener(folder: Path) -> Expected:
    """CLUENER: spans nested under names and words, both ends inside."""
    rng = random.Random(14)

    def row(labelled: bool) -> dict[str, Any]:
        body = "".join(rng.choice(FILLER) for _ in range(6))
        at = len(body)
        label = {"name": {"张小明": [[at, at + 2]]}, "address": {"北京": [[at + 3, at + 4]]}}
        return {"text": f"{body}张小明北京好"} | ({"label": label} if labelled else {})

    jsonl(folder / "train.json", [row(True) for _ in range(60)])
    jsonl(folder / "test.json", [{"id": number} | row(False) for number in range(20)])
    return {"task": "tags"}


def word_lists(folder: Path) -> Expected:
    """The hub's export of tagged words: a list of words and one of tags a row."""
    rng = random.Random(15)

    def row(number: int) -> dict[str, Any]:
        words = rng.choices(WORDS, k=rng.randint(4, 8))
        return {"id": str(number), "tokens": [*words, "Anna"], "ner_tags": ["O"] * len(words) + ["B-PER"]}

    jsonl(folder / "train.jsonl", [row(number) for number in range(60)])
    jsonl(folder / "test.jsonl", [row(number) for number in range(20)])
    return {"task": "tags", "data.text_columns": ["tokens"], "data.label_column": "ner_tags"}


def two_words(folder: Path) -> Expected:
    """Class names of two words, whose words stand in several of them."""
    rng, names = random.Random(16), ["Extremely Negative", "Negative", "Neutral", "Positive", "Extremely Positive"]
    lines(folder / "train.csv", ["UserName,OriginalTweet,Sentiment", *(
        f'{row},"{english(rng, row % 2 == 0)}",{names[row % 5]}' for row in range(ROWS))])
    return {"task": "multiclass", "data.label_column": "Sentiment", "data.text_columns": ["OriginalTweet"]}


def nameless_columns(folder: Path) -> Expected:
    """Commas at the end of every line, which make columns without a name."""
    rng = random.Random(17)
    lines(folder / "spam.csv", ["v1,v2,,,", *(
        f'{"spam" if row % 4 == 0 else "ham"},"{english(rng, row % 4 == 0)}",,,' for row in range(ROWS))])
    return {"task": "binary", "data.labels": ["ham", "spam"], "data.label_column": "v1", "data.text_columns": ["v2"]}


def headerless_test_without_labels(folder: Path) -> Expected:
    """LCQMC's shape, with a test file that lacks the label's column."""
    rng = random.Random(18)
    for name, count in (("train", ROWS), ("test", TEST_ROWS)):
        lines(folder / f"{name}.tsv", [
            f"{chinese(rng, row % 2 == 0)}\t{chinese(rng, row % 3 == 0)}" + f"\t{row % 2}" * (name == "train")
            for row in range(count)])
    return {"task": "binary", "data.label_column": "label"}


def parse_columns(folder: Path) -> Expected:
    """MNLI's pairs, with their parses beside them and a class that stands for no agreement."""
    rng, names = random.Random(19), ["entailment", "neutral", "contradiction"]

    def row(number: int) -> dict[str, Any]:
        first, second = english(rng, True), english(rng, number % 2 == 0)
        parsed = {"sentence1_binary_parse": f"( {first} )", "sentence2_binary_parse": f"( {second} )"}
        return {"pairID": f"p{number}", **parsed, "sentence1": first, "sentence2": second,
                "gold_label": names[number % 3]}

    jsonl(folder / "train.jsonl", [row(number) for number in range(ROWS)])
    return {"task": "multiclass", "data.text_columns": ["sentence1", "sentence2"], "data.label_column": "gold_label"}


def title_and_body(folder: Path) -> Expected:
    """AG News: class from 1, title, body; no header; a list of classes."""
    rng = random.Random(20)
    for name, count in (("train", ROWS), ("test", TEST_ROWS)):
        lines(folder / f"{name}.csv", [
            f'"{row % 4 + 1}","{english(rng, True)[:30]} on day","{english(rng, row % 2 == 0)} {english(rng, True)}"'
            for row in range(count)])
    lines(folder / "classes.txt", ["World", "Sports", "Business", "Science"])
    return {"task": "multiclass", "data.header": ["label", "text_pair", "text"], "data.text_columns": ["text"],
            "data.label_names": {"1": "World", "2": "Sports", "3": "Business", "4": "Science"}}


def span_lists(folder: Path) -> Expected:
    """doccano: entities as [start, end, name]."""
    rng = random.Random(21)
    jsonl(folder / "train.jsonl", [
        {"id": row, "text": f"{body}张小明", "label": [[len(body), len(body) + 3, "PER"]]}
        for row in range(60) for body in ["".join(rng.choices(FILLER, k=5))]])
    return {"task": "tags"}


def several_outputs(folder: Path) -> Expected:
    """AI Challenger: many columns of the same few values, which test has empty."""
    rng, names = random.Random(22), ["location", "service", "price"]
    for name, count in (("trainingset", ROWS), ("testset", TEST_ROWS)):
        lines(folder / f"{name}.csv", ["id,content," + ",".join(names), *(
            f'{row},"{chinese(rng, row % 2 == 0)}",' + ",".join(
                str((row + place) % 4 - 2) if name == "trainingset" else "" for place in range(3))
            for row in range(count))])
    return {"task": "multioutput", "data.label_columns": names}


LAYOUTS: dict[str, Callable[[Path], Expected]] = {
    layout.__name__: layout for layout in (
        with_ids, without_ids, label_columns, joined_names, tnews, mrpc, conll, bmes, folders, headerless, semicolons,
        numbers, class_probabilities, cluener, word_lists, two_words, nameless_columns,
        headerless_test_without_labels, parse_columns, title_and_body, span_lists, several_outputs)}
