"""Every family at every usual size against transformers itself: hidden states and gradients, where it is installed.

Outside the suite's own environment: it needs torch and transformers (CONTRIBUTING.md says how)."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.backend import tf
from pipeline.checkpoints import checkpoint, tensor_names
from pipeline.checkpoints.families import OF_MODEL_TYPE
from pipeline.model.encoders import encoder
from pipeline.text.vocabulary import SPECIAL

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

SIZES = {"small": (256, 12, 4, 1024), "base": (768, 12, 12, 3072), "large": (1024, 24, 16, 4096)}
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("Bert", {}),
    "electra": ("Electra", {"embedding_size": 128}),
    "albert": ("Albert", {"embedding_size": 128}),
    "roberta": ("Roberta", {"type_vocab_size": 1, "layer_norm_eps": 1e-5, "max_position_embeddings": 514}),
    "mpnet": ("MPNet", {"max_position_embeddings": 514}),
    "deberta": ("DebertaV2", {
        "type_vocab_size": 0, "layer_norm_eps": 1e-7, "relative_attention": True, "norm_rel_ebd": "layer_norm",
        "share_att_key": True, "pos_att_type": "p2c|c2p", "position_biased_input": False, "position_buckets": 256}),
}
LENGTHS = (160, 31, 9)  # the first beyond the 128 distances that DeBERTa tells apart one by one


def rows(vocab_size: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
    """int32 [rows, tokens] ids and mask."""
    rng, width = np.random.default_rng(0), max(LENGTHS)
    ids, mask = rng.integers(5, vocab_size, (len(LENGTHS), width)), np.arange(width) < np.array(LENGTHS)[:, None]
    return (ids * mask).astype(np.int32), mask.astype(np.int32)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", FAMILIES)
def test_hidden_states_and_gradients_are_those_of_transformers(name: str, size: str, tmp_path: Path) -> None:
    kind, options = FAMILIES[name]
    hidden, layers, heads, intermediate = SIZES[size]
    config = getattr(transformers, f"{kind}Config")(**{
        "vocab_size": 1000, "hidden_size": hidden, "num_hidden_layers": layers, "num_attention_heads": heads,
        "intermediate_size": intermediate, "max_position_embeddings": 512, "attn_implementation": "eager"} | options)
    torch.manual_seed(0)
    theirs = getattr(transformers, f"{kind}Model")(config).eval()
    theirs.save_pretrained(tmp_path)
    (tmp_path / "vocab.txt").write_text("".join(f"{token}\n" for token in (*SPECIAL, *map(str, range(994)))))
    read = checkpoint.read(tmp_path)
    ours = encoder.packed(read.config, 0.0, np.arange(read.config.vocab_size))
    ours.load(read.tensors())

    ids, mask = rows(1000)
    padded = np.where(mask > 0, ids, config.pad_token_id or 0)
    output = theirs(input_ids=torch.tensor(padded, dtype=torch.long), attention_mask=torch.tensor(mask)
                    ).last_hidden_state
    slope = np.random.default_rng(1).normal(size=output.shape).astype(np.float32)
    (output * torch.tensor(slope * mask[:, :, None])).sum().backward()
    expected, real = output.detach().numpy(), mask > 0

    position = np.arange(ids.shape[1], dtype=np.int32) * mask
    alone = ours(*map(tf.constant, (ids, np.zeros_like(ids), position, mask[:, None] > 0))).numpy()
    assert np.abs(alone - expected)[real].max() < 1e-4
    ends = np.cumsum(LENGTHS)
    member = np.stack([(np.arange(ends[-1]) >= end - length) & (np.arange(ends[-1]) < end)
                       for end, length in zip(ends, LENGTHS, strict=True)])[None]
    packed = [values[real][None] for values in (ids, np.zeros_like(ids), position)]
    with tf.GradientTape() as tape:
        together = ours(*map(tf.constant, (*packed, member)))
        value = tf.reduce_sum(together * slope[real][None])
    assert np.abs(together.numpy()[0] - expected[real]).max() < 1e-4

    for variable, gradient in zip(ours.variables, tape.gradient(value, ours.variables), strict=True):
        variable.assign(tf.convert_to_tensor(gradient))
    gradients, names = ours.dump(), tensor_names.of_hugging_face(read.config, OF_MODEL_TYPE[json.loads(
        (tmp_path / "config.json").read_text())["model_type"]])
    compared = 0
    for theirs_name, parameter in theirs.named_parameters():
        if theirs_name in names and parameter.grad is not None and not theirs_name.startswith("pooler"):
            ours_name, transpose = names[theirs_name]
            wanted = parameter.grad.numpy().T if transpose else parameter.grad.numpy()
            if "key/bias" in ours_name and name != "deberta":
                continue  # nothing but rounding: a softmax does not see what is added to all of its inputs
            scale = np.abs(wanted).max()
            assert np.abs(gradients[ours_name] - wanted).max() <= 2e-3 * scale, theirs_name
            compared += 1
    assert compared > 15
