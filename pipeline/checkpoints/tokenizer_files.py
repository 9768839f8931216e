"""The tokenizer of a checkpoint, from whichever of the usual files its folder has."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, pre_tokenizers, processors

from pipeline.errors import UserError
from pipeline.files import inputs
from pipeline.files.snapshot import Inputs
from pipeline.text import bert_vocabulary, sentencepiece_model
from pipeline.text.own_tokenizer import MASK, PAD, UNKNOWN, OwnTokenizer
from pipeline.text.vocabulary import LARGEST_TOKENIZER, Vocabulary

VOCAB_TXT, TOKENIZER_JSON, ADDED = "vocab.txt", "tokenizer.json", "added_tokens.json"
SETTINGS = "tokenizer_config.json"
SENTENCEPIECE = ("sentencepiece.bpe.model", "spiece.model", "spm.model")
KERAS_HUB = ("vocabulary.txt", "vocabulary.spm")
BERTS_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
OF_FAMILY = {"roberta": "xlm-roberta", "albert": "albert", "deberta": "deberta-v2"}
OF_CLASS = {"XLMRoberta": "xlm-roberta", "Camembert": "camembert", "Albert": "albert", "DebertaV2": "deberta-v2"}
LARGEST_ID = 5_000_000  # far beyond any encoder's; the library makes room for every id below it
_read: dict[Path, tuple[Any, Vocabulary]] = {}  # in this process: a run asks several times, each of which takes seconds
TRIED = ("a", "香菜 é ﬁ İ", "١ ½ 👩‍👧 ｆｕｌｌ e\u0301", "")  # texts that a tokenizer must survive


def files(folder: Path) -> list[Path]:
    """The files that say what its tokens are; the vocab.txt that is missing where there are none."""
    own, vocab, inside = folder / TOKENIZER_JSON, folder / VOCAB_TXT, folder / "assets"
    if presets := [inside / "tokenizer" / name for name in KERAS_HUB if (inside / "tokenizer" / name).exists()]:
        return presets[:1]  # the tokenizer.json beside it is keras-hub's own kind
    if vocab.exists() and not (own.exists() and not _is_berts(own)):
        return [vocab]
    if own.exists():
        return [own]
    if (folder / "vocab.json").exists() and (folder / "merges.txt").exists():
        return [folder / "vocab.json", folder / "merges.txt"]
    found = [path for path in (*(folder / name for name in SENTENCEPIECE), inside / VOCAB_TXT) if path.exists()]
    return (found or sorted(inside.glob("*.model")) or [vocab])[:1]


def read(folder: Path, family: str, model_type: str, problems: list[str]) -> Vocabulary:
    """The tokens and the tokenizer; what is wrong with them goes to ``problems``.

    family: as EncoderConfig.family; model_type: as the configuration says. A tokenizer that is WordPiece after BERT's
    normaliser is BERT's; of any other, ``own`` is set.
    """
    path, *others = files(folder)
    state = Inputs.of([path, *others, folder / ADDED, folder / SETTINGS]).states, family, model_type
    if folder in _read and _read[folder][0] == state:
        return _read[folder][1]
    before = len(problems)
    vocab = _vocabulary(folder, path, others, family, model_type, problems)
    if len(problems) == before:
        _read[folder] = state, vocab
    return vocab


def _vocabulary(folder: Path, path: Path, others: list[Path], family: str, model_type: str, problems: list[str]
                ) -> Vocabulary:
    try:
        settings = _settings(folder)
        if path.name in (VOCAB_TXT, "vocabulary.txt") or (path.name == TOKENIZER_JSON and _is_berts(path)):
            problems += _unlike_berts(folder, settings)
            return Vocabulary(bert_vocabulary.read(path, problems))
        vocab = Vocabulary.of(OwnTokenizer.of(_library(path, others, folder, settings, family, model_type)))
        wrong = [f"{path}: has none of the tokens {', '.join(names)}" for names in (PAD, UNKNOWN, MASK)
                 if not any(name in vocab.id_of for name in names)]
        if not wrong and not _is_framed(vocab):
            wrong.append(f"{path}: its post_processor must put the same tokens around one text and two, the first in "
                         f"segment 0, as BERT's and RoBERTa's do")
        problems += wrong
        return vocab
    except UserError as error:
        problems += error.problems
    except BaseException as error:
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":  # the library's in Rust
            raise
        problems.append(f"{path}: not a readable tokenizer: {(str(error).splitlines() or ['?'])[0][:300]}")
    return Vocabulary([])


def _is_framed(vocab: Vocabulary) -> bool:
    assert vocab.own
    vocab.own.library.encode_batch(list(TRIED))
    try:
        frame = vocab.frame
    except (AssertionError, ValueError, IndexError):
        return False
    around = (*frame.before, *frame.between, *frame.after)
    return bool(frame.before and frame.after) and max(around) < len(vocab)


def _library(path: Path, others: list[Path], folder: Path, settings: Mapping[str, Any], family: str, model_type: str
             ) -> Tokenizer:
    raw = inputs.read(path, most=LARGEST_TOKENIZER)
    if path.name == TOKENIZER_JSON:
        tree = inputs.read_json(path, LARGEST_TOKENIZER)
        model, added = tree.get("model"), tree.get("added_tokens") or []
        pieces = model.get("vocab") if isinstance(model, dict) else None
        _check_ids(path, pieces)
        built = Tokenizer.from_buffer(raw)
        moved = [token["content"] for token in added if built.token_to_id(token["content"]) != token["id"]]
        if moved:
            raise UserError(f"{path}: added_tokens must have ids one after the other behind the model's; "
                            f"{moved[0][:100]!r} has not")
        return built
    if others:
        _check_ids(path, inputs.read_json(path, LARGEST_TOKENIZER))
        inputs.check(*others)
        return _with_added(_byte_level(path, others[0], settings), folder)
    kind = _kind(folder, settings, family, model_type)
    lowercase = settings.get("do_lower_case", kind == "albert") is True
    return _with_added(sentencepiece_model.tokenizer(
        raw, kind, lowercase, settings.get("keep_accents") is True, settings.get("split_by_punct") is True), folder)


def _byte_level(vocab: Path, merges: Path, settings: Mapping[str, Any]) -> Tokenizer:
    """RoBERTa's tokenizer from the files of its elder form."""
    built = Tokenizer(models.BPE.from_file(str(vocab), str(merges)))
    space = settings.get("add_prefix_space") is True
    built.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=space)
    names = [_name(settings, f"{name}_token", usual) for name, usual in (
        ("cls", "<s>"), ("sep", "</s>"), ("pad", "<pad>"), ("unk", "<unk>"), ("mask", "<mask>"))]
    if missing := [name for name in names if built.token_to_id(name) is None]:
        raise UserError(f"{vocab}: has no token {', '.join(missing)}, which {vocab.parent.name} needs around its texts")
    built.add_special_tokens(names)
    cls, sep = ((name, built.token_to_id(name) or 0) for name in names[:2])
    built.post_processor = processors.RobertaProcessing(sep, cls, add_prefix_space=space)
    return built


