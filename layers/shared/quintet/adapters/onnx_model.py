"""Models as ONNX files with a manifest beside them, verified before they are loaded."""

import hashlib
import threading
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from quintet.adapters.tensors import checked
from quintet.kernel.errors import ModelUnavailable

BATCH = 16  # windows the forecaster computes at once


class Manifest(BaseModel):
    """What `manifest.json` says of a model; shapes are of one row of a batch."""

    model_config = ConfigDict(frozen=True, extra="allow")

    version: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]


class ForecasterManifest(Manifest):
    quantiles: tuple[float, ...]

    @model_validator(mode="after")
    def levels_fit(self) -> Self:
        """One level a column, rising, the median among them."""
        rising = list(self.quantiles) == sorted(set(self.quantiles))
        if not rising or 0.5 not in self.quantiles or len(self.quantiles) != self.output_shape[-1]:
            raise ValueError("quantiles do not fit the model's output")
        return self


M = TypeVar("M", bound=Manifest)


class OnnxModel(Generic[M]):
    """One model file, read, verified and loaded when first used.

    Whatever stands in the way is a ModelUnavailable: a file missing or unreadable, another SHA-256 than the
    manifest's, other shapes than it promises.
    """

    def __init__(self, path: Path, manifest: type[M]) -> None:
        self.path = path
        self._manifest_type = manifest
        self._loading = threading.Lock()

    @cached_property
    def manifest(self) -> M:
        return read_manifest(self.path.with_name("manifest.json"), self._manifest_type)

    def run(self, rows: NDArray[Any]) -> NDArray[np.float32]:
        """rows (n, *input_shape) -> (n, *output_shape). Raises InvalidInput, ModelUnavailable."""
        session, batch = self.load(), checked(rows, self.manifest.input_shape)
        outputs: list[NDArray[np.float32]] = session.run(None, {session.get_inputs()[0].name: batch})
        return outputs[0]

    def load(self) -> Any:
        """The onnxruntime session. Raises ModelUnavailable."""
        with self._loading:
            return self._session

    @cached_property
    def _session(self) -> Any:
        session = start_session(verified(self.path, self.manifest.sha256))
        found = (session.get_inputs()[0].shape[1:], session.get_outputs()[0].shape[1:])
        if found != (list(self.manifest.input_shape), list(self.manifest.output_shape)):
            raise ModelUnavailable("The model has other shapes than its manifest says.", found=found)
        return session


class OnnxForecaster:
    """The glucose room's forecaster, from an ONNX file."""

    def __init__(self, path: Path) -> None:
        self._model = OnnxModel(path, ForecasterManifest)

    @property
    def version(self) -> str:
        return self._model.manifest.version

    @property
    def quantiles(self) -> tuple[float, ...]:
        return self._model.manifest.quantiles

    def predict(self, readings: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 96) readings in mg/dL -> (n, 12, Q) quantiles in mg/dL. Raises InvalidInput, ModelUnavailable.

        A window's quantiles are the same to the last bit whatever it is computed together with: the runtime adds up
        in another order for batches of another size, so every batch it gets has BATCH rows.
        """
        self._model.load()
        manifest = self._model.manifest
        rows = checked(readings, manifest.input_shape)
        answers = [self._model.run(batch) for batch in full_batches(rows)]
        return np.concatenate([np.empty((0, *manifest.output_shape)), *answers])[: len(rows)]


def full_batches(rows: NDArray[np.float32]) -> Iterator[NDArray[np.float32]]:
    """BATCH rows at a time; the last one is filled up with its last row."""
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        yield np.concatenate([batch, np.repeat(batch[-1:], BATCH - len(batch), axis=0)])


def read_manifest(path: Path, manifest: type[M]) -> M:
    try:
        return manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ModelUnavailable("The model's manifest is missing.", path=str(path)) from error
    except ValidationError as error:
        raise ModelUnavailable("The model's manifest cannot be read.", path=str(path)) from error


def verified(path: Path, sha256: str) -> bytes:
    """The file's content, once its SHA-256 is the expected one."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModelUnavailable("The model file is missing.", path=str(path)) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ModelUnavailable("The model file is not the one its manifest describes.", path=str(path))
    return content


def start_session(content: bytes, *, threads: int = 1) -> Any:
    """An onnxruntime session. Its threads sleep while there is nothing to do: Lambda meters the CPU."""
    import onnxruntime  # 90 ms, paid by whoever runs a model and not by whoever imports this file
    from onnxruntime.capi import onnxruntime_pybind11_state as failures

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except (failures.Fail, failures.InvalidGraph, failures.InvalidProtobuf, failures.NotImplemented) as error:
        raise ModelUnavailable("The model file cannot be loaded.") from error
