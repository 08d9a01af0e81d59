"""The graph of the `online` model, whose weights are inputs.

`scores` = Σ clip((features - mean) / scale) · weights + bias, in float64 within and summed up row by row: as numpy does
it where it learns, and the same for a row whatever is beside it.
"""

from collections.abc import Sequence

import onnx
from onnx import TensorProto, helper

from quintet.adapters.onnx_trees import IR, OPSET
from quintet.handover.features import PAIR_FEATURES
from quintet.handover.online import SPREAD


def online_graph() -> bytes:
    count = len(PAIR_FEATURES)
    sizes: dict[str, Sequence[str | int]] = {
        "features": ["n", count],
        "mean": [count],
        "scale": [count],
        "weights": [count],
        "bias": [1],
    }
    inputs = [value(name, size) for name, size in sizes.items()]
    wide = [helper.make_node("Cast", [name], [f"{name}_wide"], to=TensorProto.DOUBLE) for name in sizes]
    steps = [
        helper.make_node("Sub", ["features_wide", "mean_wide"], ["centred"]),
        helper.make_node("Div", ["centred", "scale_wide"], ["spread"]),
        helper.make_node("Clip", ["spread", "least", "most"], ["seen"]),
        helper.make_node("Mul", ["seen", "weights_wide"], ["parts"]),
        helper.make_node("ReduceSum", ["parts", "columns"], ["sums"], keepdims=1),
        helper.make_node("Add", ["sums", "bias_wide"], ["scores_wide"]),
        helper.make_node("Cast", ["scores_wide"], ["scores"], to=TensorProto.FLOAT),
    ]
    constants = [
        helper.make_tensor("least", TensorProto.DOUBLE, [], [-SPREAD]),
        helper.make_tensor("most", TensorProto.DOUBLE, [], [SPREAD]),
        helper.make_tensor("columns", TensorProto.INT64, [1], [1]),
    ]
    graph = helper.make_graph([*wide, *steps], "online", inputs, [value("scores", ["n", 1])], constants)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR, producer_name="quintet"
    )
    onnx.checker.check_model(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def value(name: str, shape: Sequence[str | int]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
