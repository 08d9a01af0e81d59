"""A detector in an ONNX file: of our own training, or exported by libreyolo or ultralytics themselves.

What an image must look like and what the output means is said by a manifest, else by the metadata that those two
libraries write into the file. A file that says neither is refused.
"""

import ast
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal, NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from quintet.adapters.onnx_model import start_session
from quintet.kernel.errors import InvalidInput, ModelUnavailable

Layout = Literal["corners", "centres"]
Padding = Literal["topleft", "center", "center_rounded"]
MOST_PIXELS = 4096 * 4096
"""Of a batch."""

_METADATA_LIMIT = 100_000
_HOW = "Put a manifest beside it, or export it with libreyolo (YOLOv9) or ultralytics (task detect, without NMS)."


class Described(Protocol):
    """What a manifest says."""

    @property
    def names(self) -> tuple[str, ...]: ...
    @property
    def height_and_width(self) -> tuple[int, int]: ...
    @property
    def boxes(self) -> Layout: ...
    @property
    def padding(self) -> Padding: ...
    @property
    def one_class_a_box(self) -> bool: ...


@dataclass(frozen=True)
class Description:
    names: tuple[str, ...]
    height_and_width: tuple[int, int]
    boxes: Layout
    padding: Padding
    one_class_a_box: bool


class OnnxDetector:
    """One session. `description` is the manifest; without one the file's metadata must tell.

    Raises ModelUnavailable for a file that can't be loaded, or is not as described.
    """

    def __init__(self, content: bytes, description: Described | None = None, *, threads: int = 1) -> None:
        self._session = start_session(content, threads=threads)
        self._input = self._session.get_inputs()[0]
        told = description or described(self._session.get_modelmeta().custom_metadata_map)
        self.names = told.names
        self.padding = told.padding
        self.one_class_a_box = told.one_class_a_box
        self._boxes = told.boxes
        self.imgsz = self._size(told.height_and_width)
        self._check_output()

    def predict(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        """(b, 3, *imgsz) -> (b, 4 + classes, n), corners in the input. Raises InvalidInput, ModelUnavailable."""
        if batch.ndim != 4 or batch.shape[1:] != (3, *self.imgsz):
            raise InvalidInput(f"Expected images of shape (3, {self.imgsz[0]}, {self.imgsz[1]}), got {batch.shape}.")
        size = self._input.shape[0] if isinstance(self._input.shape[0], int) else max(len(batch), 1)
        parts = [self._run(batch[start : start + size], size) for start in range(0, max(len(batch), 1), size)]
        output = np.concatenate(parts)
        return output if self._boxes == "corners" else as_corners(output)

    def _run(self, part: NDArray[np.float32], size: int) -> NDArray[np.float32]:
        """A part of at most `size` images; the model gets `size` of them, black ones at the end."""
        kind = np.float16 if self._input.type == "tensor(float16)" else np.float32
        full = np.zeros((size, *part.shape[1:]), dtype=kind)
        full[: len(part)] = part
        output = _run(self._session, {self._input.name: full})
        if output.ndim != 3 or output.shape[1] != 4 + len(self.names):
            self._refuse_output(output.shape)
        return output[: len(part)].astype(np.float32, copy=False)

    def _size(self, told: tuple[int, int]) -> tuple[int, int]:
        """Height and width of the input: those that the file fixes, else those that were told."""
        shape = self._input.shape
        if len(self._session.get_inputs()) > 1 or len(shape) != 4 or (isinstance(shape[1], int) and shape[1] != 3):
            raise ModelUnavailable(f"The model takes {shape} or more, not just images of three colours.")
        batch, height, width = (
            fixed if isinstance(fixed, int) else free
            for fixed, free in zip((shape[0], *shape[2:]), (1, *told), strict=True)
        )
        if min(batch, height, width) < 1 or batch * height * width > MOST_PIXELS:
            raise ModelUnavailable(f"The model takes {batch} images of {width} × {height} pixels: not run here.")
        return height, width

    def _check_output(self) -> None:
        shape = self._session.get_outputs()[0].shape
        if len(shape) != 3 or (isinstance(shape[1], int) and shape[1] != 4 + len(self.names)):
            self._refuse_output(shape)

    def _refuse_output(self, shape: object) -> NoReturn:
        raise ModelUnavailable(
            f"The model's output {shape} does not fit 4 coordinates and {len(self.names)} classes a box: "
            "export it without NMS, as a detector."
        )


def described(metadata: Mapping[str, str]) -> Description:
    """What the metadata of an export says. Raises ModelUnavailable where it does not tell how to read the output."""
    if metadata.get("task") != "detect" or not {"names", "imgsz"} <= metadata.keys():
        raise ModelUnavailable(f"The model has no manifest, and does not say itself how its output is read. {_HOW}")
    if "true" in (metadata.get("end2end", "").lower(), metadata.get("nms", "").lower()):
        raise ModelUnavailable("The model suppresses boxes itself: export it with nms=False and end2end=False.")
    names, imgsz = _names(metadata), _imgsz(metadata)
    family = metadata.get("model_family")
    if family is None:
        return Description(names, imgsz, "centres", "center_rounded", one_class_a_box=True)
    if family != "yolo9":
        raise ModelUnavailable(f"How to read the output of a model of the family {family} is not known here. {_HOW}")
    padding: Padding = "center" if metadata.get("letterbox_pad") == "center" else "topleft"
    return Description(names, imgsz, "corners", padding, one_class_a_box=False)


def as_corners(output: NDArray[np.float32]) -> NDArray[np.float32]:
    """(b, 4 + classes, n) with x_center, y_center, width, height -> the same with corners."""
    middle, half = output[:, :2], output[:, 2:4] / 2
    return np.concatenate([middle - half, middle + half, output[:, 4:]], axis=1)


def _run(session: Any, feed: dict[str, NDArray[Any]]) -> NDArray[np.float32]:
    from onnxruntime.capi import onnxruntime_pybind11_state as failures

    try:
        output: NDArray[np.float32] = session.run(None, feed)[0]
    except (failures.Fail, failures.InvalidArgument, failures.RuntimeException, failures.NotImplemented) as error:
        raise ModelUnavailable("The model fails on an image of the size that it says it takes.") from error
    return output


@contextmanager
def _reading(name: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise ModelUnavailable(f"The model's metadata {name} cannot be read. {_HOW}") from error


def _names(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """A list, or a dict by id: libreyolo writes the latter as JSON, ultralytics as Python."""
    with _reading("names"):
        names = _literal(metadata["names"])
        if isinstance(names, dict):
            names = [name for _, name in sorted((int(key), name) for key, name in names.items())]
        return tuple(str(name) for name in names)


def _imgsz(metadata: Mapping[str, str]) -> tuple[int, int]:
    with _reading("imgsz"):
        if {"imgsz_h", "imgsz_w"} <= metadata.keys():
            return int(metadata["imgsz_h"]), int(metadata["imgsz_w"])
        told = _literal(metadata["imgsz"])
        height, width = (told, told) if isinstance(told, int) else told
        return int(height), int(width)


def _literal(text: str) -> Any:
    if len(text) > _METADATA_LIMIT:
        raise ValueError(f"{len(text)} characters")
    return ast.literal_eval(text)
