"""Make tiny models of every family with transformers, and what its own classes give for them.

Writes families/NAME/ (as save_pretrained leaves it: config.json, model.safetensors) and families/NAME.json beside this
file: padded input rows; the last hidden state and the logits of the masked-language-model head (float32, CPU, eager
attention, eval mode; compare where attention_mask is 1); and, for tensors of one axis, the gradient of the sum of the
squares of the real tokens' hidden states.

Made with Python 3.11, torch 2.13.0 (CPU), transformers 5.24.0, safetensors 0.8.0 and numpy 2.4.6, in an environment of
its own; the product needs none of these to use the data:

    python -m pip install torch==2.13.0 transformers==5.24.0 safetensors==0.8.0 numpy==2.4.6
    python tests/golden/make_family_golden.py
"""

import json
import sys
from pathlib import Path

import torch
import transformers

HERE = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).resolve().parent / "families")
SIZES = {"vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4,
         "intermediate_size": 32, "max_position_embeddings": 24}
DEBERTA = {"type_vocab_size": 0, "relative_attention": True, "norm_rel_ebd": "layer_norm", "share_att_key": True,
           "pos_att_type": "p2c|c2p", "position_biased_input": False}
MODELS = {
    "electra": ("ElectraForMaskedLM", {"embedding_size": 8}),
    "albert": ("AlbertForMaskedLM", {"embedding_size": 8}),
    "roberta": ("RobertaForMaskedLM", {"type_vocab_size": 1, "layer_norm_eps": 1e-5, "pad_token_id": 1}),
    "ernie": ("ErnieForMaskedLM", {"use_task_id": True}),
    "mpnet": ("MPNetForMaskedLM", {"pad_token_id": 1}),
    # few buckets, so that the rows reach those beyond half of them, which are shared by logarithm
    "deberta": ("DebertaV2ForMaskedLM", {**DEBERTA, "position_buckets": 8, "max_relative_positions": -1}),
    "deberta_unbucketed": ("DebertaV2ForMaskedLM", {**DEBERTA, "position_buckets": -1, "max_relative_positions": 6}),
}
LENGTHS = (20, 7, 3)
NOISE = 0.3  # of weights and biases, and of LayerNorm's gammas around 1, so that a forgotten one shows


def build(name: str) -> transformers.PreTrainedModel:
    """The model with random weights of a scale at which every part of it matters."""
    kind, options = MODELS[name]
    config = getattr(transformers, kind).config_class(**SIZES | options)
    config._attn_implementation = "eager"
    model = getattr(transformers, kind)(config)
    torch.manual_seed(20261128)
    with torch.no_grad():
        for parameter_name, parameter in sorted(model.named_parameters()):
            norm = "layernorm" in parameter_name.lower().replace("_", "") and parameter_name.endswith("weight")
            parameter.normal_(1.0 if norm or "layer_layer_norm.weight" in parameter_name else 0.0, NOISE)
    return model.eval()


def rows(pad: int, segments: int) -> dict[str, torch.Tensor]:
    """Ids from 5 on, the second half of the longest row of the second segment where there are two."""
    torch.manual_seed(7)
    ids = torch.full((len(LENGTHS), max(LENGTHS)), pad)
    mask, kinds = torch.zeros_like(ids), torch.zeros_like(ids)
    for row, length in enumerate(LENGTHS):
        ids[row, :length] = torch.randint(5, SIZES["vocab_size"], (length,))
        mask[row, :length] = 1
    if segments > 1:
        kinds[0, LENGTHS[0] // 2:] = 1
    return {"input_ids": ids, "attention_mask": mask, "token_type_ids": kinds}


def main() -> None:
    """Writes all of it."""
    for name in MODELS:
        model = build(name)
        model.save_pretrained(HERE / name)
        pad = model.config.pad_token_id or 0
        segments = getattr(model.config, "type_vocab_size", None)
        content = rows(pad, segments or 0)
        inputs = {key: value for key, value in content.items() if segments is not None or key != "token_type_ids"}
        body = model.base_model
        hidden = body(**inputs).last_hidden_state
        (hidden.square() * inputs["attention_mask"][:, :, None]).sum().backward()
        gradients = {key: value.grad.tolist() for key, value in body.named_parameters()
                     if value.grad is not None and value.grad.dim() == 1}
        logits = model(**inputs).logits
        content = {key: value.tolist() for key, value in content.items()}
        content |= {"last_hidden_state": hidden.tolist(), "gradients": gradients, "logits": logits.tolist()}
        rounded = json.loads(json.dumps(content), parse_float=lambda text: float(f"{float(text):.7g}"))
        lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in rounded.items()]
        (HERE / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
