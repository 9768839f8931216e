"""The scripts that texts are written in: whether words have spaces between them, and which encoders know them."""

import re
from collections.abc import Iterable

UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u312f\u3400-\u9fff\uf900-\ufaff"
                      "\U00020000-\U0003ffff]")  # Thai, Lao, Burmese, Khmer; Chinese and Japanese
HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")
KANA = re.compile("[\u3041-\u30ff]")
CHINESE, ENGLISH, OTHERS = "hf:google-bert/bert-base-chinese", "hf:FacebookAI/roberta-base", (
    "hf:FacebookAI/xlm-roberta-base")  # with weights in safetensors, which need no torch to be read


def has_spaced_words(texts: Iterable[str]) -> bool:
    """Whether most characters are of a script that puts spaces between words, as English, Russian, Arabic and Korean do
    and Chinese, Japanese and Thai do not, and the texts have spaces."""
    some = "".join(f"{text}\n" for text in texts)
    unspaced = len(UNSPACED.findall(some))
    visible = sum(not character.isspace() for character in some)
    return 2 * unspaced < visible and 40 * some.count(" ") > visible


def encoder_for(texts: Iterable[str]) -> str:
    """The name on the hub of a pretrained encoder for texts in Chinese, in English, or in another language."""
    letters = [character for text in texts for character in text if character.isalpha()]
    some = "".join(letters)
    if 3 * len(HAN.findall(some)) > len(letters) and 20 * len(KANA.findall(some)) < len(letters):
        return CHINESE
    return ENGLISH if 100 * sum(map(str.isascii, letters)) > 98 * len(letters) else OTHERS
