"""Which tag may follow which in BIO, IOB1, BIOES, BMES and BILOU, and the likeliest series of tags that is legal."""

import itertools
import re
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

OUTSIDE = "O"
TAG = re.compile(r"O|[BIMELSU](-\S+)?")  # of any of these schemes, with or without a type
AS_BIOES = {"M": "I", "L": "E", "U": "S"}  # the prefixes of BMES and BILOU by those of BIOES
NEVER = -1e9  # log-probability of an illegal transition: worse than any legal series
CELLS = 2**22  # of the largest array at a time
Allowed = npt.NDArray[np.bool_]


def split(tag: str) -> tuple[str, str]:
    """Prefix, as in BIOES, and type of a tag; "O" has no type."""
    prefix, _, kind = tag.partition("-")
    return AS_BIOES.get(prefix, prefix), kind


def begins_inside(labels: Iterable[Sequence[str]]) -> bool:
    """Whether the tags are IOB1, in which an entity begins with I, and with B only right behind one of its type."""
    inside = behind = 0
    for tags in labels:
        for before, tag in itertools.pairwise((OUTSIDE, *tags)):
            (last, last_kind), (prefix, kind) = split(before), split(tag)
            if prefix in ("E", "S"):
                return False
            follows = last in ("B", "I") and last_kind == kind
            if prefix == "B" and not follows:
                return False
            inside += prefix == "I" and not follows
            behind += prefix == "B"
    return inside > 0


def legal(tags: Sequence[str], iob1: bool = False) -> tuple[Allowed, Allowed, Allowed]:
    """bool [tags]: which tags a text may begin with; bool [tags, tags]: which may follow which; bool [tags]: which it
    may end with. The scheme is the one that the tags' prefixes show."""
    parts = [split(tag) for tag in tags]
    prefixes = {prefix for prefix, _ in parts}
    closing = "E" in prefixes  # BIOES: an entity of several words ends with E
    alone = "S" in prefixes

    def opens(number: int) -> bool:
        prefix, kind = parts[number]
        # a type that is never begun in the labels, by a slip of theirs, may begin with I all the same
        return prefix in (OUTSIDE, "S", "I" if iob1 else "B") or (prefix == "I" and ("B", kind) not in parts)

    def may_end(number: int) -> bool:
        prefix, kind = parts[number]
        if not closing or prefix in (OUTSIDE, "S", "E"):
            return True
        # B is an entity by itself where single words have no S; nor may a tag that nothing can follow be a dead end
        return (prefix == "B" and not alone) or ("E", kind) not in parts

    def follows(before: int, after: int) -> bool:
        (last, last_kind), (prefix, kind) = parts[before], parts[after]
        if prefix in ("I", "E") and last in ("B", "I") and last_kind == kind:
            return True
        if iob1 and prefix == "B":
            return last in ("B", "I") and last_kind == kind
        return opens(after) and may_end(before)

    numbers = range(len(tags))
    return (np.array([opens(number) for number in numbers]),
            np.array([[follows(before, after) for after in numbers] for before in numbers]),
            np.array([may_end(number) for number in numbers]))


def illegal_transitions(numbers: npt.NDArray[np.integer], first: npt.NDArray[np.bool_],
                        rules: tuple[Allowed, Allowed, Allowed]) -> int:
    """How many tags may not stand where they do. numbers: [words], texts end to end; first: whether a text begins
    there."""
    starts, follows, ends = rules
    inside = ~first[1:]
    return int((~starts[numbers[first]]).sum() + (~follows[numbers[:-1], numbers[1:]] & inside).sum()
               + (~ends[numbers[np.append(first[1:], True)]]).sum())


def decode(log_probability: npt.NDArray[np.floating], first: npt.NDArray[np.bool_],
           rules: tuple[Allowed, Allowed, Allowed]) -> npt.NDArray[np.int64]:
    """int64 [words]: the tags of the likeliest legal series of each text (Viterbi 1967, doi:10.1109/TIT.1967.1054010).

    log_probability: [words, tags], texts end to end; first: bool [words], whether a text begins there. Nothing is
    trained: words are independent but for the rules. Of equally likely series the one of lower tag numbers is taken.
    """
    begins = np.flatnonzero(first)
    lengths = np.diff(np.append(begins, len(first)))
    order = np.argsort(-lengths, kind="stable")
    tags = log_probability.shape[1]
    decided = np.zeros(len(first), np.int64)
    at_once = max(1, CELLS // tags**2)
    for at in range(0, len(order), at_once):
        some = order[at:at + at_once]
        _decode(log_probability, begins[some], lengths[some], rules, decided)
    return decided


def _decode(log_probability: npt.NDArray[np.floating], begins: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64],
            rules: tuple[Allowed, Allowed, Allowed], decided: npt.NDArray[np.int64]) -> None:
    """Fills in the tags of some texts, the longest first, so that those still running are the first of them."""
    starts, follows, ends = (np.where(rule, 0.0, NEVER) for rule in rules)
    best = log_probability[begins] + starts
    back = []
    for place in range(1, int(lengths[0])):
        running = int((lengths > place).sum())
        reached = best[:running, :, None] + follows
        came_from = reached.argmax(axis=1)
        back.append(came_from.astype(np.int16))
        best[:running] = np.take_along_axis(reached, came_from[:, None], axis=1)[:, 0] + log_probability[
            begins[:running] + place]
    tag = (best + ends).argmax(axis=1)
    decided[begins + lengths - 1] = tag
    for place in range(int(lengths[0]) - 1, 0, -1):
        running = int((lengths > place).sum())
        tag[:running] = back[place - 1][np.arange(running), tag[:running]]
        decided[begins[:running] + place - 1] = tag[:running]
