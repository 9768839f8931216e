"""A SentencePiece model's file (Kudo and Richardson 2018, https://arxiv.org/abs/1808.06226) as a tokenizer of the
tokenizers library, with the ids and the special tokens of the family that it belongs to.

The file is a protocol buffer; the few fields that are read are declared here by their numbers, which
sentencepiece_model.proto fixes: https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto
"""

import functools
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from pipeline.text.own_tokenizer import SPACE

FIELD = descriptor_pb2.FieldDescriptorProto
UNIGRAM, UNKNOWN = 1, 2  # of its kinds of model, and of its kinds of piece
XLM_ROBERTA = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]  # before the pieces, in fairseq's order
CAMEMBERT = [("<s>NOTUSED", 0.0), ("<pad>", 0.0), ("</s>NOTUSED", 0.0), ("<unk>", 0.0), ("<unk>NOTUSED", -100.0)]


def tokenizer(raw: bytes, family: str, lowercase: bool, keep_accents: bool = False, split_by_punct: bool = False
              ) -> Tokenizer:
    """The tokenizer of a family: xlm-roberta, camembert, albert or deberta-v2, as transformers makes it of that file.

    lowercase: for albert and deberta-v2; keep_accents: for albert; split_by_punct: for deberta-v2. Raises ValueError
    where the file is no Unigram model, or its first pieces are not the family's.
    """
    model = _parsed(raw)
    pieces = [(piece.piece, piece.score) for piece in model.pieces]
    unknown = next((number for number, piece in enumerate(model.pieces) if piece.type == UNKNOWN), 0)
    cleaning: list[Any] = []
    if family == "albert":
        cleaning = [normalizers.Replace("``", '"'), normalizers.Replace("''", '"')]
        cleaning += [] if keep_accents else [normalizers.NFKD(), normalizers.StripAccents()]
    if family in ("albert", "deberta-v2") and lowercase:
        cleaning.append(normalizers.Lowercase())
    if family == "deberta-v2":
        cleaning.append(normalizers.Strip())
    if model.normalizer_spec.precompiled_charsmap:
        cleaning.append(normalizers.Precompiled(model.normalizer_spec.precompiled_charsmap))
    cleaning.append(normalizers.Replace(Regex(" {2,}"), " "))
    first = [piece for piece, _ in pieces[:3]]
    if family == "xlm-roberta":
        if first != ["<unk>", "<s>", "</s>"]:
            raise ValueError(f"its first pieces must be <unk>, <s> and </s>, as XLM-R's are, got {first}")
        pieces, unknown = [*XLM_ROBERTA, *pieces[3:], ("<mask>", 0.0)], 3
    elif family == "camembert":
        pieces, unknown = [*CAMEMBERT, *pieces[1:], ("<mask>", 0.0)], 3
    built = Tokenizer(models.Unigram(pieces, unknown, byte_fallback=False))
    built.normalizer = normalizers.Sequence(cleaning)
    spaced = pre_tokenizers.Metaspace(SPACE, prepend_scheme="always")
    split = [pre_tokenizers.Punctuation("isolated")] * split_by_punct if family == "deberta-v2" else [
        pre_tokenizers.WhitespaceSplit()]
    built.pre_tokenizer = pre_tokenizers.Sequence([*split, spaced])
    fairseq = family in ("xlm-roberta", "camembert")
    names = ("<s>", "</s>", "<pad>", "<unk>", "<mask>") if fairseq else (
        "[CLS]", "[SEP]", "<pad>" if family == "albert" else "[PAD]", "<unk>" if family == "albert" else "[UNK]",
        "[MASK]")
    built.add_special_tokens(list(names))
    before, after = names[:2]
    segments = (0, 0) if fairseq else (0, 1)
    built.post_processor = processors.TemplateProcessing(
        single=f"{before} $A {after}",
        pair=f"{before} $A {after} " + (f"{after} " if fairseq else "") + f"$B:{segments[1]} {after}:{segments[1]}",
        special_tokens=[(name, built.token_to_id(name)) for name in (before, after)])
    return built


def _parsed(raw: bytes) -> Any:
    model = _message()()
    try:
        model.ParseFromString(raw)
    except DecodeError as error:
        raise ValueError(f"not a SentencePiece model: {error}") from None
    if not model.pieces:
        raise ValueError("not a SentencePiece model: it has no pieces")
    if model.trainer_spec.model_type != UNIGRAM:
        raise ValueError("must be a Unigram model; another kind is read from a tokenizer.json alone")
    return model


@functools.cache
def _message() -> Any:
    """The class of the file's message."""
    file = descriptor_pb2.FileDescriptorProto(name="staged_bert/sentencepiece.proto", package="staged_bert",
                                              syntax="proto2")
    fields: dict[str, list[tuple[str, int, int, str]]] = {
        "Piece": [("piece", 1, FIELD.TYPE_STRING, ""), ("score", 2, FIELD.TYPE_FLOAT, ""),
                  ("type", 3, FIELD.TYPE_INT32, "")],
        "Trainer": [("model_type", 3, FIELD.TYPE_INT32, "")],
        "Normalizer": [("precompiled_charsmap", 2, FIELD.TYPE_BYTES, "")],
        "Model": [("pieces", 1, FIELD.TYPE_MESSAGE, "Piece"), ("trainer_spec", 2, FIELD.TYPE_MESSAGE, "Trainer"),
                  ("normalizer_spec", 3, FIELD.TYPE_MESSAGE, "Normalizer")],
    }
    for name, own in fields.items():
        message = file.message_type.add(name=name)
        for field, number, kind, of in own:
            label = FIELD.LABEL_REPEATED if field == "pieces" else FIELD.LABEL_OPTIONAL
            default = "1" if field in ("type", "model_type") else None
            message.field.add(name=field, number=number, type=kind, label=label, default_value=default,
                              type_name=f".staged_bert.{of}" if of else None)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("staged_bert.Model"))
