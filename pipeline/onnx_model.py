"""A run as an ONNX model: token ids to the mean of its folds' probabilities, by onnxruntime; and its tokenizer."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from tokenizers import Tokenizer

from pipeline import checkpoint, saved_model, storage, tokenizer_json, tokens
from pipeline.backend import tf
from pipeline.batches import Plan
from pipeline.competition import text_columns
from pipeline.errors import UserError
from pipeline.predictor import Predictor
from pipeline.tokens import LONGEST_WORD, TokenTable

OPSET = 17
LARGEST = 2 * 10**9  # bytes of weights that model.onnx holds itself: a protobuf ends at 2 GiB
AT_ONCE = 64  # rows that it is tried on
PACKAGES = ("tf2onnx>=1.17,<2", "onnx>=1.19,<2", "onnxruntime>=1.23,<2")


def export(model: Predictor, folder: Path) -> tuple[float, int]:
    """Writes model.onnx, vocab.txt and tokenizer.json into a folder, loads them again and lets them predict texts of
    the run's data, or a few others where that is not there; returns the largest difference from the run's own
    probabilities, and the number of texts.

    Raises UserError where they differ, for a run that labels words, and where a package is missing.
    """
    if model.task.by_word:
        raise UserError(f"{model.paths.models}: labels words; an ONNX model of such a run is not written yet")
    try:
        import onnx
        import onnxruntime  # noqa: F401
        import tf2onnx  # noqa: F401
    except ImportError as error:
        wanted = " ".join(f"'{package}'" for package in PACKAGES)
        raise UserError(f"--to onnx needs {error.name}: .venv/bin/pip install {wanted}") from None
    proto = _converted(saved_model.Served(model))
    size = sum(len(weight.raw_data) for weight in proto.graph.initializer)
    onnx.save_model(proto, folder / "model.onnx", save_as_external_data=size > LARGEST, location="model.onnx.data")
    storage.write(folder / "vocab.txt", checkpoint.lines(model.vocab))
    tokenizer = tokenizer_json.build(model.vocab, model.config.tokens, model.pairs)
    storage.write(folder / "tokenizer.json", json.loads(tokenizer.to_str()))
    rows = model.some_rows()
    return saved_model.compared(model, rows, _probabilities(folder, _tokens(model, folder, rows)), folder)


def _converted(served: saved_model.Served) -> Any:
    """The ModelProto of its signature ``tokens``, every weight in it once."""
    import onnx
    import tf2onnx

    concrete = served.tokens.get_concrete_function()
    graph, captured = _opened(concrete)
    inputs = {tensor.name: tensor.op.name for tensor in concrete.inputs[:-len(captured)]}
    outputs = {tensor.name: name for name, tensor in concrete.structured_outputs.items()}
    weights = {f"{name}:0": name for name in captured}
    proto, _ = tf2onnx.convert.from_graph_def(graph, "a run", [*inputs, *weights], [*outputs], OPSET,
                                              tensors_to_rename=inputs | outputs | weights)
    del proto.graph.input[:], proto.graph.output[:]
    proto.graph.input.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.INT32, ["rows", "tokens"])
                             for name in inputs.values())
    proto.graph.output.extend(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT,
                                                                 ["rows", sum(served.task.outputs)])
                              for name in outputs.values())
    proto.graph.initializer.extend(onnx.numpy_helper.from_array(value.numpy(), name)
                                   for name, value in captured.items())
    return proto


def _opened(concrete: Any) -> tuple[Any, dict[str, Any]]:
    """The GraphDef of a function with what it captures, weights above all, as further inputs; and that, by name.

    Frozen into the graph, weights would have to fit a protobuf, several times over in memory.
    """
    variables = {id(variable.handle): variable for variable in concrete.variables}
    held = concrete.captured_inputs
    captured = {place.op.name: variables.get(id(one), one)
                for place, one in zip(concrete.inputs[-len(held):], held, strict=True)}
    graph = concrete.graph.as_graph_def()
    for node in list(graph.node):
        if node.name in captured:
            value = captured[node.name]
            node.attr["dtype"].type = value.dtype.as_datatype_enum
            node.attr["shape"].shape.CopyFrom(value.shape.as_proto())
        elif node.op == "ReadVariableOp":
            node.op = "Identity"
            node.attr["T"].CopyFrom(node.attr.pop("dtype"))
        elif node.op == "ResourceGather":
            node.op = "Gather"
            node.attr["Tparams"].CopyFrom(node.attr.pop("dtype"))
            del node.attr["batch_dims"]
        elif node.op == "Erfc":  # which tf2onnx has not, in the exact GELU: 1 - erf
            erf = graph.node.add(name=f"{node.name}/erf", op="Erf", input=node.input, attr=node.attr)
            one = graph.node.add(name=f"{node.name}/one", op="Const")
            one.attr["dtype"].CopyFrom(node.attr["T"])
            one.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(1, tf.as_dtype(node.attr["T"].type)))
            node.op = "Sub"
            node.input[:] = [one.name, erf.name]
    return graph, captured


def _tokens(model: Predictor, folder: Path, rows: pd.DataFrame) -> TokenTable:
    """The run's tokens. Raises UserError where tokenizer.json has others for a row that neither cuts."""
    table, config = tokens.encode(rows, model.vocab, model.config.tokens), model.config.tokens
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    texts = [rows[name].str[:LONGEST_WORD * config.max_tokens] for name in text_columns(rows)]
    found = tokenizer.encode_batch(list(zip(*texts, strict=True) if model.pairs else texts[0]))
    for row, (one, (start, end)) in enumerate(zip(found, itertools.pairwise(table.offsets), strict=True)):
        if len(one.ids) <= config.max_tokens and one.ids != table.ids[start:end].tolist():
            raise UserError(f"{folder}: tokenizer.json has other tokens than the run for {rows.text[row]!r}")
    return table


def _probabilities(folder: Path, table: TokenTable) -> npt.NDArray[np.float32]:
    """float32 [rows, outputs], by onnxruntime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    found = []
    for batch in Plan().ordered(table.lengths, np.arange(len(table.lengths)), AT_ONCE):
        ids, segments, _, member, _ = table.batch(batch)
        inputs = {"input_ids": ids, "input_mask": member[:, 0].astype(np.int32), "segment_ids": segments}
        probabilities, = session.run(["probabilities"], inputs)
        found.append(probabilities[batch.filled])
    return np.concatenate(found)
