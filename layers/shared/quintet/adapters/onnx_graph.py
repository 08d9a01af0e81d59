"""A graph in an ONNX file: arrays of float32 in by their names, one out."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from quintet.adapters.onnx_model import start_session
from quintet.kernel.errors import ModelUnavailable

Floats = NDArray[np.float32]


class OnnxGraph:
    """One session with one thread: the runtime adds up in another order with more, and so in other last bits.

    Raises ModelUnavailable for a file that can't be loaded, or that takes or gives anything but float32.
    """

    def __init__(self, content: bytes) -> None:
        self._session = _started(content)
        inputs, self._output = self._session.get_inputs(), self._session.get_outputs()[0].name
        self.inputs: dict[str, tuple[int | None, ...]] = {one.name: _sizes(one.shape) for one in inputs}
        strange = {one.type for one in (*inputs, self._session.get_outputs()[0])} - {"tensor(float)"}
        if strange:
            raise ModelUnavailable(f"The model takes or gives {', '.join(sorted(strange))}, not float32 alone.")

    def run(self, feed: Mapping[str, Floats]) -> Floats:
        """The first output. Raises ModelUnavailable where the graph does not take that."""
        from onnxruntime.capi import onnxruntime_pybind11_state as failures

        try:
            output: Floats = self._session.run([self._output], feed)[0]
        except (failures.Fail, failures.InvalidArgument, failures.RuntimeException, failures.NotImplemented) as error:
            raise ModelUnavailable("The model fails on what it says it takes.", reason=str(error)) from error
        return output


def _started(content: bytes) -> Any:
    from onnxruntime.capi import onnxruntime_pybind11_state as failures

    try:
        return start_session(content, threads=1)
    except failures.InvalidArgument as error:
        raise ModelUnavailable("The model file holds no graph.") from error


def _sizes(shape: list[Any]) -> tuple[int | None, ...]:
    """None where a size is free."""
    return tuple(size if isinstance(size, int) else None for size in shape)
