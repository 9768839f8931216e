"""The families of encoders: what their configurations say beyond BERT's, and what their tensors are called elsewhere.

In here, tensors go by the names of Google's BERT (``encoder_config.expected_shapes``). A family's other names follow
from BERT's by replacing parts of them, in order.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.arrays import Stored
from pipeline.checkpoints.encoder_config import SEGMENTS, WORDS, EncoderConfig

Pairs = tuple[tuple[str, str], ...]  # part of our name, part of the other name
Json = Mapping[str, Any]
TASKS = "bert/embeddings/task_type_embeddings"  # ERNIE's, of which a text has the first row
FACTOR = "bert/embeddings/word_embeddings_2"  # of albert_zh: what its word embeddings are multiplied by

# What changes outputs, and the one value that it has here.
PLAIN = {"position_embedding_type": "absolute", "is_decoder": False, "add_cross_attention": False, "pruned_heads": {},
         "quantization_config": None}
LM_HEAD = (("cls.predictions.transform.LayerNorm.", "lm_head.layer_norm."),
           ("cls.predictions.transform.dense.", "lm_head.dense."), ("cls.predictions.decoder.", "lm_head.decoder."),
           ("cls.predictions.bias", "lm_head.bias"))
GROUP = "bert/encoder/transformer/group_0/inner_group_0/"
LAYER = "bert/encoder/layer_0/"


def _nothing(_: Any) -> dict[str, Any]:
    return {}


def _no_problem(_: Path, __: Json) -> list[str]:
    return []


def _unchanged(read: Stored, _: Json) -> Stored:
    return read


@dataclass(frozen=True)
class Family:
    """name: as EncoderConfig.family; model_types: in a config.json; architecture: the class of transformers that loads
    what is written; hugging_face: parts of BERT's names there, and what stands in their place; google: the same of
    Google's TF1 checkpoints, None where there are none; plain: keys of a configuration that have one value here; least:
    the least value of a size, where it is not 1; absent: what a size is that it does not say; epsilon: of LayerNorm
    where it does not say that.

    problems: what its configuration says that is another model; further: the fields of EncoderConfig that it says;
    written: what a config.json must say beyond BERT's; extra: names of tensors that a file may have beyond those of the
    graph; adapted: the tensors as the graph has them, from those of the file and its configuration.
    """

    name: str
    model_types: tuple[str, ...]
    architecture: str
    hugging_face: Pairs = ()
    google: Pairs | None = None
    google_config: str = "bert_config.json"
    google_gelu: str = "gelu_tanh"
    plain: Json = field(default_factory=dict)
    least: Mapping[str, int] = field(default_factory=dict)
    absent: Mapping[str, int] = field(default_factory=dict)
    epsilon: float = 1e-12
    has_pooler: bool = True
    further: Callable[[Json], dict[str, Any]] = _nothing
    problems: Callable[[Path, Json], list[str]] = _no_problem
    written: Callable[[EncoderConfig], dict[str, Any]] = _nothing
    extra: tuple[str, ...] = ()
    adapted: Callable[[Stored, Json], Stored] = _unchanged


def _number(raw: Json, name: str, otherwise: int) -> int:
    value = raw.get(name)
    return otherwise if value is None else value


def _projected(raw: Json) -> dict[str, Any]:
    return {"embedding": _number(raw, "embedding_size", 128)}


def _projected_if_narrow(raw: Json) -> dict[str, Any]:
    size = _number(raw, "embedding_size", 128)
    return {"embedding": None if size == raw["hidden_size"] else size}


def _relative(raw: Json) -> dict[str, Any]:
    most = _number(raw, "max_relative_positions", -1)
    return {"relative_positions": most if most > 0 else raw["max_position_embeddings"],
            "relative_buckets": max(0, _number(raw, "position_buckets", -1))}


def _unlike_v3(path: Path, raw: Json) -> list[str]:
    kinds, buckets = raw.get("pos_att_type"), _number(raw, "position_buckets", -1)
    kinds = kinds.split("|") if isinstance(kinds, str) else kinds
    said = ("relative_attention", "share_att_key", "norm_rel_ebd", "position_biased_input")
    problems = [f"{path}: {name} must be said, as DeBERTa-v3 has it: another model" for name in said
                if raw.get(name) is None]
    most = _relative(raw)["relative_positions"]
    if buckets > 0 and not 4 <= buckets <= 2 * (most - 2):
        problems.append(f"{path}: position_buckets must be 4 to {2 * (most - 2)}, twice what max_relative_positions "
                        f"leaves, or -1, got {buckets}")
    if not isinstance(kinds, list) or sorted(map(str, kinds)) != ["c2p", "p2c"]:
        problems.append(f"{path}: pos_att_type must be p2c|c2p, as DeBERTa-v3 has it, got {raw.get('pos_att_type')!r}")
    return problems


def _with_task(read: Stored, raw: Json) -> Stored:
    """Every text of one kind of task adds the same vector, which the segments' table takes up. Raises ValueError where
    that is not as it must be."""
    if raw.get("use_task_id") in (None, False) or SEGMENTS not in read:
        return read
    if TASKS not in read or read[TASKS].shape[1:] != read[SEGMENTS].shape[1:] or not len(read[TASKS]):
        raise ValueError(f"use_task_id is true, and {TASKS} is not there in the width of {SEGMENTS}")
    return read | {SEGMENTS: read[SEGMENTS] + read[TASKS][:1]}


def _says_of_tasks(path: Path, raw: Json) -> list[str]:
    value = raw.get("use_task_id")
    right = value is None or isinstance(value, bool)
    return [] if right else [f"{path}: use_task_id must be true or false, got {str(value)[:100]}"]


def _multiplied(read: Stored, _: Json) -> Stored:
    """albert_zh has its table of words as two factors. Raises ValueError where they do not fit."""
    if not {WORDS, FACTOR} <= read.keys():
        return read
    words, factor = read[WORDS], read[FACTOR]
    if words.ndim != 2 or factor.ndim != 2 or words.shape[1] != len(factor):
        raise ValueError(f"{WORDS} and {FACTOR} must be matrices that multiply, got {words.shape} and {factor.shape}")
    return read | {WORDS: words @ factor}


BERT = Family("bert", ("bert",), "BertForMaskedLM", google=(), plain={"embedding_size": None})
ERNIE = Family("bert", ("ernie",), "ErnieForMaskedLM", extra=(TASKS,), problems=_says_of_tasks, adapted=_with_task,
               plain={"embedding_size": None})
ELECTRA = Family(
    "electra", ("electra",), "ElectraForMaskedLM",
    hugging_face=(("encoder.projection.", "embeddings_project."),
                  ("cls.predictions.transform.", "generator_predictions."),
                  ("cls.predictions.decoder.", "generator_lm_head."),
                  ("cls.predictions.bias", "generator_lm_head.bias")),
    google=(("bert/encoder/projection/", "electra/embeddings_project/"), ("bert/", "electra/"),
            ("cls/predictions/transform/", "generator_predictions/"), ("cls/predictions/", "generator_predictions/")),
    google_config="electra_config.json", google_gelu="gelu_erf", has_pooler=False, further=_projected_if_narrow,
    written=lambda config: {"embedding_size": config.embedding_size})
ALBERT = Family(
    "albert", ("albert",), "AlbertForMaskedLM",
    hugging_face=(("encoder.projection.", "encoder.embedding_hidden_mapping_in."),
                  ("encoder.layer.0.", "encoder.albert_layer_groups.0.albert_layers.0."),
                  ("attention.self.", "attention."), ("attention.output.", "attention."),
                  ("albert_layers.0.intermediate.dense.", "albert_layers.0.ffn."),
                  ("albert_layers.0.output.dense.", "albert_layers.0.ffn_output."),
                  ("albert_layers.0.output.LayerNorm.", "albert_layers.0.full_layer_layer_norm."),
                  ("pooler.dense.", "pooler."), ("cls.predictions.transform.", "predictions."),
                  ("cls.predictions.", "predictions.")),
    google=(("bert/encoder/projection/", "bert/encoder/embedding_hidden_mapping_in/"),
            (f"{LAYER}attention/self/", f"{GROUP}attention_1/self/"),
            (f"{LAYER}attention/output/dense/", f"{GROUP}attention_1/output/dense/"),
            (f"{LAYER}attention/output/LayerNorm/", f"{GROUP}LayerNorm/"),
            (f"{LAYER}intermediate/dense/", f"{GROUP}ffn_1/intermediate/dense/"),
            (f"{LAYER}output/dense/", f"{GROUP}ffn_1/intermediate/output/dense/"),
            (f"{LAYER}output/LayerNorm/", f"{GROUP}LayerNorm_1/")),
    google_config="albert_config.json", plain={"num_hidden_groups": 1, "inner_group_num": 1}, further=_projected,
    written=lambda config: {"embedding_size": config.embedding_size, "num_hidden_groups": 1, "inner_group_num": 1})
ALBERT_ZH = Family("albert", (), "AlbertForMaskedLM", google=((LAYER, "bert/encoder/layer_shared/"),),
                   extra=(FACTOR,), adapted=_multiplied)
ROBERTA = Family(
    "roberta", ("roberta", "xlm-roberta", "camembert"), "RobertaForMaskedLM", hugging_face=LM_HEAD,
    plain={"embedding_size": None}, further=lambda raw: {"first_position": _number(raw, "pad_token_id", 1) + 1},
    written=lambda config: {"pad_token_id": config.first_position - 1})
DEBERTA = Family(
    "deberta", ("deberta-v2",), "DebertaV2ForMaskedLM",
    hugging_face=(("attention.self.query.", "attention.self.query_proj."),
                  ("attention.self.key.", "attention.self.key_proj."),
                  ("attention.self.value.", "attention.self.value_proj."),
                  ("encoder.relative_embeddings.", "encoder.rel_embeddings.")),
    plain={"relative_attention": True, "share_att_key": True, "norm_rel_ebd": "layer_norm",
           "position_biased_input": False, "type_vocab_size": 0, "conv_kernel_size": 0},
    least={"type_vocab_size": 0}, epsilon=1e-7, has_pooler=False, problems=_unlike_v3, further=_relative,
    written=lambda config: {
        "relative_attention": True, "share_att_key": True, "norm_rel_ebd": "layer_norm", "pos_att_type": "p2c|c2p",
        "position_biased_input": False, "max_relative_positions": config.relative_positions,
        "position_buckets": config.relative_buckets or -1, "legacy": True})
MPNET = Family(
    "mpnet", ("mpnet",), "MPNetForMaskedLM",
    hugging_face=(*LM_HEAD, ("attention.self.query.", "attention.attn.q."),
                  ("attention.self.key.", "attention.attn.k."),
                  ("attention.self.value.", "attention.attn.v."), ("attention.output.dense.", "attention.attn.o."),
                  ("attention.output.LayerNorm.", "attention.LayerNorm."),
                  ("encoder.relative_attention_bias", "encoder.relative_attention_bias.weight")),
    plain={"embedding_size": None, "relative_attention_num_buckets": 32}, absent={"type_vocab_size": 0},
    further=lambda raw: {"first_position": _number(raw, "pad_token_id", 1) + 1, "relative_buckets": 32},
    written=lambda config: {"pad_token_id": config.first_position - 1, "relative_attention_num_buckets": 32})
TALKING_HEADS = Family("talking_heads", (), "")

FAMILIES = (BERT, ERNIE, ELECTRA, ALBERT, ALBERT_ZH, ROBERTA, DEBERTA, MPNET, TALKING_HEADS)
OF_MODEL_TYPE = {model_type: family for family in FAMILIES for model_type in family.model_types}
OF_NAME = {family.name: family for family in reversed(FAMILIES)}
