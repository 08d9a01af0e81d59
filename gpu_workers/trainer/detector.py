"""What the trainer needs of a detection library: train, go on, stop, export.

A library's failures come as one of these; any other exception keeps its class and its message.

    QuintetError
    ├── InvalidInput
    │   ├── UnknownModel     no such model in this library; the message names those that would work
    │   ├── BadWeights       a weights file that is no weights file, or of another model
    │   └── BadData          images or labels that can't be trained on
    └── OutOfResources       the machine is too small
        ├── OutOfMemory      "CUDA out of memory" on a GPU, else "out of memory"
        └── DiskFull
"""

import errno
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from quintet.kernel.errors import InvalidInput, QuintetError

Floats = NDArray[np.float32]


class UnknownModel(InvalidInput):
    """The library has no model of this name."""


class BadWeights(InvalidInput):
    """A file is no weights file of ours, or of another model."""


class BadData(InvalidInput):
    """Images or labels can't be trained on."""


class OutOfResources(QuintetError):
    """The machine is too small for the job."""


class OutOfMemory(OutOfResources):
    """The GPU's memory, or the host's, is full."""


class DiskFull(OutOfResources):
    """No space is left on the device."""


@dataclass(frozen=True)
class TrainingPlan:
    """`model` is the requested name; `pretrained` a weights file to begin with; `device` None chooses a GPU if there
    is one; `extra` are settings that go to the library by its own names.
    """

    model: str
    epochs: int
    batch: int = 16
    imgsz: int = 640
    seed: int = 0
    device: str | None = None
    pretrained: Path | None = None
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class EpochMetrics:
    """`epoch` counts from 1. Losses are means over the epoch's batches, mAPs are of the validation images after it;
    what a library does not tell is NaN.
    """

    epoch: int
    train_loss: float
    mAP50: float  # noqa: N815  as on the wire
    box_loss: float
    cls_loss: float
    dfl_loss: float
    seconds: float
    mAP50_95: float = float("nan")  # noqa: N815
    lr: float = float("nan")


@dataclass(frozen=True)
class Trained:
    """`metrics` are those of the best epoch, `final` those of the last one; `stopped` says that `should_stop` was
    answered yes. Without a finished epoch there are no metrics, and the files may be missing.
    """

    best: Path
    last: Path
    epochs: int
    metrics: EpochMetrics | None
    final: EpochMetrics | None
    stopped: bool


@dataclass(frozen=True)
class OnnxForm:
    """`dynamic` leaves the number of images in a batch open; images are squares of imgsz pixels either way."""

    imgsz: int = 640
    batch_size: int = 1
    dynamic: bool = False
    simplify: bool = True
    opset: int = 17


@dataclass(frozen=True)
class ExportReport:
    """What was written. `letterbox` is where images of another shape were put on the square while training: "center",
    "center_rounded" or "topleft". `metrics` and `trained_at` (ISO 8601) are as the weights file tells, `notes` are for
    the log.
    """

    target: Path
    form: OnnxForm
    model: str
    family: str
    names: tuple[str, ...]
    letterbox: str
    metrics: Mapping[str, float]
    trained_at: str | None
    notes: tuple[str, ...] = ()


OnEpoch = Callable[[EpochMetrics, Path], None]
"""Called after each epoch, with the checkpoint that a later `train(resume=…)` goes on from."""


class DetectorLibrary(Protocol):
    name: str
    version: str
    settings: frozenset[str]
    """Names of what `extra` of a plan may hold."""

    def resolves(self, model: str) -> str:
        """The library's own name of the requested model. Raises UnknownModel."""
        ...

    def model_of(self, weights: Path) -> str:
        """The library's own name of the model that a weights file is of. Raises BadWeights."""
        ...

    def device(self, wanted: str | None) -> str:
        """What a plan with this `device` is trained on, for people."""
        ...

    def train(
        self,
        plan: TrainingPlan,
        dataset_yaml: Path,
        workdir: Path,
        *,
        resume: Path | None = None,
        on_epoch: OnEpoch,
        should_stop: Callable[[], bool],
    ) -> Trained:
        """Train until `plan.epochs` epochs are done, those before `resume` among them. `should_stop` is asked before
        each batch, in the calling thread. Whatever `on_epoch` and `should_stop` raise ends the training and comes out
        as it is. Everything is written below `workdir`.
        """
        ...

    def export_onnx(self, weights: Path, target: Path, form: OnnxForm) -> ExportReport:
        """Write `target`: input `images` (b, 3, imgsz, imgsz) RGB in 0..1, output (b, 4 + classes, n): rows of x1, y1,
        x2, y2 in pixels of the input, then one score a class. Raises BadWeights.
        """
        ...

    def predictor(self, weights: Path) -> Callable[[Floats], Floats]:
        """The same from images to rows, run by the library itself on the CPU. Raises BadWeights."""
        ...


@contextmanager
def failures_told() -> Iterator[None]:
    """Memory and disk failures of a library as OutOfMemory and DiskFull."""
    try:
        yield
    except MemoryError as error:
        raise OutOfMemory("out of memory") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull("No space left on device") from error
        raise
    except RuntimeError as error:  # torch says all of them so
        if found := told(str(error).lower()):
            raise found from error
        raise


SIGNS = (
    ("cuda out of memory", OutOfMemory, "CUDA out of memory"),
    ("cuda error: out of memory", OutOfMemory, "CUDA out of memory"),
    ("cublas_status_alloc_failed", OutOfMemory, "CUDA out of memory"),
    ("can't allocate memory", OutOfMemory, "out of memory"),
    ("is killed by signal: killed", OutOfMemory, "out of memory"),
    ("out of shared memory", OutOfMemory, "out of shared memory"),
    ("no space left on device", DiskFull, "No space left on device"),
    ("pytorchstreamwriter failed writing", DiskFull, "No space left on device"),
    ("unexpected pos", DiskFull, "No space left on device"),  # a short write, noticed when the file is closed
)


def told(said: str) -> OutOfResources | None:
    """
    >>> told("cuda out of memory. tried to allocate 20.00 mib.")
    OutOfMemory('CUDA out of memory')
    """
    return next((error(message, said=said) for sign, error, message in SIGNS if sign in said), None)
