"""The names of an encoder's tensors in Google's TF1 checkpoints, in Hugging Face's, and in those of TF2."""

import re
from collections.abc import Iterable

from pipeline.checkpoints.encoder_config import MASKED_LM, POOLER, EncoderConfig, expected_shapes, masked_lm_shapes
from pipeline.checkpoints.families import Family, Pairs

OWN_OUTPUT = (f"{MASKED_LM}decoder/kernel", f"{MASKED_LM}decoder/bias")  # as Hugging Face's heads may have them
Names = dict[str, tuple[str, bool]]  # another format's name -> ours, and whether the tensor must be transposed


def all_names(config: EncoderConfig, family: Family) -> list[str]:
    """Our names of whatever is read of an encoder."""
    pooler = [f"{POOLER}kernel", f"{POOLER}bias"] if family.has_pooler else []
    return [*expected_shapes(config), *masked_lm_shapes(config), *pooler, *OWN_OUTPUT, *family.extra]


def hugging_face(name: str, family: Family) -> tuple[str, bool]:
    """Hugging Face's name of one of our tensors, without the model's prefix, and whether it must be transposed."""
    theirs = name.removeprefix("bert/").replace("/layer_", "/layer/").replace("/", ".")
    for pattern, new in ((r"\.(kernel|gamma)$", ".weight"), (r"\.beta$", ".bias"),
                         (r"_embeddings$", "_embeddings.weight"), (r"\.output_bias$", ".bias")):
        theirs = re.sub(pattern, new, theirs)
    return _replaced(theirs, family.hugging_face), name.endswith("/kernel")


def of_hugging_face(config: EncoderConfig, family: Family) -> Names:
    """Hugging Face's names without the model's prefix; LayerNorm's weights may be called gamma and beta too."""
    names: Names = {}
    for ours in all_names(config, family):
        theirs, transpose = hugging_face(ours, family)
        names.setdefault(theirs, (ours, transpose))
        if ours.endswith(("/gamma", "/beta")):
            names[f"{theirs.rpartition('.')[0]}.{ours.rpartition('/')[2]}"] = ours, transpose
    return names


def with_prefix(theirs: str, family: Family) -> str:
    """A name as transformers writes it: the model's own tensors have its prefix, the heads' have none."""
    prefix = family.model_types[0].partition("-")[0]
    return f"{prefix}.{theirs}" if theirs.startswith(("embeddings", "encoder.", "pooler.")) else theirs


def google(name: str, family: Family) -> str:
    """One of our names in a TF1 checkpoint."""
    return _replaced(name, family.google or ())


def of_google(config: EncoderConfig, family: Family) -> Names:
    """The names of Google's TF1 checkpoints."""
    return {google(ours, family): (ours, False) for ours in all_names(config, family)}


def layers_beyond(names: Iterable[str], layers: int) -> int:
    """How many layers a file has beyond those of the configuration."""
    seen = {match[1] for name in names if (match := re.match(r"(?:\w+[./])?encoder[./]layer[./_](\d+)[./]", name))}
    return len(seen - {str(number) for number in range(layers)})


def heads_of(ours: str, shape: tuple[int, ...]) -> int | None:
    """The number of heads that a tensor keeps apart; None: it does not."""
    if re.search(r"/attention/self/(?:query|key|value)/(?:kernel|bias)$", ours) and len(shape) >= 2:
        return shape[-2] if len(shape) == 3 or ours.endswith("bias") else None
    return shape[0] if ours.endswith("/attention/output/dense/kernel") and len(shape) == 3 else None


def from_tf2(name: str) -> str:
    """Google's TF1 name of a tensor of a TF2 (object-based) checkpoint; other names come back as they are.

    The TF2 model garden numbers layers in order of creation: word, position and type embeddings, LayerNorm, then
    the encoder's layers. Names as in keras-hub's tools/checkpoint_conversion/convert_bert.py.
    """
    match = re.fullmatch(r"(?:model|encoder)/layer_with_weights-(\d{1,4})/(.+)/\.ATTRIBUTES/VARIABLE_VALUE", name)
    if not match:
        return name
    number, rest = int(match[1]), match[2]
    embeddings = {(0, "embeddings"): "word_embeddings", (1, "embeddings"): "position_embeddings",
                  (2, "embeddings"): "token_type_embeddings",
                  (3, "gamma"): "LayerNorm/gamma", (3, "beta"): "LayerNorm/beta"}
    if (number, rest) in embeddings:
        return f"bert/embeddings/{embeddings[number, rest]}"
    parts = {
        "_attention_layer/_query_dense": "attention/self/query", "_attention_layer/_key_dense": "attention/self/key",
        "_attention_layer/_value_dense": "attention/self/value",
        "_attention_layer/_output_dense": "attention/output/dense", "_attention_output_dense": "attention/output/dense",
        "_attention_layer_norm": "attention/output/LayerNorm", "_intermediate_dense": "intermediate/dense",
        "_output_dense": "output/dense", "_output_layer_norm": "output/LayerNorm",
    }
    part, _, leaf = rest.rpartition("/")
    return f"bert/encoder/layer_{number - 4}/{parts[part]}/{leaf}" if number >= 4 and part in parts else name


def flat(name: str, shape: tuple[int, ...]) -> tuple[int, ...]:
    """TF2 checkpoints keep heads apart, [hidden, heads, size] and [heads, size, hidden]; here they are one axis."""
    if "/attention/" not in name:
        return shape
    if name.endswith("kernel") and len(shape) == 3:
        if "/output/" in name:
            return (shape[0] * shape[1], shape[2])
        return (shape[0], shape[1] * shape[2])
    if name.endswith("bias") and len(shape) == 2:
        return (shape[0] * shape[1],)
    return shape


def _replaced(name: str, pairs: Pairs) -> str:
    for ours, theirs in pairs:
        name = name.replace(ours, theirs)
    return name
