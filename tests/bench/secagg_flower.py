"""Flower's SecAgg+ on vectors of a file, run by an interpreter that has flwr and NumPy, and none of our code.

    python secagg_flower.py VECTORS.npy DROPOUTS THRESHOLD

The owners' steps are those of its `secaggplus_mod`, the server's those of its `SecAggPlusWorkflow`, each with the
functions of its own package and without its transport; everybody is everybody's neighbour, as in SecAgg. The last line
printed is JSON: seconds of the processor for the server's two steps and for one owner's (the median), and the sum's
largest error.
"""

# mypy: ignore-errors
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from statistics import median
from typing import Any

import numpy as np
from flwr.client.mod.secure_aggregation.secaggplus_mod import (
    SecAggPlusState,
    _collect_masked_vectors,
    _setup,
    _share_keys,
    _unmask,
)
from flwr.common import bytes_to_ndarray, ndarrays_to_parameters
from flwr.common.secure_aggregation import ndarrays_arithmetic as arithmetic
from flwr.common.secure_aggregation.crypto.shamir import combine_shares
from flwr.common.secure_aggregation.crypto.symmetric_encryption import generate_shared_key
from flwr.common.secure_aggregation.quantization import dequantize
from flwr.common.secure_aggregation.secaggplus_constants import Key
from flwr.common.secure_aggregation.secaggplus_utils import pseudo_rand_gen
from flwr.supercore.primitives.asymmetric import bytes_to_private_key, bytes_to_public_key

CLIPPING, TARGET, MODULUS = 8.0, 1 << 22, 1 << 32

Arrays = list[Any]
Shares = Mapping[int, Sequence[bytes]]


class Timer:
    def __init__(self) -> None:
        self.times: dict[str, list[float]] = {}

    def __call__(self, step: str, work: Callable[[], Any]) -> Any:
        start = time.process_time()
        made = work()
        self.times.setdefault(step, []).append(time.process_time() - start)
        return made

    def medians(self) -> dict[str, float]:
        return {step: median(times) for step, times in self.times.items()}


def parameters(count: int, threshold: int) -> dict[str, Any]:
    return {
        Key.SAMPLE_NUMBER: count,
        Key.SHARE_NUMBER: count,
        Key.THRESHOLD: threshold,
        Key.CLIPPING_RANGE: CLIPPING,
        Key.TARGET_RANGE: TARGET,
        Key.MOD_RANGE: MODULUS,
        Key.MAX_WEIGHT: 1.0,
    }


def boxes_for(node: int, sent: Mapping[int, dict[str, Any]]) -> dict[str, Any]:
    pairs = [
        (sender, box)
        for sender, said in sent.items()
        for receiver, box in zip(said[Key.DESTINATION_LIST], said[Key.CIPHERTEXT_LIST], strict=True)
        if receiver == node
    ]
    return {Key.SOURCE_LIST: [sender for sender, _ in pairs], Key.CIPHERTEXT_LIST: [box for _, box in pairs]}


def added(masked: Sequence[Sequence[bytes]]) -> Arrays:
    total = [bytes_to_ndarray(one) for one in masked[0]]
    for given in masked[1:]:
        total = arithmetic.parameters_addition(total, [bytes_to_ndarray(one) for one in given])
    return arithmetic.parameters_mod(total, MODULUS)


def unmasked(total: Arrays, shares: Shares, keys: Mapping[int, tuple[bytes, bytes]], there: set[int]) -> Arrays:
    shapes = arithmetic.get_parameters_shape(total)
    for node, given in shares.items():
        secret = combine_shares(list(given))
        if node in there:
            total = arithmetic.parameters_subtraction(total, pseudo_rand_gen(secret, MODULUS, shapes))
            continue
        for other in sorted(keys.keys() - {node}):
            key = generate_shared_key(bytes_to_private_key(secret), bytes_to_public_key(keys[other][0]))
            change = arithmetic.parameters_addition if node > other else arithmetic.parameters_subtraction
            total = change(total, pseudo_rand_gen(key, MODULUS, shapes))
    return arithmetic.parameters_mod(total, MODULUS)


def numbers(total: Arrays, count: int) -> Any:
    """The sum, from what is left when the masks are off."""
    weight, rest = arithmetic.factor_extract(total)
    (mean,) = dequantize(rest, CLIPPING, TARGET)
    return (mean - (count - 1) * CLIPPING) * TARGET / weight * count


def main(file: str, dropouts: int, threshold: int) -> None:
    vectors, timer = np.load(file), Timer()
    nodes = list(range(len(vectors)))
    there = set(nodes[dropouts:])
    states = {node: SecAggPlusState() for node in nodes}
    keys = {}
    for node, state in states.items():
        state.nid = node
        said = timer("advertise", lambda state=state: _setup(state, parameters(len(nodes), threshold)))
        keys[node] = (said[Key.PUBLIC_KEY_1], said[Key.PUBLIC_KEY_2])
    told = {str(node): pair for node, pair in keys.items()}
    sent = {node: timer("share", lambda node=node: _share_keys(states[node], told)) for node in nodes}
    masked = {}
    for node in sorted(there):
        boxes, given = boxes_for(node, sent), ndarrays_to_parameters([vectors[node]])
        work = lambda node=node, boxes=boxes, given=given: _collect_masked_vectors(states[node], boxes, 1, given)  # noqa: E731
        masked[node] = timer("mask", work)[Key.MASKED_PARAMETERS]
    asked = {Key.ACTIVE_NODE_ID_LIST: sorted(there), Key.DEAD_NODE_ID_LIST: nodes[:dropouts]}
    shares: dict[int, list[bytes]] = {node: [] for node in nodes}
    for node in sorted(there):
        said = timer("unmask", lambda node=node: _unmask(states[node], asked))
        for owner, share in zip(said[Key.NODE_ID_LIST], said[Key.SHARE_LIST], strict=True):
            shares[owner].append(share)
    total = timer("server: sum", lambda: added(list(masked.values())))
    clear = timer("server: unmask", lambda: unmasked(total, shares, keys, there))
    error = float(np.abs(numbers(clear, len(there)) - vectors[dropouts:].sum(axis=0)).max())
    print(json.dumps({"version": f"flwr {version('flwr')}", "seconds": timer.medians(), "error": error}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
