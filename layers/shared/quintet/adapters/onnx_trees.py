"""Trees as ONNX: TreeEnsembleRegressor of ai.onnx.ml, in float32, with the very splits of the trees in float64.

A threshold becomes the largest float32 that is not above it: for a float32 value x, `x <= threshold` is then what it
was, to the last bit, so that no value falls to another side here than in training.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

OPSET, TREES_OPSET, IR = 21, 3, 10
LEAF, SPLIT = "LEAF", "BRANCH_LEQ"
NOTHING = np.float32(1e-35)
"""LightGBM takes what is no further from zero for zero."""


@dataclass
class Tree:
    """Nodes in the order of their ids; a leaf has a value, a split a feature, a threshold and two ids."""

    feature: list[int] = field(default_factory=list)
    threshold: list[float] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    value: list[float | None] = field(default_factory=list)

    def add(self, value: float | None = None, feature: int = 0, threshold: float = 0.0) -> int:
        self.feature.append(feature)
        self.threshold.append(threshold)
        self.left.append(0)
        self.right.append(0)
        self.value.append(value)
        return len(self.value) - 1


def nodes_of(structure: Mapping[str, Any]) -> Tree:
    """Of LightGBM's own description of a tree whose values are finite numbers and whose splits are numerical."""
    tree = Tree()
    _add(structure, tree)
    return tree


def _add(part: Mapping[str, Any], tree: Tree) -> int:
    if "split_feature" not in part:
        return tree.add(value=float(part["leaf_value"]))
    if part["decision_type"] != "<=":
        raise ValueError(f"a split by {part['decision_type']} is no numerical one")
    node = tree.add(feature=int(part["split_feature"]), threshold=float(part["threshold"]))
    tree.left[node], tree.right[node] = _add(part["left_child"], tree), _add(part["right_child"], tree)
    return node


def as_onnx(trees: Sequence[Tree], features: int, width: int, scale: float) -> bytes:
    """`features` (n, features) -> `scores` (n, width); tree number t gives to score t % width, times `scale`."""
    from onnx import TensorProto, helper

    node = helper.make_node(
        "TreeEnsembleRegressor", ["features"], ["scores"], domain="ai.onnx.ml",
        n_targets=width, post_transform="NONE", aggregate_function="SUM",
        **_nodes(trees), **_leaves(trees, width, scale),
    )  # fmt: skip
    graph = helper.make_graph(
        [node],
        "trees",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", features])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", width])],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", TREES_OPSET)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR, producer_name="quintet")
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _nodes(trees: Sequence[Tree]) -> dict[str, list[Any]]:
    every = [(number, node) for number, tree in enumerate(trees) for node in range(len(tree.value))]
    return {
        "nodes_treeids": [number for number, _ in every],
        "nodes_nodeids": [node for _, node in every],
        "nodes_featureids": [trees[number].feature[node] for number, node in every],
        "nodes_values": [not_above(trees[number].threshold[node]) for number, node in every],
        "nodes_modes": [SPLIT if trees[number].value[node] is None else LEAF for number, node in every],
        "nodes_truenodeids": [trees[number].left[node] for number, node in every],
        "nodes_falsenodeids": [trees[number].right[node] for number, node in every],
    }


def _leaves(trees: Sequence[Tree], width: int, scale: float) -> dict[str, list[Any]]:
    leaves = [
        (number, node, value * scale)
        for number, tree in enumerate(trees)
        for node, value in enumerate(tree.value)
        if value is not None
    ]
    return {
        "target_treeids": [number for number, _, _ in leaves],
        "target_nodeids": [node for _, node, _ in leaves],
        "target_ids": [number % width for number, _, _ in leaves],
        "target_weights": [value for _, _, value in leaves],
    }


def not_above(threshold: float) -> float:
    """
    >>> not_above(0.5), not_above(0.1) < 0.1
    (0.5, True)
    """
    if abs(threshold) <= NOTHING:
        return float(NOTHING if threshold >= 0 else np.nextafter(-NOTHING, np.float32(-np.inf)))
    near = np.float32(threshold)
    return float(near if float(near) <= threshold else np.nextafter(near, np.float32(-np.inf)))
