"""Detectors small enough to know what they answer, as ONNX files."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import ModelProto, TensorProto, checker, helper, numpy_helper

from quintet.adapters.onnx_detector import OnnxDetector
from quintet.training.manifest import verified

OPSET = 17
Side = int | str


def fixed_answer(
    answer: NDArray[Any],
    *,
    size: tuple[Side, Side] = (64, 64),
    batch: Side = 1,
    half: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """Says `answer` (4 + classes, n) to every image."""
    kind, number = (TensorProto.FLOAT16, np.float16) if half else (TensorProto.FLOAT, np.float32)
    constants = [numpy_helper.from_array(value, name) for name, value in {
        "answer": answer[None].astype(number), "nothing": np.zeros((), dtype=number), "flat": np.array([-1, 1, 1]),
    }.items()]  # fmt: skip
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "nothing"], ["zero"]),
        helper.make_node("Reshape", ["zero", "flat"], ["zeros"]),
        helper.make_node("Add", ["zeros", "answer"], ["output"]),
    ]
    return model(nodes, constants, (batch, 3, *size), (batch, *answer.shape), kind, metadata)


def red_finder(
    *,
    size: tuple[int, int] = (64, 64),
    batch: Side = 1,
    dynamic: bool = False,
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """Answers with one candidate: the corners of all that is pure red, with a score of 0.875 for `red` if there is
    any, and of 0.125 for `blue`.
    """
    node = helper.make_node
    constants = [
        numpy_helper.from_array(np.array([[[0.875], [0.125]]], dtype=np.float32), "scores"),
        numpy_helper.from_array(np.float32(0.99), "bright"),
        numpy_helper.from_array(np.float32(1), "one"),
        numpy_helper.from_array(np.array([-1, 1, 1], dtype=np.int64), "shape"),
        numpy_helper.from_array(np.array([1, 1, 1], dtype=np.int64), "colours"),
    ]
    nodes = [
        node("Split", ["images", "colours"], ["red", "green", "blue"], axis=1),
        node("Sub", ["red", "green"], ["redness"]),
        node("Greater", ["redness", "bright"], ["is_red"]),
        node("Cast", ["is_red"], ["mask"], to=TensorProto.FLOAT),
        node("ReduceMax", ["mask"], ["across"], axes=[1, 2], keepdims=0),
        node("ReduceMax", ["mask"], ["down"], axes=[1, 3], keepdims=0),
        node("ReduceMax", ["mask"], ["any"], axes=[1, 2, 3], keepdims=0),
        node("Reshape", ["any", "shape"], ["any_red"]),
        node("Mul", ["any_red", "scores"], ["scored"]),
    ]
    for axis, low, high in (("across", "x1", "x2"), ("down", "y1", "y2")):
        nodes += [
            node("ArgMax", [axis], [f"{low}_place"], axis=1, keepdims=0),
            node("ArgMax", [axis], [f"{high}_place"], axis=1, keepdims=0, select_last_index=1),
            node("Cast", [f"{low}_place"], [f"{low}_flat"], to=TensorProto.FLOAT),
            node("Cast", [f"{high}_place"], [f"{high}_last"], to=TensorProto.FLOAT),
            node("Add", [f"{high}_last", "one"], [f"{high}_flat"]),
            node("Reshape", [f"{low}_flat", "shape"], [low]),
            node("Reshape", [f"{high}_flat", "shape"], [high]),
        ]
    nodes.append(node("Concat", ["x1", "y1", "x2", "y2", "scored"], ["output"], axis=1))
    sides: Sequence[Side] = ("height", "width") if dynamic else size
    return model(nodes, constants, (batch, 3, *sides), (batch, 6, 1), TensorProto.FLOAT, metadata)


def model(
    nodes: Sequence[Any], constants: Sequence[Any], takes: Sequence[Side], gives: Sequence[Side], kind: int,
    metadata: Mapping[str, str] | None,
) -> bytes:  # fmt: skip
    graph = helper.make_graph(
        list(nodes),
        "tiny",
        [helper.make_tensor_value_info("images", kind, list(takes))],
        [helper.make_tensor_value_info("output", kind, list(gives))],
        list(constants),
    )
    made: ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    helper.set_model_props(made, dict(metadata or {}))
    checker.check_model(made)
    content: bytes = made.SerializeToString()
    return content


def manifest(content: bytes, names: Sequence[str] = ("red", "blue"), imgsz: Any = 64, **more: Any) -> bytes:
    told = {
        "schema": 1,
        "sha256": hashlib.sha256(content).hexdigest(),
        "family": "tiny",
        "model": "red finder",
        "names": list(names),
        "imgsz": imgsz,
        "dynamic": False,
        "output": "xyxy_pixels",
        "opset": OPSET,
        "source": None,
        "metrics": {"mAP50": 1.0},
        "trained_at": "2026-01-01T00:00:00Z",
        "libraries": {"onnx": "1"},
    }
    return json.dumps(told | more).encode()


def loaded(key: str, content: bytes, beside: bytes | None) -> OnnxDetector:
    return OnnxDetector(content, verified(key, content, beside) if beside else None)


def detector(content: bytes, **described: Any) -> OnnxDetector:
    """The model with a manifest that fits it."""
    return loaded("models/tiny.onnx", content, manifest(content, **described))


def ultralytics(**other: str) -> dict[str, str]:
    """The metadata that ultralytics writes into an export."""
    told = {"author": "Ultralytics", "task": "detect", "imgsz": "[64, 64]", "names": "{0: 'red', 1: 'blue'}"}
    return told | other


def libreyolo(**other: str) -> dict[str, str]:
    """The metadata that libreyolo writes into an export."""
    told = {"model_family": "yolo9", "task": "detect", "names": '{"0": "red", "1": "blue"}'}
    return told | {"imgsz": "64", "imgsz_h": "64", "imgsz_w": "64", "letterbox_pad": "topleft"} | other
