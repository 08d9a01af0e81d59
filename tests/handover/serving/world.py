"""A room with versions to publish, switch and break, without any server."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from quintet.adapters.memory import MemoryObjects
from quintet.adapters.memory_rows import MemoryRows
from quintet.adapters.onnx_graph import OnnxGraph
from quintet.handover.features import LABEL_FEATURES, LENGTH, PAIR_FEATURES, SEQUENCE_FEATURES
from quintet.handover.history import EMPTY, History
from quintet.handover.manifest import Manifest, digest_of
from quintet.handover.messages import Kind
from quintet.handover.packaged import Packaged
from quintet.handover.serving import Serving
from quintet.handover.sights import Candidate, Look, Sight
from quintet.handover.versions import Versions
from quintet.kernel.clock import SteppedClock
from quintet.kernel.rows import Rows
from tests.handover.serving import graphs

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
PREFIX = "handover/models"
CELLS = ("antenna_1", "AAAAA1001", "x")
Weights = Mapping[str, float]
STRONGEST: Weights = {"rsrp_rank": -1.0}
"""Of features, for the strongest cell."""

WEAKEST: Weights = {"rsrp_rank": 1.0}


@dataclass
class World:
    folder: Path
    clock: SteppedClock = field(default_factory=SteppedClock)
    objects: MemoryObjects = field(default_factory=MemoryObjects)
    rows: Rows = field(default_factory=MemoryRows)
    keys: tuple[bytes, ...] = (KEY,)
    seconds: float = 100.0

    def __post_init__(self) -> None:
        package(self.folder, "lightgbm", {"pairs.onnx": graphs.linear(**STRONGEST)}, "1.0.0")
        self.versions = Versions(self.objects, self.rows, lambda: self.keys, self.clock, Packaged(self.folder))
        self.serving = self.environment()

    def environment(self, **how: Any) -> Serving:
        """One of many that share the rows and the bucket."""
        return Serving(self.versions, OnnxGraph, ticks=lambda: self.seconds, **how)

    def publish(self, kind: Kind = "lightgbm", weights: Weights = WEAKEST, version: str | None = None) -> str:
        files = files_of(kind, **weights)
        return self.versions.publish(kind, files, version=version, **described(kind)).version

    def key(self, version: str, file: str) -> str:
        return f"{PREFIX}/{version}/{file}"

    def alter(self, version: str, file: str) -> None:
        content, _ = self.objects.get(self.key(version, file))
        self.objects.put(self.key(version, file), content[:-1] + bytes([content[-1] ^ 1]))


def package(folder: Path, kind: Kind, files: dict[str, bytes], version: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    digests = {name: digest_of(content) for name, content in files.items()}
    manifest = Manifest(version=version, kind=kind, files=digests, **described(kind))
    for name, content in files.items():
        (folder / name).write_bytes(content)
    (folder / "manifest.json").write_text(manifest.model_dump_json(by_alias=True))


def files_of(kind: Kind, **weights: float) -> dict[str, bytes]:
    pairs, steps = {"pairs.onnx": graphs.linear(**weights)}, {"sequences.onnx": graphs.over_steps()}
    shares = {"ensemble.json": json.dumps({"schema": 1, "weights": {"lightgbm": 1, "lstm": 3}}).encode()}
    return {
        "lightgbm": pairs,
        "lstm": steps,
        "ensemble": {**pairs, **steps, **shares},
        "online": {"online.onnx": graphs.online(), "weights.json": weights_text(**weights).encode()},
        "fixed_labels": {
            "labels.onnx": graphs.labels(("antenna_1", "antenna_3"), "antenna_3"),
            "labels.json": json.dumps({"schema": 1, "labels": ["antenna_1", "antenna_3"]}).encode(),
        },
    }[kind]


def weights_text(**weights: float) -> str:
    count = len(PAIR_FEATURES)
    given = [weights.get(name, 0.0) for name in PAIR_FEATURES]
    return json.dumps({"mean": [0.0] * count, "scale": [1.0] * count, "weights": given, "bias": [0.5], "updates": 7})


def described(kind: Kind) -> dict[str, Any]:
    about: dict[str, Any] = {"features": LABEL_FEATURES if kind == "fixed_labels" else PAIR_FEATURES, "seed": 1}
    if kind in {"lstm", "ensemble"}:
        about |= {"sequence_features": SEQUENCE_FEATURES, "length": LENGTH}
    return about


def sight(at: float = 0.0, *levels: float, cells: tuple[str, ...] = CELLS, serving: str | None = None) -> Sight:
    """The cells with these levels in dBm, falling ones where none are given."""
    given = levels or tuple(-70.0 - 9 * number for number in range(len(cells)))
    heard = tuple(Candidate(cell, level, 10.0, -10.0) for cell, level in zip(cells, given, strict=True))
    return Sight(at=at, x=0.0, y=0.0, serving=serving or cells[0], candidates=heard)


def look(*levels: float, history: History = EMPTY, cells: tuple[str, ...] = CELLS) -> Look:
    return Look(sight(20.0, *levels, cells=cells), history)
