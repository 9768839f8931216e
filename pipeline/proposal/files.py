"""Which file of a competition's folder is what: train, test, dev, sample submission, list of classes."""

import contextlib
import re
import shutil
import stat
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipeline.errors import DiskError, UserError
from pipeline.files import atomic, inputs
from pipeline.machine.console import say
from pipeline.proposal.choices import Choices, Question

LARGEST = 20_000_000_000  # bytes that an archive may unpack to
DEEPEST = 4  # folders in each other
NO_TABLE = {".md", ".html", ".pdf", ".py", ".ipynb", ".png", ".jpg", ".feat", ".vec", ".bin", ".npy", ".pkl", ".toml",
            ".safetensors", ".index", ".meta", ".docx", ".sh", ".yaml", ".yml", ".lock"}
NAMES = {  # role -> parts of a file's name that say it, the stronger role first
    "sample": r"sample_?submi\w*|submi\w*|submit\w*|sample|提交\w*",
    "classes": r"labels?|class|classes|label_?names?|label_?map|labels_?map|id2label|label2id|categor(y|ies)",
    "dev": r"dev|devel|development|devset|valid\w*|val|验证\w*",
    "test": r"test(data|set|ing|file)?[a-z]?|tst|测试\w*",
    "train": r"train(data|set|ing|ingset|file)?|trn|训练\w*",
}
PASSED_OVER = re.compile(r"readme|licen[cs]e|changelog|unlabel|unsup|vocab|stopword|urls_|embedding", re.IGNORECASE)


@dataclass
class Files:
    """The files by what they are; folders of texts stand in the place of files."""

    train: Path
    test: Path | None = None
    dev: Path | None = None
    sample: Path | None = None
    classes: Path | None = None
    others: tuple[Path, ...] = ()
    """Tables that none of these is."""


def unpacked(paths: Sequence[Path], name: str | None) -> tuple[list[Path], str]:
    """The files and folders to look at, and the name that the run gets. An archive is unpacked into data/<name>/,
    which must not be there. Raises UserError for what is missing, for a broken archive and for one with paths that
    lead out of it, DiskError for a full disk."""
    missing = [f"{path}: no such file or folder" for path in paths if not path.exists()]
    if missing:
        raise UserError(*missing)
    name = name_of(paths, name)
    looked_at = []
    for path in paths:
        if path.is_file() and zipfile.is_zipfile(path) and path.suffix not in (".xlsx", ".parquet"):
            target = Path("data") / name
            if target.is_dir():
                say(f"{path}: {target} is there already and is looked at as it stands")
            else:
                _unpack(path, target)
            looked_at.append(target)
        else:
            if path.is_dir():
                _unpack_inside(path)
            looked_at.append(path)
    return looked_at, name


def name_of(paths: Sequence[Path], name: str | None = None) -> str:
    """The given name, or the folder's or the only file's; of a train file alone, its folder's."""
    first = paths[0]
    single = first if first.is_dir() or len(paths) == 1 else first.parent
    own = single.resolve()
    stem = own.name if own.is_dir() else _stem(own)
    if not own.is_dir() and own.suffix != ".zip" and (stem.lower() in ("train", "training") and own.parent.name):
        stem = own.parent.name
    return name or re.sub(r"[^A-Za-z0-9._-]+", "_", stem).strip("._-")[:80] or "competition"


