"""Where words begin: in Chinese by segmentation, elsewhere by letters, spaces and signs."""

import re

import numpy as np
import numpy.typing as npt
import rjieba

HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")
WORD = re.compile(r"\w+|\s+|[^\w\s]")


def word_starts(text: str) -> npt.NDArray[np.bool_]:
    """bool [characters]: whether a word begins there; spaces and signs count as words.

    A text with a Chinese character goes through jieba's segmentation (https://github.com/messense/jieba-rs).
    """
    starts = np.zeros(len(text), bool)
    words = rjieba.cut(text) if HAN.search(text) else WORD.findall(text)
    place = 0
    for word in words:
        starts[place] = True
        place += len(word)
    return starts
