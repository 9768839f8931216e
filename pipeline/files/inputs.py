"""Files that a user names, checked before they are read: a regular file each, and no Git LFS pointer or web page.

A pipe or a device is never opened: it may block, or never end.
"""

import codecs
import contextlib
import functools
import gzip
import itertools
import json
import re
import stat
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO, cast

from pipeline.errors import OutOfMemoryError, UserError

SHOWN = 5  # problems of one kind that are told one by one; the rest are counted
MISSING = "no such file; put it there, or link the folder that holds it"
KINDS = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
LFS_POINTER = b"version https://git-lfs.github.com/spec/"
WEB_PAGE = (b"<!doctype html", b"<html", b"<?xml")
GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
CONTAINERS = {ZIP: ("a zip archive", "unpack it and name the file inside: unzip {}"),
              b"PAR1": ("a Parquet file", "write it as CSV: pandas.read_parquet(...).to_csv(..., index=False)"),
              b"\xd0\xcf\x11\xe0": ("an Excel workbook", "save it as CSV"),
              b"BZh": ("packed with bzip2", "unpack it: bunzip2 {}"),
              b"\xfd7zXZ": ("packed with xz", "unpack it: unxz {}"),
              b"7z\xbc\xaf": ("a 7-Zip archive", "unpack it and name the file inside"),
              b"SQLite format 3": ("an SQLite database", "write its table as CSV")}
MARKS = {codecs.BOM_UTF32_LE: "UTF-32", codecs.BOM_UTF32_BE: "UTF-32", codecs.BOM_UTF16_LE: "UTF-16",
         codecs.BOM_UTF16_BE: "UTF-16"}
UTF_8_CHARACTER = rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}"
SAMPLE = 1_000_000  # bytes that an encoding is told from


def problems(path: Path, missing: str = MISSING) -> list[str]:
    """One line for a path that is no readable file, or a Git LFS pointer or a web page in its place; else no line."""
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
        if kind != stat.S_IFREG:
            return [f"{path}: must be a file, got {KINDS.get(kind, 'a device')}"]
        with path.open("rb") as file:
            first = file.read(4_000)
            begin = first[:200].removeprefix(codecs.BOM_UTF8).lstrip().lower()
    except FileNotFoundError:
        return [f"{path}: {missing}"]
    except OSError as error:
        return [f"{path}: cannot be read: {error.strerror}"]
    if begin.startswith(LFS_POINTER):
        return [f"{path}: is a Git LFS pointer, not the file that it stands for; fetch that: git lfs pull"]
    if begin.startswith(WEB_PAGE):
        return [f"{path}: looks like a web page (HTML), not the file itself; download that again"]
    for mark, (what, advice) in CONTAINERS.items():
        if first.startswith(mark) and path.suffix not in (".bin", ".parquet"):  # torch's weights are zip archives
            if (mark == ZIP and b"xl/" in first) or path.suffix == ".xlsx":
                what, advice = "an Excel workbook", "save it as CSV"
            return [f"{path}: is {what}; {advice.format(path)}"]
    return []


def is_folder(path: Path) -> bool:
    """Whether the path is a folder that can be listed; False, too, where the system does not say."""
    try:
        return path.is_dir()
    except OSError:
        return False


def check(*paths: Path, missing: str = MISSING) -> None:
    """Raises UserError with the problems of all these paths."""
    if wrong := [line for path in paths for line in problems(path, missing)]:
        raise UserError(*wrong)


def read(path: Path, missing: str = MISSING, most: int | None = None) -> bytes:
    """The bytes of a file without such problems that has at most that many. Raises UserError."""
    check(path, missing=missing)
    try:
        size = path.stat().st_size
        if most and size > most:
            raise UserError(f"{path}: must have at most {most:,} bytes, got {size:,}; is it the right file?")
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    except MemoryError:
        raise OutOfMemoryError(f"{path}: its {size:,} bytes do not fit in memory") from None


def read_text(path: Path, most: int | None = None, encoding: str | None = None) -> str:
    """The same as text, unpacked where it is gzipped, without a byte order mark.

    encoding: what it is written in where it is not UTF-8. Raises UserError, too, where it is in neither, or holds a
    NUL.
    """
    raw = read(path, most=most)
    if raw.startswith(GZIP):
        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise UserError(f"{path}: is gzipped and cannot be unpacked: {error}") from None
    raw = raw.removeprefix(codecs.BOM_UTF8)
    other = encoding if encoding and not is_utf_8([raw]) else None
    try:
        text = raw.decode(other).removeprefix("\ufeff") if other else raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        if other:
            raise UserError(f"{path}, line {line}: must be UTF-8 or {other}, as data.encoding says, got byte "
                            f"0x{raw[error.start]:02x}; it looks like {guessed_encoding(raw)}") from None
        where = f"{path}, line {line}: must be UTF-8, got byte 0x{raw[error.start]:02x}"
        if (name := guessed_encoding(raw)) == "UTF-8":
            raise UserError(f"{where}; the rest is UTF-8, so the file is damaged there: mend that line") from None
        way = f"iconv -f {name} -t UTF-8 {path}" if path.suffix != ".gz" else f"zcat {path} | iconv -f {name} -t UTF-8"
        raise UserError(f"{where}; it looks like {name}: {way} > NEW, or data.encoding = {name!r}") from None
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UserError(f"{path}, line {line}: holds a NUL character; the file is damaged or not text (UTF-16?)")
    return text


