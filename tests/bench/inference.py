"""Detection in the function beside the library's own predict: the same image, the same weights, one thread of a CPU.

    PYTHONPATH=infra/local/plugins python -m tests.bench.inference [--weights best.pt] [--images folder]

Each column is a process of its own, and its first three rows are medians of fresh ones: `import` is what the handler
(or the library) imports, `model` the model loaded from memory (from its file), `first` the first image of a process,
`next` the median of the following. The function's INIT comes from the built layers in Lambda's runtime, as in
init_time. Without --weights an untrained YOLOv9-t stands in, which is as slow as a trained one. The library's column
needs the trainer's environment (.local/venvs/trainer); without it nothing can be exported, and --onnx names a model
with its manifest beside it.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[2]
TRAINER = ROOT / ".local/venvs/trainer/bin/python"
PHOTOS = ROOT.parent / "shared/data/detection/bccd/images/val"
OVERLAP = 0.45
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
ROWS = ("import", "model", "first", "next", "memory")

Told = dict[str, Any]


def ours(model: Path, images: Sequence[Path], conf: float) -> Told:
    start = time.perf_counter()
    import onnxruntime
    from PIL import BmpImagePlugin, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

    from quintet.adapters.onnx_detector import OnnxDetector
    from quintet.adapters.pillow_images import PillowImages
    from quintet.training.detection import found
    from quintet.training.manifest import manifest_key, verified
    from quintet.training.messages import DetectionOptions

    assert all((onnxruntime, BmpImagePlugin, JpegImagePlugin, PngImagePlugin, WebPImagePlugin))
    imported = time.perf_counter()
    content, manifest = model.read_bytes(), Path(manifest_key(str(model))).read_bytes()
    detector = OnnxDetector(content, verified(model.name, content, manifest))
    loaded = time.perf_counter()
    reader, options = PillowImages(), DetectionOptions(conf=conf, iou=OVERLAP)

    def predict(path: Path) -> list[Any]:
        seen = found(reader.read(path.read_bytes()), detector, options)
        return [[*one.bbox_xyxy, one.confidence, one.class_id] for one in seen]

    return measured(predict, images, start, imported, loaded)


def library(weights: Path, images: Sequence[Path], conf: float, imgsz: int) -> Told:
    start = time.perf_counter()
    import torch

    from gpu_workers.trainer.torchvision_on_cpu import with_nms

    with_nms()
    from libreyolo import LibreYOLO9

    torch.set_num_threads(1)
    imported = time.perf_counter()
    told = torch.load(weights, map_location="cpu", weights_only=True)
    model = LibreYOLO9(str(weights), size=told["size"], nb_classes=int(told["nc"]), device="cpu")
    loaded = time.perf_counter()

    def predict(path: Path) -> list[Any]:
        boxes = model.predict(str(path), conf=conf, iou=OVERLAP, imgsz=imgsz).boxes
        return torch.cat([boxes.xyxy, boxes.conf[:, None], boxes.cls[:, None]], dim=1).tolist()  # type: ignore[no-any-return]

    return measured(predict, images, start, imported, loaded)


def measured(predict: Any, images: Sequence[Path], start: float, imported: float, loaded: float) -> Told:
    """Milliseconds, and what was found in the images, at least two."""
    moments, found = [time.perf_counter()], []
    for path in images:
        found.append(predict(path))
        moments.append(time.perf_counter())
    each = [1000 * (after - before) for before, after in pairwise(moments)]
    return {
        "import": 1000 * (imported - start),
        "model": 1000 * (loaded - imported),
        "first": each[0],
        "next": median(each[1:]),
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "found": found,
    }


def export(weights: Path | None, folder: Path, imgsz: int) -> Path:
    """The weights, or an untrained network's, as `model.pt` and `model.onnx` with its manifest in `folder`."""
    from gpu_workers.trainer.detector import OnnxForm
    from gpu_workers.trainer.libreyolo_detector import LibreYolo
    from gpu_workers.trainer.onnx_manifest import write_manifest

    made = folder / "model.pt"
    made.write_bytes((weights or untrained(folder / "untrained.pt")).read_bytes())
    report = LibreYolo().export_onnx(made, folder / "model.onnx", OnnxForm(imgsz=imgsz))
    write_manifest(report, made.name)
    return made


def untrained(path: Path) -> Path:
    import torch

    from gpu_workers.trainer.torchvision_on_cpu import with_nms

    with_nms()
    from libreyolo import LibreYOLO9

    torch.manual_seed(0)
    model = LibreYOLO9(None, size="t", nb_classes=3, device="cpu")
    told = {"schema_version": "1.0", "model_family": "yolo9", "size": "t", "task": "detect", "nc": 3, "imgsz": 640}
    names = {0: "a", 1: "b", 2: "c"}
    torch.save({**told, "names": names, "letterbox_pad": "center", "model": model.model.state_dict()}, path)
    return path


