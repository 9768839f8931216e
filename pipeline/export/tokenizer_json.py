"""A run's tokenizer as a tokenizer.json of the tokenizers library, for whoever feeds token ids to an exported model."""

from collections import defaultdict
from collections.abc import Mapping

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from pipeline.config.model import Tokens
from pipeline.text.tokenization import character_ids, wordpiece
from pipeline.text.unicode import CODE_POINTS, SURROGATES
from pipeline.text.vocabulary import Vocabulary

FREE = range(0xFDD0, 0xFDF0)  # code points that are never given a character, so that no vocabulary has them


def build(vocab: Vocabulary, config: Tokens, pairs: bool, by_word: bool = False) -> Tokenizer:
    """Texts to ids as ``pipeline.text.tokenization`` makes them, padded to the longest of a batch.

    A single text is cut to max_tokens. A pair is not cut: of two long texts the library keeps one token more of the
    second where the run keeps one more of the first.
    """
    if vocab.own:
        built = Tokenizer.from_str(vocab.own.json)
        if by_word and vocab.own.is_byte_level:  # each word with the space before it
            built.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    else:
        id_of = vocab.id_of
        built = wordpiece(id_of, config) if config.tokenizer == "wordpiece" else _characters(id_of, config)
        framed = "[CLS] $A [SEP]"
        built.post_processor = processors.TemplateProcessing(
            single=framed, pair=f"{framed} $B:1 [SEP]:1",
            special_tokens=[(special, id_of[special]) for special in ("[CLS]", "[SEP]")])
    built.enable_padding(pad_id=vocab.pad, pad_token=vocab.tokens[vocab.pad])
    if not pairs:
        built.enable_truncation(config.max_tokens)
    return built


def _characters(id_of: Mapping[str, int], config: Tokens) -> Tokenizer:
    """Each character is a word, and looked up. Those whose token is not the one that the library would find, spaces
    above all, are first replaced by a code point that stands for their token."""
    lower = normalizers.Lowercase().normalize_str if config.lowers else str
    unknown = id_of["[UNK]"]
    others: dict[int, list[str]] = defaultdict(list, {unknown: []})
    everything = (chr(point) for point in range(CODE_POINTS) if point not in SURROGATES)
    for character, number in character_ids(everything, id_of, config).items():
        lowered = lower(character)
        if len(lowered) > 1 or id_of.get(lowered, unknown) != number:
            others[number].append(character)
    stands_for = dict(zip(others, map(chr, FREE), strict=False))
    others[unknown] += [free for number, free in stands_for.items() if number != unknown]  # as such they mean nothing
    pieces = {token if number == unknown else stands_for.get(number, token): number for token, number in id_of.items()}
    built = Tokenizer(models.WordPiece(pieces, unk_token="[UNK]"))
    replaced = [normalizers.Replace(Regex(f"[{''.join(characters)}]"), stands_for[number])
                for number, characters in others.items() if characters]  # the unknown first
    built.normalizer = normalizers.Sequence(replaced + [normalizers.Lowercase()] * config.lowers)
    built.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    return built
