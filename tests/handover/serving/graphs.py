"""Small ONNX graphs whose scores one can work out by hand."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from quintet.handover.features import LABEL_FEATURES, LENGTH, PAIR_FEATURES, SEQUENCE_FEATURES

OPSET = 17
Floats = NDArray[np.float32]


def file_of(nodes: Sequence[Any], inputs: dict[str, Sequence[Any]], constants: dict[str, Any], width: int = 1) -> bytes:
    takes = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()]
    gives = [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", width])]
    kept = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(list(nodes), "small", takes, gives, kept)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
    return bytes(model.SerializeToString())


def linear(**weights: float) -> bytes:
    """Scores a pair by the sum of the named features, weighted."""
    column = np.array([[weights.get(name, 0.0)] for name in PAIR_FEATURES], np.float32)
    node = helper.make_node("MatMul", ["features", "column"], ["scores"])
    return file_of([node], {"features": ["n", len(PAIR_FEATURES)]}, {"column": column})


def broken(**_: float) -> bytes:
    """A graph whose every score is no number."""
    nodes = [
        helper.make_node("ReduceSum", ["features", "axes"], ["sum"], keepdims=1),
        helper.make_node("Sub", ["sum", "sum"], ["zero"]),
        helper.make_node("Div", ["zero", "zero"], ["scores"]),
    ]
    return file_of(nodes, {"features": ["n", len(PAIR_FEATURES)]}, {"axes": np.array([1], np.int64)})


def over_steps(seed: int = 0) -> bytes:
    """Scores what was seen of a cell by a weight of every feature at every step."""
    drawn = np.random.default_rng(seed).normal(0, 0.01, (LENGTH * len(SEQUENCE_FEATURES), 1)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["sequences"], ["flat"]),
        helper.make_node("MatMul", ["flat", "column"], ["scores"]),
    ]
    return file_of(nodes, {"sequences": ["n", LENGTH, len(SEQUENCE_FEATURES)]}, {"column": drawn})


def online() -> bytes:
    """A linear model whose weights are inputs."""
    count = len(PAIR_FEATURES)
    nodes = [
        helper.make_node("Sub", ["features", "mean"], ["less"]),
        helper.make_node("Div", ["less", "scale"], ["scaled"]),
        helper.make_node("Mul", ["scaled", "weights"], ["weighted"]),
        helper.make_node("ReduceSum", ["weighted", "axes"], ["sum"], keepdims=1),
        helper.make_node("Add", ["sum", "bias"], ["scores"]),
    ]
    inputs: dict[str, Sequence[Any]] = {
        "features": ["n", count],
        "mean": [count],
        "scale": [count],
        "weights": [count],
        "bias": [1],
    }
    return file_of(nodes, inputs, {"axes": np.array([1], np.int64)})


def labels(names: Sequence[str], favourite: str, features: Sequence[str] = LABEL_FEATURES) -> bytes:
    """Always answers the same label, whatever is heard."""
    weights = np.zeros((len(features), len(names)), np.float32)
    bias = np.array([2.0 if name == favourite else 0.0 for name in names], np.float32)
    nodes = [
        helper.make_node("MatMul", ["features", "weights"], ["zero"]),
        helper.make_node("Add", ["zero", "bias"], ["scores"]),
    ]
    return file_of(nodes, {"features": ["n", len(features)]}, {"weights": weights, "bias": bias}, width=len(names))