def _kind(folder: Path, settings: Mapping[str, Any], family: str, model_type: str) -> str:
    """Whose tokenizer a SentencePiece file is made into. Raises UserError for one that is not known."""
    said = settings.get("tokenizer_class")
    if isinstance(said, str) and said not in ("PreTrainedTokenizerFast", "TokenizersBackend"):
        kind = OF_CLASS.get(said.removesuffix("Fast").removesuffix("Tokenizer"))
        if kind is None:
            raise UserError(f"{folder / SETTINGS}: tokenizer_class = {said[:100]!r} over a SentencePiece file is not "
                            f"read; a tokenizer.json is: transformers' save_pretrained writes one")
        return kind
    return model_type if model_type == "camembert" else OF_FAMILY.get(family, "xlm-roberta")


def _with_added(built: Tokenizer, folder: Path) -> Tokenizer:
    """The same with the tokens of an added_tokens.json, whose ids must follow on the others'."""
    path = folder / ADDED
    number_of = inputs.read_json(path, LARGEST_TOKENIZER) if path.is_file() else {}
    _check_ids(path, number_of)
    new = sorted((token for token in number_of if built.token_to_id(token) is None), key=lambda one: number_of[one])
    built.add_tokens(new)
    if wrong := [token for token, number in number_of.items() if built.token_to_id(token) != number]:
        raise UserError(f"{path}: ids must follow on the tokenizer's one after the other; that of {wrong[0][:100]!r} "
                        f"does not")
    return built


def _check_ids(path: Path, number_of: Any) -> None:
    if isinstance(number_of, dict) and not all(
            type(number) is int and 0 <= number < LARGEST_ID for number in number_of.values()):
        raise UserError(f"{path}: ids must be whole numbers from 0 to {LARGEST_ID - 1:,}")


def _is_berts(path: Path) -> bool:
    """Whether a tokenizer.json says what BERT's tokenizer does: WordPiece of ## pieces behind its normaliser and its
    splitting, with its special tokens; also of one that cannot be read, which is told where it is read as that."""
    try:
        tree = inputs.read_json(path, LARGEST_TOKENIZER)
    except UserError:
        return True
    model, normalizer, splitting = (part if isinstance(part := tree.get(key), dict) else {}
                                    for key in ("model", "normalizer", "pre_tokenizer"))
    pieces, added = model.get("vocab"), tree.get("added_tokens")
    known = {str(token.get("content")) for token in added if isinstance(token, dict)} if isinstance(added, list) else ()
    return (model.get("type") == "WordPiece" and isinstance(pieces, dict) and {*BERTS_SPECIAL} <= {*pieces, *known}
            and model.get("continuing_subword_prefix", "##") == "##" and model.get("unk_token", "[UNK]") == "[UNK]"
            and model.get("max_input_chars_per_word", 100) == 100
            and normalizer.get("type") == "BertNormalizer" and normalizer.get("clean_text", True) is True
            and normalizer.get("handle_chinese_chars", True) is True and splitting.get("type") == "BertPreTokenizer")


def _unlike_berts(folder: Path, settings: Mapping[str, Any]) -> list[str]:
    """What a tokenizer_config.json says over a vocab.txt that BERT's tokenizer does not do here."""
    path, kind = folder / SETTINGS, settings.get("tokenizer_class", "BertTokenizer")
    problems = []
    if settings.get("tokenize_chinese_chars", True) is False:
        problems.append(f"{path}: tokenize_chinese_chars = false is read from a tokenizer.json alone, and there is "
                        f"none that says it")
    if isinstance(kind, str) and "Japanese" in kind:
        problems.append(f"{path}: tokenizer_class = {kind[:100]!r} splits words by a dictionary, which is not read")
    return problems


def _settings(folder: Path) -> Mapping[str, Any]:
    path = folder / SETTINGS
    return inputs.read_json(path, LARGEST_TOKENIZER) if path.is_file() else {}


def _name(settings: Mapping[str, Any], key: str, usual: str) -> str:
    """A special token's text, which stands there alone or in a table."""
    value = settings.get(key, usual)
    value = value.get("content") if isinstance(value, dict) else value
    return value if isinstance(value, str) else usual
