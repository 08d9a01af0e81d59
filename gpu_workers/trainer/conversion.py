"""A weights file → another format, compared with its source on sample inputs before anybody gets it."""

import importlib.util
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gpu_workers.trainer.detector import DetectorLibrary, Floats, OnnxForm
from gpu_workers.trainer.onnx_manifest import write_manifest
from quintet.kernel.errors import InvalidInput, QuintetError

FORMATS = {"onnx": "onnx", "tensorrt": "tensorrt", "trt": "tensorrt"}
RANGES = {"imgsz": (32, 4096), "batch_size": (1, 32), "opset": (11, 20), "workspace": (1, 16)}
STRIDE = 32
DEFAULTS: dict[str, Mapping[str, object]] = {
    "onnx": {"imgsz": 640, "batch_size": 1, "dynamic": False, "simplify": True, "opset": 17},
    "tensorrt": {"imgsz": 640, "batch_size": 1, "dynamic": False, "precision": "fp16", "workspace": 4},
}
SAMPLES = 3
TOLERANCE = {"fp32": 1e-4, "fp16": 2e-2}


class ParityBroken(QuintetError):
    """The converted model does not answer as its source does."""


class FormatUnavailable(InvalidInput):
    """This machine can't make the format; the message says what would work."""


@dataclass(frozen=True)
class Parity:
    """The largest difference between source and target over `samples` images, of scores and of boxes as a fraction of
    the image's side.
    """

    max_abs_diff: float
    samples: int
    tolerance: float

    @property
    def ok(self) -> bool:
        return self.max_abs_diff <= self.tolerance

    def told(self) -> dict[str, object]:
        return {"max_abs_diff": self.max_abs_diff, "samples": self.samples, "tolerance": self.tolerance, "ok": self.ok}


@dataclass(frozen=True)
class Conversion:
    """`artifacts` are the files made, the model first; `seconds` the whole time, parity included."""

    artifacts: tuple[Path, ...]
    options: Mapping[str, object]
    model_info: Mapping[str, object]
    seconds: float
    notes: tuple[str, ...] = ()


def convert(
    library: DetectorLibrary, source: Path, target_format: str, options: Mapping[str, object], folder: Path
) -> Conversion:
    """`<stem of source>.onnx` or `.engine` in `folder`, with a manifest beside it.

    Raises InvalidInput for a format, an option or a weights file that can't be, FormatUnavailable, ParityBroken.
    """
    start = time.monotonic()
    kind = format_of(target_format)
    chosen = checked(kind, options)
    folder.mkdir(parents=True, exist_ok=True)
    make = {"onnx": to_onnx, "tensorrt": to_tensorrt}[kind]
    artifacts, parity, notes = make(library, source, chosen, folder)
    info = {**file_info(artifacts[0]), "parity": parity.told()}
    return Conversion(artifacts, chosen, info, time.monotonic() - start, notes)


def format_of(target_format: str) -> str:
    """
    >>> format_of("TRT")
    'tensorrt'
    """
    if (kind := FORMATS.get(target_format.lower())) is None:
        raise InvalidInput(f"There is no conversion to {target_format!r}; onnx works, and tensorrt where a GPU is.")
    return kind


def checked(kind: str, options: Mapping[str, object]) -> dict[str, object]:
    """The options with defaults; an imgsz that is no multiple of 32 becomes the next one, as in training. Raises
    InvalidInput that names the option and what it may be.

    >>> checked("onnx", {"opset": 21})
    Traceback (most recent call last):
    quintet.kernel.errors.InvalidInput: opset must be a whole number from 11 to 20, not 21.
    """
    defaults = DEFAULTS[kind]
    if unknown := sorted(set(options) - set(defaults)):
        raise InvalidInput(f"{kind} has no option {', '.join(unknown)}; it has {', '.join(defaults)}.")
    chosen = {**defaults, **options}
    for name, value in chosen.items():
        if problem := wrong(name, value):
            raise InvalidInput(f"{name} must be {problem}, not {value}.")
    return chosen | {"imgsz": math.ceil(int(str(chosen["imgsz"])) / STRIDE) * STRIDE}


