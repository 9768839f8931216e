"""Hugging Face's format: config.json, vocab.txt and model.safetensors; and its elder, pytorch_model.bin, a pickle."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open

from pipeline.arrays import Shapes, Stored, Tensors
from pipeline.checkpoints import tensor_names, tokenizer_settings
from pipeline.checkpoints.bert_config import ACTIVATIONS, BertConfig
from pipeline.errors import UserError
from pipeline.files import formats
from pipeline.text import vocabulary


def read(path: Path, wanted: Collection[str] = ()) -> tuple[Shapes, Stored]:
    """The shape of every tensor, by our names, and the wanted tensors that there are. Raises UserError."""
    shapes: dict[str, tuple[int, ...]] = {}
    read: Stored = {}
    try:
        with safe_open(path, framework="numpy") as file:
            for name in file.keys():  # noqa: SIM118, it is no dict
                ours, transpose = tensor_names.from_hugging_face(name)
                stored = tuple(file.get_slice(name).get_shape())
                shapes[ours] = stored[::-1] if transpose else stored
                if ours in wanted:
                    values = file.get_tensor(name)
                    read[ours] = np.ascontiguousarray(values.T) if transpose else values
    except (SafetensorError, OSError, TypeError) as error:
        raise UserError(f"{path}: not a readable safetensors file: {error}") from None
    return shapes, read


def read_pickle(path: Path, wanted: Collection[str] = ()) -> tuple[Shapes, Stored]:
    """As ``read``, for a pytorch_model.bin, by torch's unpickler for tensors alone. Raises UserError."""
    try:
        import torch
    except ImportError:
        raise UserError(f"{path}: is a pickle, which only torch reads without running what is in it: "
                        f".venv/bin/pip install 'torch>=2.6'") from None
    if tuple(map(int, torch.__version__.split(".")[:2])) < (2, 6):  # CVE-2025-32434
        raise UserError(f"{path}: torch must be at least 2.6, where weights_only runs no code; got {torch.__version__}")
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        tensors = {name: values.float() if values.dtype == torch.bfloat16 else values
                   for name, values in stored.items()}
    except Exception as error:  # noqa: BLE001, whatever a damaged or hostile pickle ends in
        raise UserError(f"{path}: not a readable file of tensors: {str(error).splitlines()[0]}") from None
    shapes: dict[str, tuple[int, ...]] = {}
    read: Stored = {}
    for name, values in tensors.items():
        ours, transpose = tensor_names.from_hugging_face(name)
        shapes[ours] = tuple(values.shape)[::-1] if transpose else tuple(values.shape)
        if ours in wanted:
            read[ours] = np.ascontiguousarray(values.numpy().T) if transpose else values.numpy()
    return shapes, read


def write(folder: Path, config: BertConfig, vocab: list[str], weights: Tensors, stored: str = "float32",
          lowercase: bool = True, strip_accents: bool | None = None) -> None:
    """Writes config.json, vocab.txt, tokenizer_config.json and model.safetensors that transformers' BertForMaskedLM and
    BertTokenizer, and our loader, read."""
    by_name = {ours: theirs for theirs, ours in ACTIVATIONS["hugging face"].items()
               if theirs != "gelu_pytorch_tanh"}
    folder.mkdir(parents=True, exist_ok=True)
    formats.write(folder / "config.json", {
        "architectures": ["BertForMaskedLM"], "attention_probs_dropout_prob": 0.1,
        "hidden_act": by_name[config.activation], "hidden_dropout_prob": 0.1, "hidden_size": config.hidden,
        "initializer_range": 0.02, "intermediate_size": config.intermediate, "layer_norm_eps": config.epsilon,
        "max_position_embeddings": config.positions, "model_type": "bert", "num_attention_heads": config.heads,
        "num_hidden_layers": config.layers, "pad_token_id": vocab.index("[PAD]"), "type_vocab_size": config.segments,
        "vocab_size": config.vocab_size,
    })
    formats.write(folder / "vocab.txt", vocabulary.lines(vocab))
    tokenizer_settings.write(folder, config, lowercase, strip_accents)
    tensors = {}
    for name, values in weights.items():
        theirs, transpose = tensor_names.to_hugging_face(name)
        tensors[theirs] = (values.T if transpose else values).astype(stored)
    formats.write(folder / "model.safetensors", tensors, notes={"format": "pt"})
