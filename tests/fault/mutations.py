"""Files as disks, editors and spite leave them: a valid file changed a little, in the same way for the same seed."""

import copy
import functools
import json
import math
import random
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

import tomli_w

WORD = re.compile(rb"[\w.+-]+")
PIECES = [
    b"\0", b"\xff", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\r\n", b"\r", b"\n\n", b'"',
    b'""', b"'", b"\\", b",", b"\t", b";", b"#", b"=", b"]", b"}", b"\x1b[2J", "\u202e".encode(), "\u2028".encode(),
    "\ufeff".encode(), "\U000e0001".encode(), "İ".encode(), b"-1", b"0", b"1e999", b"-1e999", b"NaN", b"-Infinity",
    b"null", b"true", b"2147483648", b"-9223372036854775809", b"9" * 400, b"9" * 5_000, b"0x" + b"f" * 5_000, b"0b1",
    b"1979-05-27T07:32:00Z", b"\\ud800", b"\\u0000", b"[[", b"[]", b"{}", b"[" * 50_000, b'{"a":' * 50_000,
    b"a" * 100_000, "é".encode() * 30_000, b"e\xcc\x81" * 2_000, b"\r" * 5_000, b"\n" * 5_000, b"," * 5_000,
    b",".join(b"%d" % number for number in range(20_000)), b"\n".join(b"k%d = 1" % number for number in range(2_000)),
]
VALUES: list[Any] = [
    True, False, -1, 0, 1, 31, 2**31, 2**63, 10**9, 10**400, 0.5, -0.0, 1e308, math.nan, math.inf, "", "a", "I32",
    "BF16", "F8_E4M3", "\0", "\ud800", "\u202e\x1b[2J", "../x", "x" * 5_000, [], {}, [1], ["a", "b"], {"a": 1},
    [0] * 1_000, functools.reduce(lambda inner, _: [inner], range(90), list[Any]()),
]


def mutated(name: str, files: Mapping[str, bytes], rng: random.Random) -> bytes:
    """The named one of some valid files, changed in one to four places; the others lend it parts."""
    raw = files[name]
    if name.endswith((".json", ".toml", ".safetensors")) and rng.random() < 0.5:
        raw = _value_changed(name, raw, rng)
        if rng.random() < 0.8:
            return raw
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        raw = _bytes_changed(raw, files[rng.choice(sorted(files))], rng)
    return raw


def _bytes_changed(raw: bytes, other: bytes, rng: random.Random) -> bytes:
    at, end = sorted(rng.randrange(len(raw) + 1) for _ in range(2))
    if rng.random() < 0.5:
        end = min(end, at + 8)
    before, chunk, after = raw[:at], raw[at:end], raw[end:]
    match rng.randrange(10):
        case 0:
            return before + bytes(byte ^ 1 << rng.randrange(8) for byte in chunk[:1]) + raw[at + 1:]
        case 1:
            return before
        case 2:
            return before + after
        case 3:
            return before + chunk * rng.choice((2, 3, 100 if len(chunk) < 100 else 2)) + after
        case 4:
            return after + chunk + before
        case 5:
            return before + rng.randbytes(rng.randrange(1, 9)) + after
        case 6:
            return before + rng.choice(PIECES) + raw[at:]
        case 7:
            return before + other[rng.randrange(len(other) + 1):]
        case 8:
            return before + chunk.replace(b"\n", rng.choice((b"\r\n", b"\r", b"", b"\n\r"))) + after
    word = WORD.search(raw, at)
    return raw[:word.start()] + rng.choice(PIECES) + raw[word.end():] if word else before


def _value_changed(name: str, raw: bytes, rng: random.Random) -> bytes:
    """A value of the tree that the file holds is replaced, repeated elsewhere, wrapped, renamed or taken out."""
    if name.endswith(".toml"):
        return tomli_w.dumps(_tree_changed(tomllib.loads(raw.decode()), rng)).encode("utf-8", "surrogatepass")
    if name.endswith(".json"):
        return json.dumps(_tree_changed(json.loads(raw), rng)).encode()
    size = int.from_bytes(raw[:8], "little")
    header = json.dumps(_tree_changed(json.loads(raw[8:8 + size]), rng)).encode()
    return len(header).to_bytes(8, "little") + header + raw[8 + size:]


def _tree_changed(tree: Any, rng: random.Random) -> Any:
    places = list(_places(tree))
    holder, key = rng.choice(places)
    other, its_key = rng.choice(places)
    match rng.randrange(6):
        case 0:
            del holder[key]
        case 1:
            holder[key] = copy.deepcopy(other[its_key])
        case 2:
            holder[key] = [holder[key]]
        case 3 if isinstance(holder, dict):
            holder[rng.choice([value for value in VALUES if isinstance(value, str)])] = holder.pop(key)
        case _:
            holder[key] = copy.deepcopy(rng.choice(VALUES))
    return tree


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every value inside, as what holds it and its key there."""
    for key in list(tree) if isinstance(tree, dict) else range(len(tree)):
        yield tree, key
        if isinstance(tree[key], dict | list):
            yield from _places(tree[key])