def wrong(name: str, value: object) -> str:
    """What the option would have to be; empty where it is right."""
    if name == "precision":
        return "" if value in tuple(TOLERANCE) else "fp16 or fp32 (int8 is not made yet)"
    if name in ("dynamic", "simplify"):
        return "" if isinstance(value, bool) else "true or false"
    low, high = RANGES[name]
    whole = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
    return "" if whole else f"a whole number from {low} to {high}"


def to_onnx(
    library: DetectorLibrary, source: Path, options: Mapping[str, object], folder: Path
) -> tuple[tuple[Path, ...], Parity, tuple[str, ...]]:
    form = OnnxForm(**options)  # type: ignore[arg-type]  # checked above
    target = folder / f"{source.stem}.onnx"
    report = library.export_onnx(source, target, form)
    parity = compared(library.predictor(source), onnx_predictor(target), form, TOLERANCE["fp32"])
    return (target, write_manifest(report, source.name)), parity, report.notes


def to_tensorrt(
    library: DetectorLibrary, source: Path, options: Mapping[str, object], folder: Path
) -> tuple[tuple[Path, ...], Parity, tuple[str, ...]]:
    """By way of ONNX, which stays beside the engine: an engine runs only on GPUs of the kind it was built on."""
    require_tensorrt()
    from gpu_workers.trainer.tensorrt_engine import build, engine_predictor

    names = ("imgsz", "batch_size", "dynamic")
    (onnx_model, manifest), _, notes = to_onnx(library, source, {name: options[name] for name in names}, folder)
    form = OnnxForm(**{name: options[name] for name in names})  # type: ignore[arg-type]
    engine = folder / f"{source.stem}.engine"
    precision, workspace = str(options["precision"]), int(str(options["workspace"]))
    build(onnx_model, engine, form, half=precision == "fp16", workspace_gib=workspace)
    parity = compared(library.predictor(source), engine_predictor(engine), form, TOLERANCE[precision])
    return (engine, onnx_model, manifest), parity, notes


def require_tensorrt() -> None:
    """Raises FormatUnavailable."""
    import torch

    if not torch.cuda.is_available():
        raise FormatUnavailable("tensorrt needs an NVIDIA GPU, and this machine has none; onnx works here.")
    if importlib.util.find_spec("tensorrt") is None:
        raise FormatUnavailable("tensorrt needs the package `tensorrt` beside the GPU; onnx works here.")


def compared(
    source: Callable[[Floats], Floats], target: Callable[[Floats], Floats], form: OnnxForm, tolerance: float
) -> Parity:
    """Raises ParityBroken."""
    differences = [difference(source(batch), target(batch), form.imgsz) for batch in batches(form)]
    samples = sum(len(batch) for batch in batches(form))
    parity = Parity(max(differences), samples, tolerance)
    if not parity.ok:
        raise ParityBroken(
            f"The converted model differs from its source by {parity.max_abs_diff:.2g}.", **parity.told()
        )
    return parity


def batches(form: OnnxForm) -> Iterator[Floats]:
    """At least SAMPLES images of seeded noise, coarse to fine; where the batch is open, in batches of two sizes."""
    random = np.random.default_rng(0)
    sizes = [1, max(2, form.batch_size)] if form.dynamic else [form.batch_size] * math.ceil(SAMPLES / form.batch_size)
    for size, grain in zip(sizes, (32, 8, 1), strict=False):
        coarse = random.random((size, 3, form.imgsz // grain, form.imgsz // grain), dtype=np.float32)
        yield np.ascontiguousarray(coarse.repeat(grain, axis=2).repeat(grain, axis=3))


def difference(expected: Floats, found: Floats, imgsz: int) -> float:
    """Of (b, 4 + classes, n); infinite where shapes differ or a number is not finite."""
    if expected.shape != found.shape or not np.isfinite(found).all():
        return math.inf
    apart = np.abs(expected - found)
    return float(max(apart[:, :4].max() / imgsz, apart[:, 4:].max()))


def onnx_predictor(model: Path) -> Callable[[Floats], Floats]:
    import onnxruntime

    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])

    def predict(images: Floats) -> Floats:
        rows: Floats = session.run(["output"], {"images": images})[0]
        return rows

    return predict


def file_info(artifact: Path) -> dict[str, object]:
    size = artifact.stat().st_size
    return {
        "file_size_bytes": size,
        "file_size_mb": round(size / 2**20, 2),
        "file_name": artifact.name,
        "file_extension": artifact.suffix,
    }