def fresh(python: Path, *arguments: object) -> Told:
    """What this file says when run by `python` with these arguments."""
    search = os.pathsep.join(map(str, (ROOT, ROOT / "layers/shared")))
    variables = {**ONE_THREAD, "PATH": os.defpath, "PYTHONPATH": search, "HOME": tempfile.gettempdir()}
    command = [str(python), "-m", "tests.bench.inference", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr[-3000:])
    answer: Told = json.loads(done.stdout.splitlines()[-1])
    return answer


def repeated(python: Path, runs: int, *arguments: object) -> Told:
    told = [fresh(python, *arguments) for _ in range(runs + 1)][1:]
    return {**told[-1], **{row: median(one[row] for one in told) for row in ROWS}}


def differences(one: Told, other: Told) -> str:
    """How far apart what both found is, box by box in the order of their scores."""
    pairs = list(zip(one["found"], other["found"], strict=True))
    equal = [(mine, theirs) for mine, theirs in pairs if [box[5] for box in mine] == [box[5] for box in theirs]]
    apart = [
        (max(abs(a - b) for a, b in zip(mine[:4], theirs[:4], strict=True)), abs(mine[4] - theirs[4]))
        for left, right in equal
        for mine, theirs in zip(left, right, strict=True)
    ]
    boxes, scores = (max((pair[part] for pair in apart), default=0.0) for part in (0, 1))
    return (
        f"{len(equal)} of {len(pairs)} images have the same objects ({len(apart)} boxes), "
        f"at most {boxes:.3f} pixels and {scores:.5f} of confidence apart"
    )


def photographs(folder: Path, count: int, place: Path) -> list[Path]:
    """Those of `folder`, over and over; of noise where there is none."""
    found = sorted(folder.glob("*.jpg"))
    if not found:
        import numpy as np
        from PIL import Image

        noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
        Image.fromarray(noise).save(place / "noise.jpg")
        found = [place / "noise.jpg"]
    return [found[index % len(found)] for index in range(count)]


def function_init(runs: int) -> str:
    from infra.local.errors import CloudError
    from tests.bench.init_time import measure
    from tests.house.bundles import build_bundles

    try:
        built = [bundle for bundle in build_bundles() if bundle.label == "training inference"]
    except CloudError as error:
        return f"not measured: {error}"
    rows = [row for row in measure(built, runs) if row.closed]
    size = sum(bundle.bytes() for bundle in built) / 1e6
    return ", ".join(f"{row.closed:.0f} ms above bare Python, {size:.0f} MB unzipped" for row in rows) or "not built"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--onnx", type=Path)
    parser.add_argument("--images", type=Path, default=PHOTOS)
    parser.add_argument("--imgsz", type=int, default=640)
    parser.add_argument("--conf", type=float, default=0.25)
    parser.add_argument("--runs", type=int, default=5, help="fresh processes")
    parser.add_argument("--count", type=int, default=40, help="images a process")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--part", choices=["export", "ours", "library"], help=argparse.SUPPRESS)
    parser.add_argument("files", nargs="*", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.part:
        print(json.dumps(part(given)))
        return
    with tempfile.TemporaryDirectory(prefix="quintet-bench-") as folder:
        compare(given, Path(folder))


def part(given: argparse.Namespace) -> Told:
    model, *images = given.files
    if given.part == "export":
        return {"made": str(export(given.weights, model, given.imgsz))}
    if given.part == "ours":
        return ours(model, images, given.conf)
    return library(model, images, given.conf, given.imgsz)


def compare(given: argparse.Namespace, folder: Path) -> None:
    images = photographs(given.images, given.count, folder)
    onnx, columns = given.onnx, {}
    options = ("--imgsz", given.imgsz, "--conf", given.conf, "--part")
    if TRAINER.exists() and not onnx:
        chosen = ("--weights", given.weights.resolve()) if given.weights else ()
        weights = Path(fresh(TRAINER, *chosen, *options, "export", folder)["made"])
        onnx = weights.with_suffix(".onnx")
        columns["library"] = repeated(TRAINER, given.runs, *options, "library", weights, *images)
    if not onnx:
        raise SystemExit("There is no trainer's environment to export a model with: name one with --onnx.")
    columns = {"ours": repeated(Path(sys.executable), given.runs, *options, "ours", onnx, *images)} | columns
    report(columns, given)
    print(f"\nINIT of the function: {function_init(given.runs)}")


def report(columns: dict[str, Told], given: argparse.Namespace) -> None:
    print(f"imgsz {given.imgsz}, {given.count} images a process, medians of {given.runs} processes, one thread\n")
    print(" " * 22 + "".join(f"{name:>12}" for name in columns))
    for row in ROWS:
        unit = "MiB at most" if row == "memory" else "ms"
        print(f"{row:<8} {unit:<12} " + "".join(f"{told[row]:12.1f}" for told in columns.values()))
    if len(columns) == 2:
        print(f"\n{differences(*columns.values())}")
    if given.json:
        told = {name: {row: values[row] for row in ROWS} for name, values in columns.items()}
        given.json.write_text(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