def sorted_out(paths: Sequence[Path], choices: Choices) -> Files:
    """What each file is, by name and place; what the names leave open is asked. Raises UserError where nothing can be
    trained on."""
    roots = [folder for path in paths if path.is_dir() for folder in _folders_of_texts(path)]
    if roots:
        return _of_folders(roots, paths, choices)
    found = _found(paths)
    if not found:
        refused = [line for path in paths for file in ([path] if path.is_file() else sorted(path.rglob("*")))
                   if file.is_file() and file.stat().st_size for line in inputs.problems(file)]
        raise UserError(f"{paths[0]}: holds no table, no JSON, no CoNLL file and no folders of .txt files; "
                        f"docs/formats.md says what can be read", *refused[:5])
    by_role: dict[str, list[Path]] = {role: [] for role in (*NAMES, "none")}
    for path in found:
        by_role[_role(path, paths)].append(path)
    if not by_role["train"]:  # a table alone is what there is to train on
        others = "none" if by_role["none"] else "dev" if len(found) == 1 and by_role["dev"] else "sample"
        by_role["train"] = by_role[others] if by_role["none"] or len(found) == 1 else []
        by_role[others] = []
    if not by_role["train"]:
        raise UserError(f"{paths[0]}: holds {', '.join(path.name for path in found)}, and no file to train on")
    train = _one(by_role["train"], "data.train", "which file is to be trained on", choices)
    assert train is not None
    test = _one(by_role["test"], "data.test", "which file is to be predicted", choices)
    dev = _one(by_role["dev"], "folds.dev", "which file is the labelled validation set", choices)
    sample = _one(by_role["sample"], "data.sample_submission", "which file is the sample submission", choices)
    classes = by_role["classes"][0] if by_role["classes"] else None
    taken = {train, test, dev, sample, classes}
    return Files(train, test, dev, sample, classes, tuple(path for path in found if path not in taken))


def class_lists(folder: Path) -> list[Path]:
    """The files of a folder that list classes, by their names."""
    try:
        return [path for path in sorted(folder.iterdir()) if path.is_file() and _role(path, [folder]) == "classes"]
    except OSError:
        return []


def _one(found: list[Path], key: str, question: str, choices: Choices) -> Path | None:
    """The file for a key: the given one, the only one, the plainest of names, or the one that a person names."""
    if key in choices.given:
        return Path(choices.given[key]) if choices.given[key] else None
    if not found:
        return None
    ranked = sorted(found, key=lambda path: (len(_words(path.stem)), len(path.parts), len(path.name), path.name))
    plain = [path for path in ranked if len(_words(path.stem)) == len(_words(ranked[0].stem))
             and len(path.parts) == len(ranked[0].parts)]
    same_name = {path.name.partition(".")[0] for path in plain}
    if len(plain) == 1 or len(same_name) == 1:
        return plain[0]
    return Path(choices.answer(Question(key, f"{question}? There are {', '.join(map(str, plain[:9]))}",
                                        tuple((str(path), "this one") for path in plain[:9]))))


def _found(paths: Sequence[Path]) -> list[Path]:
    """Every file that may be read, of the folders too."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in inside:
            parts = file.relative_to(path).parts if path.is_dir() else (file.name,)
            if len(parts) > DEEPEST or any(part.startswith((".", "__MACOSX")) for part in parts):
                continue
            if not stat.S_ISREG(file.stat().st_mode) or PASSED_OVER.search(file.name):
                continue
            if file.stat().st_size == 0:
                if not set(file.suffixes) & NO_TABLE:
                    say(f"{file}: is empty, and left out")
                continue
            if not set(file.suffixes) & NO_TABLE and not inputs.problems(file):
                found.append(file)
    return found


def _role(path: Path, roots: Sequence[Path]) -> str:
    """What a file's name says, or the name of the folder that it lies in."""
    words = _words(path.name.partition(".")[0]) + [word for part in path.suffixes for word in _words(part)
                                                   if word in ("train", "dev", "test", "valid", "val")]
    labels_of_test = {"test", "label"} <= {word.rstrip("s") for word in words}
    if labels_of_test:
        return "none"
    folders = [folder.name for folder in path.parents if any(root in folder.parents for root in roots)]
    for said in (words, *map(_words, folders)):
        joined = "_".join(said)
        for role, pattern in NAMES.items():
            if role == "sample" and re.search("train|test", joined) and not re.search("submi|提交", joined):
                continue
            if role == "classes" and not re.fullmatch(pattern, joined):
                continue
            if role == "sample" and re.search(pattern, joined):
                return role
            if any(re.fullmatch(pattern, word) for word in said) or re.fullmatch(pattern, joined):
                return role
    return "none"