def is_utf_8(parts: Iterable[bytes]) -> bool:
    """Whether bytes that come in parts are UTF-8 text."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        return all("\0" not in decoder.decode(part) for part in parts) and not decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False


def guessed_encoding(raw: bytes) -> str:
    """What text that is not valid UTF-8 is written in, as far as its bytes tell, by iconv's name: UTF-16 by its mark;
    UTF-8 where few bytes are none of it; the first encoding in which enough of its characters beyond ASCII are common
    ones of its language; Windows-1252 where bytes above 127 stand alone among letters; else GB18030."""
    for mark, name in MARKS.items():
        if raw.startswith(mark):
            return name
    sample = raw[:SAMPLE]
    if len(re.findall(UTF_8_CHARACTER, sample)) > 2 * sample.decode("utf-8", "replace").count("\ufffd"):
        return "UTF-8"
    for name, (common, share) in EAST_ASIAN.items():
        text = sample.decode(name, "replace")
        beyond = [character for character in text if character > "\x7f"]
        if beyond and text.count("\ufffd") <= len(beyond) / 20 and sum(map(common, beyond)) >= share * len(beyond):
            return name
    runs = re.findall(rb"[\x80-\xff]+", sample)
    if 2 * sum(len(run) == 1 for run in runs) > len(runs):
        return "WINDOWS-1252"
    lower = sum(byte >= 0xE0 for run in runs for byte in run)  # the small letters of Windows-1251
    return "WINDOWS-1251" if 2 * lower > sum(map(len, runs)) else "GB18030"


def _lead(character: str, encoding: str, low: int, high: int) -> bool:
    """Whether the character's first byte in an encoding is in the range of its common characters."""
    with contextlib.suppress(UnicodeEncodeError):
        return low <= character.encode(encoding)[0] <= high
    return False


EAST_ASIAN: dict[str, tuple[Callable[[str], bool], float]] = {  # which characters are common, and their least share
    "SHIFT_JIS": (lambda character: "\u3040" <= character <= "\u30ff", 0.3),
    "EUC-JP": (lambda character: "\u3040" <= character <= "\u30ff", 0.3),
    "EUC-KR": (lambda character: "\uac00" <= character <= "\ud7a3", 0.95),
    "GB18030": (lambda character: _lead(character, "gb2312", 0xB0, 0xD7) or character in "，。！？、；：“”（）", 0.75),
    "BIG5": (lambda character: _lead(character, "big5", 0xA4, 0xC6) or character in "，。！？、；：「」（）", 0.75),
}


def read_json(path: Path, most: int | None = None) -> dict[str, Any]:
    """The object in a JSON file of at most that many bytes. Raises UserError where it is none."""
    try:
        value = json.loads(read(path, most=most).decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not readable JSON: {error}") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: must be a JSON object")
    return value


@contextlib.contextmanager
def lines(path: Path, encoding: str | None = None) -> Iterator[Iterator[str]]:
    """The lines of such a file with their ends, one at a time, unpacked where it is gzipped. Raises UserError as
    ``read_text`` does."""
    check(path)
    try:
        with path.open("rb") as raw:
            packed = raw.read(len(GZIP)) == GZIP
        unpacked = gzip.open if packed else open
        other = None
        if encoding:
            with unpacked(path, "rb") as raw:
                other = None if is_utf_8(iter(functools.partial(raw.read, SAMPLE), b"")) else encoding
        with unpacked(path, "rt", encoding=other or "utf-8-sig", newline="") as file:
            yield _without_nul(path, cast(TextIO, file), encoding, marked=other is not None)
    except UnicodeDecodeError:
        read_text(path, encoding=encoding)  # says where
        raise
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    except MemoryError:
        raise OutOfMemoryError(f"{path}: its {path.stat().st_size:,} bytes do not fit in memory") from None


def texts(path: Path, at_once: int) -> Iterator[list[str]]:
    """The lines of such a file without their ends, that many at a time. Raises UserError."""
    with lines(path) as whole:
        stripped = (line.rstrip("\r\n") for line in whole)
        while part := list(itertools.islice(stripped, at_once)):
            yield part


def _without_nul(path: Path, file: TextIO, encoding: str | None, marked: bool) -> Iterator[str]:
    """The lines; marked: whether a byte order mark may stand before the first."""
    for number, line in enumerate(file):
        if "\0" in line:
            read_text(path, encoding=encoding)  # says where
        yield line.removeprefix("\ufeff") if marked and not number else line


def shortened(path: object, problems: list[str], kind: str = "rows") -> list[str]:
    """The first few problems of one kind, each behind the file it is about, and how many more there are."""
    told = [f"{path}{problem}" for problem in problems[:SHOWN]]
    return told + [f"{path}: {len(problems) - SHOWN} more {kind} like that"] * (len(problems) > SHOWN)
