"""The names of BERT's tensors in Google's TF1 checkpoints, and in those of Hugging Face and of TF2."""

import re


def from_hugging_face(name: str) -> tuple[str, bool]:
    """Google's name of a Hugging Face tensor, and whether it must be transposed."""
    name = name.removeprefix("bert.")
    kernel = name.endswith(".weight") and "LayerNorm" not in name and "embeddings" not in name
    name = re.sub(r"^encoder\.layer\.(\d+)\.", r"encoder.layer_\1.", name)
    name = re.sub(r"LayerNorm\.(weight|gamma)$", "LayerNorm.gamma", name)
    name = re.sub(r"LayerNorm\.(bias|beta)$", "LayerNorm.beta", name)
    name = re.sub(r"_embeddings\.weight$", "_embeddings", name)
    name = re.sub(r"\.weight$", ".kernel", name)
    name = re.sub(r"^cls\.predictions\.bias$", "cls.predictions.output_bias", name)
    own = name.startswith(("embeddings.", "encoder.", "pooler."))
    return ("bert/" if own else "") + name.replace(".", "/"), kernel


def to_hugging_face(name: str) -> tuple[str, bool]:
    """Hugging Face's name of one of Google's tensors, and whether it must be transposed."""
    theirs = name.replace("/layer_", "/layer/").replace("/", ".")
    for pattern, new in ((r"\.(kernel|gamma)$", ".weight"), (r"\.beta$", ".bias"),
                         (r"_embeddings$", "_embeddings.weight"), (r"\.output_bias$", ".bias")):
        theirs = re.sub(pattern, new, theirs)
    return theirs, name.endswith("/kernel")


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
