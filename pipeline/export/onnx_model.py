"""A run as an ONNX model: token ids to the mean of its folds' probabilities, by onnxruntime; and its tokenizer."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from tokenizers import Tokenizer

from pipeline.backend import graph, tf
from pipeline.errors import UserError
from pipeline.export import saved_model, tokenizer_json
from pipeline.export.saved_model import Served
from pipeline.files import formats
from pipeline.inference.predictor import Predictor
from pipeline.text import tokenization
from pipeline.text.columns import text_columns
from pipeline.text.packing import Batch
from pipeline.text.token_table import TokenTable
from pipeline.text.tokenization import LONGEST_WORD

OPSET = 17
LARGEST = 2 * 10**9  # bytes of weights that model.onnx holds itself: a protobuf ends at 2 GiB
AT_ONCE = 64  # rows that it is tried on
PACKAGES = ("tf2onnx>=1.17,<2", "onnx>=1.19,<2", "onnxruntime>=1.23,<2")


def export(model: Predictor, folder: Path) -> tuple[float, int]:
    """Writes model.onnx, tokenizer.json and BERT's vocab.txt into a folder, loads them again and lets them predict
    texts of the run's data, or a few others where that is not there; returns the largest difference from the run's own
    probabilities, and the number of texts.

    Raises UserError where they differ, and where a package is missing.
    """
    try:
        import onnx
        import onnxruntime  # noqa: F401
        import tf2onnx  # noqa: F401
    except ImportError as error:
        wanted = " ".join(f"'{package}'" for package in PACKAGES)
        raise UserError(f"--to onnx needs {error.name}: .venv/bin/pip install {wanted}") from None
    proto = _converted(Served(model))
    size = sum(len(weight.raw_data) for weight in proto.graph.initializer)
    onnx.save_model(proto, folder / "model.onnx", save_as_external_data=size > LARGEST, location="model.onnx.data")
    if model.vocab.own is None:
        formats.write(folder / "vocab.txt", model.vocab.file[1])
    tokenizer = tokenizer_json.build(model.vocab, model.config.tokens, model.pairs, model.task.by_word)
    formats.write(folder / "tokenizer.json", json.loads(tokenizer.to_str()))
    rows = model.some_rows()
    table = _tokens(model, folder, rows)
    padded = min(int(table.lengths.max()) + 1, model.bert.most_tokens)
    return saved_model.compared(model, rows, _probabilities(folder, table, padded), folder)


def _converted(served: Served) -> Any:
    """The ModelProto of its signature ``tokens``, every weight in it once."""
    import onnx
    import tf2onnx

    concrete = served.tokens.get_concrete_function()
    definition, captured = _opened(concrete)
    inputs, outputs = concrete.inputs[:-len(captured)], concrete.structured_outputs
    names = [*(tensor.name for tensor in inputs), *captured]

    def opened(*values: Any) -> dict[str, Any]:
        tensors = tf.graph_util.import_graph_def(definition, dict(zip(names, values, strict=True)),
                                                 [tensor.name for tensor in outputs.values()], "model")
        return dict(zip(outputs, tensors, strict=True))

    weights = {f"weight_{number}": value for number, value in enumerate(captured.values())}
    signature = [*(tf.TensorSpec(tensor.shape, tensor.dtype, tensor.op.name) for tensor in inputs),
                 *(tf.TensorSpec(value.shape, value.dtype, name) for name, value in weights.items())]
    proto, _ = tf2onnx.convert.from_function(graph(opened), signature, OPSET)
    del proto.graph.input[:], proto.graph.output[:]
    each = ["rows", *(["words"] if served.task.by_word else []), sum(served.task.outputs)]
    proto.graph.input.extend(onnx.helper.make_tensor_value_info(
        tensor.op.name, onnx.TensorProto.INT32, ["rows", "words" if tensor.op.name == "word_starts" else "tokens"])
        for tensor in inputs)
    proto.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, each)
                              for name in outputs)
    proto.graph.initializer.extend(onnx.numpy_helper.from_array(value.numpy(), name)
                                   for name, value in weights.items())
    return proto


def _opened(concrete: Any) -> tuple[Any, dict[str, Any]]:
    """The GraphDef of a function that reads tensors where it read variables; and what it captures, weights above all,
    by the tensors that stand for it.

    Frozen into the graph, weights would have to fit a protobuf, several times over in memory.
    """
    variables = {id(variable.handle): variable for variable in concrete.variables}
    held = concrete.captured_inputs
    captured = {place.name: variables.get(id(tensor), tensor)
                for place, tensor in zip(concrete.inputs[-len(held):], held, strict=True)}
    definition = concrete.graph.as_graph_def()
    for node in list(definition.node):
        if node.op == "ReadVariableOp":
            node.op = "Identity"
            node.attr["T"].CopyFrom(node.attr.pop("dtype"))
        elif node.op == "ResourceGather":
            node.op = "Gather"
            node.attr["Tparams"].CopyFrom(node.attr.pop("dtype"))
            del node.attr["batch_dims"]
        elif node.op == "Erfc":  # which tf2onnx has not, in the exact GELU: 1 - erf
            erf = definition.node.add(name=f"{node.name}/erf", op="Erf", input=node.input, attr=node.attr)
            tensor = definition.node.add(name=f"{node.name}/one", op="Const")
            tensor.attr["dtype"].CopyFrom(node.attr["T"])
            tensor.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(1, tf.as_dtype(node.attr["T"].type)))
            node.op = "Sub"
            node.input[:] = [tensor.name, erf.name]
    return definition, captured


def _tokens(model: Predictor, folder: Path, rows: pd.DataFrame) -> TokenTable:
    """The run's tokens. Raises UserError where tokenizer.json has others for a row that neither cuts."""
    config, by_word = model.config.tokens, model.task.by_word
    table = tokenization.encode(rows, model.vocab, config, by_word)
    library = Tokenizer.from_file(str(folder / "tokenizer.json"))
    library.no_padding()
    library.encode_special_tokens = True
    if by_word:
        encodings = library.encode_batch([text.split(" ") for text in rows.text], is_pretokenized=True)
    else:
        texts = [rows[name].str[:LONGEST_WORD * config.max_tokens] for name in text_columns(rows)]
        encodings = library.encode_batch(list(zip(*texts, strict=True) if model.pairs else texts[0]))
    for row, (encoding, (start, end)) in enumerate(zip(encodings, itertools.pairwise(table.offsets), strict=True)):
        # the library drops a word of control characters, which is [UNK] to the run
        dropped = table.words is not None and len({*encoding.word_ids} - {None}) < int((table.words[row] >= 0).sum())
        if len(encoding.ids) <= config.max_tokens and not dropped and encoding.ids != table.ids[start:end].tolist():
            raise UserError(f"{folder}: tokenizer.json has other tokens than the run for {rows.text[row]!r}")
    return table


def _probabilities(folder: Path, table: TokenTable, width: int) -> npt.NDArray[np.float32]:
    """float32 [rows, (words,) outputs], by onnxruntime. width: beyond any row's, to tell a head that reads padding."""
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    probabilities, count = [], len(table.lengths)
    for at in range(0, count, AT_ONCE):
        ids, segments, _, member, words = table.batch(Batch(np.arange(at, min(at + AT_ONCE, count))[:, None], width))
        inputs = {"input_ids": ids, "input_mask": member[:, 0].astype(np.int32), "segment_ids": segments}
        if table.words is not None:
            inputs["word_starts"] = words[:, 0]
        probabilities += session.run(["probabilities"], inputs)
    return np.concatenate(probabilities)