def _words(name: str) -> list[str]:
    """A name's words in small letters: "trainSet_v2" has train, set, v."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)
    return [word.lower() for word in re.split(r"[^A-Za-z\u4e00-\u9fff]+", spaced) if word]


def _stem(path: Path) -> str:
    return path.name.partition(".")[0] or path.name


def _folders_of_texts(root: Path) -> list[Path]:
    """The folders that hold a folder for each of two classes or more, and texts in them."""
    def holds_texts(folder: Path) -> bool:
        return any(entry.suffix == ".txt" for entry in folder.iterdir() if entry.is_file()) and not any(
            re.fullmatch("train|test|dev|valid", entry.stem) for entry in folder.iterdir())

    def classes(folder: Path) -> int:
        return sum(entry.is_dir() and not entry.name.startswith(".") and holds_texts(entry)
                   for entry in folder.iterdir())

    folders = [root, *(entry for entry in sorted(root.iterdir()) if entry.is_dir()),
               *(entry for entry in sorted(root.glob("*/*")) if entry.is_dir())]
    return [folder for folder in folders if classes(folder) >= 2 and not {"train", "test"} <= {
        entry.name.lower() for entry in folder.iterdir()}]


def _of_folders(roots: list[Path], paths: Sequence[Path], choices: Choices) -> Files:
    by_role: dict[str, list[Path]] = {role: [] for role in (*NAMES, "none")}
    for root in roots:
        by_role[_role(root, paths)].append(root)
    train = _one(by_role["train"] or by_role["none"], "data.train", "which folder is to be trained on", choices)
    if train is None:
        raise UserError(f"{paths[0]}: holds {', '.join(map(str, roots))}, and no folder to train on")
    tests = by_role["test"]
    if not tests and train not in paths:  # texts to predict lie in one folder
        tests = [folder for folder in train.parent.glob("*") if folder.is_dir() and _role(folder, paths) == "test"]
    return Files(train, _one(tests, "data.test", "which folder is to be predicted", choices),
                 _one(by_role["dev"], "folds.dev", "which folder is the validation set", choices))


def _unpack(archive: Path, target: Path) -> None:
    """Unpacks an archive, and the archives that lie in it, into a new folder."""
    with atomic.publishing(target) as folder:
        _extract(archive, folder, archive)
        for inner in sorted(folder.rglob("*.zip")):
            _extract(inner, inner.parent, archive)
            inner.unlink()


def _name(member: zipfile.ZipInfo) -> str:
    """A member's name; where the archive does not say that it is UTF-8, in that or in GB18030, as Windows writes it."""
    if not member.flag_bits & 0x800:
        with contextlib.suppress(UnicodeError):
            return member.filename.encode("cp437").decode("utf-8")
        with contextlib.suppress(UnicodeError):
            return member.filename.encode("cp437").decode("gb18030")
    return member.filename


def _unpack_inside(folder: Path) -> None:
    """Unpacks the archives that lie in a folder beside themselves, as train.csv.zip; what is there stays as it is."""
    for archive in sorted(folder.glob("*.zip")):
        if zipfile.is_zipfile(archive) and not (folder / archive.stem).exists():
            with atomic.building(folder / f"{archive.stem}.unpacked") as made:
                _extract(archive, made, archive)
                for path in sorted(made.iterdir()):
                    if not (folder / path.name).exists():
                        path.rename(folder / path.name)
            say(f"{archive}: unpacked beside itself")


def _extract(archive: Path, folder: Path, shown: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if not member.is_dir()]
            if sum(member.file_size for member in members) > LARGEST:
                raise UserError(f"{shown}: would unpack to more than {LARGEST // 10**9} GB; is it the right file?")
            for member in members:
                path = PurePosixPath(_name(member))
                if path.is_absolute() or ".." in path.parts:
                    raise UserError(f"{shown}: holds {member.filename!r}, a path that leads out of it; it is refused")
                if path.parts[0] == "__MACOSX":
                    continue
                target = folder.joinpath(*path.parts)
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(member) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file)
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
        raise UserError(f"{shown}: cannot be unpacked: {error}") from None
    except OSError as error:
        raise DiskError(f"{folder}: cannot be written: {error.strerror or error}") from None
