"""Google's format: bert_config.json, vocab.txt and bert_model.ckpt.*. Its weights import TensorFlow."""

import json
from collections.abc import Collection
from pathlib import Path

from pipeline.arrays import Shapes, Stored, Tensors
from pipeline.checkpoints import tensor_names, tokenizer_settings
from pipeline.checkpoints.bert_config import BertConfig
from pipeline.errors import UserError
from pipeline.text import vocabulary


def read(prefix: Path, wanted: Collection[str] = ()) -> tuple[Shapes, Stored]:
    """The shape of every tensor, by our names, and the wanted tensors that there are. prefix: the path up to .index."""
    from pipeline.checkpoints import tf_variables  # imports TensorFlow

    stored = tf_variables.shapes(prefix)
    ours = {name: tensor_names.from_tf2(name) for name in stored}
    shapes = {ours[name]: tensor_names.flat(ours[name], shape) for name, shape in stored.items()}
    read = tf_variables.read(prefix, {name: new for name, new in ours.items() if new in wanted})
    return shapes, {name: values.reshape(shapes[name]) for name, values in read.items()}


def write(folder: Path, config: BertConfig, vocab: list[str], weights: Tensors, lowercase: bool = True,
          strip_accents: bool | None = None) -> None:
    """Writes bert_config.json, vocab.txt and bert_model.ckpt.* that Google's, keras-bert's and our loader read; and
    tokenizer_config.json, which Google's format has not, and ours follows."""
    from pipeline.checkpoints import tf_variables  # imports TensorFlow

    if config.activation != "gelu_tanh":
        raise UserError(f"{folder}: Google's format means the tanh GELU, this encoder has {config.activation}")
    if config.epsilon != BertConfig.epsilon:
        raise UserError(f"{folder}: Google's format means a layer_norm_eps of 1e-12, this encoder has "
                        f"{config.epsilon:g}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bert_config.json").write_text(json.dumps({
        "attention_probs_dropout_prob": 0.1, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
        "hidden_size": config.hidden, "initializer_range": 0.02, "intermediate_size": config.intermediate,
        "max_position_embeddings": config.positions, "num_attention_heads": config.heads,
        "num_hidden_layers": config.layers, "type_vocab_size": config.segments, "vocab_size": config.vocab_size,
    }, indent=2) + "\n")
    (folder / "vocab.txt").write_bytes(vocabulary.lines(vocab))
    tokenizer_settings.write(folder, config, lowercase, strip_accents)
    tf_variables.write(folder / "bert_model.ckpt", weights)
