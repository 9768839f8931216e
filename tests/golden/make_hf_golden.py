"""Make the golden data that the encoder is compared with: a tiny BERT and its outputs.

Writes, next to this file:
    hf_tiny/config.json, hf_tiny/model.safetensors, hf_tiny/vocab.txt
        a randomly initialised transformers.BertModel, saved with save_pretrained;
    hf_tiny_expected.json
        three padded rows of input and the last_hidden_state that transformers gives for them
        (float32, CPU, eager attention, eval mode, exact erf GELU). Positions whose attention_mask
        is 0 have values too, but these mean nothing: compare real tokens only.

Made with Python 3.11, torch 2.13.0 (CPU), transformers 5.23.0, safetensors 0.8.0, numpy 2.4.6,
in a virtual environment of its own (the product itself needs none of these to use the data):

    python -m pip install torch==2.13.0 transformers==5.23.0 safetensors==0.8.0 numpy==2.4.6
    python tests/golden/make_hf_golden.py
"""

import json
from pathlib import Path

import torch
from transformers import BertConfig, BertModel

HERE = Path(__file__).resolve().parent
MODEL_DIR = HERE / "hf_tiny"
EXPECTED = HERE / "hf_tiny_expected.json"

SEED = 20240607
WEIGHT_STD = 0.4  # large enough for erf and tanh GELU to give visibly different outputs
NOISE_STD = 0.3  # of biases around 0 and LayerNorm gammas around 1, so that a forgotten one shows
MIN_GELU_GAP = 1e-4

SPECIAL = ["[PAD]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCAB = SPECIAL + list("我你他她人大小中国天地水火山日月上下好不是有在来去吃学生") + list("abcxyz")

# (first segment, second segment or None), without [CLS] and [SEP]
SENTENCES = [
    (["我", "是", "人"], ["你", "好", "a"]),  # 9 tokens
    (["大", "[MASK]", "[UNK]", "z"], None),  # 6 tokens
    (["水"], None),  # 3 tokens
]


def build_model():
    config = BertConfig(
        vocab_size=len(VOCAB),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=32,
        max_position_embeddings=24,
        type_vocab_size=2,
        hidden_act="gelu",
        layer_norm_eps=1e-12,
    )
    model = BertModel(config)
    torch.manual_seed(SEED)
    with torch.no_grad():
        for name, param in sorted(model.named_parameters()):
            if name.endswith("LayerNorm.weight"):
                param.normal_(1.0, NOISE_STD)
            elif name.endswith("bias"):
                param.normal_(0.0, NOISE_STD)
            else:
                param.normal_(0.0, WEIGHT_STD)
    return model


def build_inputs():
    ids = {token: i for i, token in enumerate(VOCAB)}
    inputs = {"input_ids": [], "token_type_ids": [], "attention_mask": []}
    for first, second in SENTENCES:
        head = ["[CLS]", *first, "[SEP]"]
        tail = [*second, "[SEP]"] if second else []
        inputs["input_ids"].append([ids[token] for token in head + tail])
        inputs["token_type_ids"].append([0] * len(head) + [1] * len(tail))
        inputs["attention_mask"].append([1] * len(head + tail))
    width = max(map(len, inputs["input_ids"]))
    return {key: [row + [0] * (width - len(row)) for row in rows] for key, rows in inputs.items()}


def last_hidden_state(inputs, **config_changes):
    """Run the model as saved on disk, so that the outputs belong to the files, not to memory."""
    model = BertModel.from_pretrained(MODEL_DIR, attn_implementation="eager", **config_changes).eval()
    with torch.no_grad():
        return model(**{key: torch.tensor(rows) for key, rows in inputs.items()}).last_hidden_state


def shortest_floats(tensor):
    """Nested lists whose numbers print as the shortest decimals that read back as the same float32."""
    return [[[float(str(x)) for x in token] for token in row] for row in tensor.numpy()]


def main():
    assert len(VOCAB) == len(set(VOCAB)) == 40
    build_model().save_pretrained(MODEL_DIR, safe_serialization=True)
    (MODEL_DIR / "vocab.txt").write_text("\n".join(VOCAB) + "\n", encoding="utf-8", newline="\n")

    inputs = build_inputs()
    hidden = last_hidden_state(inputs)
    real = torch.tensor(inputs["attention_mask"]).bool()
    gap = (hidden - last_hidden_state(inputs, hidden_act="gelu_new"))[real].abs().max().item()
    assert gap > MIN_GELU_GAP, f"erf and tanh GELU differ by {gap:.3g} only"

    expected = {**inputs, "last_hidden_state": shortest_floats(hidden)}
    lines = [f"{json.dumps(key)}: {json.dumps(value)}" for key, value in expected.items()]
    EXPECTED.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8", newline="\n")
    print(f"max abs difference between erf and tanh GELU on real tokens: {gap:.3g}")


if __name__ == "__main__":
    main()
