"""Synthetic drives → the models that come with the program: the same bytes whenever it is run.

    python -m gpu_workers.selector.packaged [--out layers/shared/quintet/handover/model]

`pairs.onnx` is what an empty deployment answers with; `online.onnx` is the graph of every online model;
`fixed_labels/` is the original's bootstrap: a classifier over its three antennas.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version as installed
from pathlib import Path

import numpy as np

from gpu_workers.selector.online_graph import online_graph
from quintet.adapters.lightgbm_trees import LightgbmTrees
from quintet.handover import bootstrap
from quintet.handover.drift import baseline_of
from quintet.handover.examples import Example, examples_of
from quintet.handover.features import LABEL_FEATURES, PAIR_FEATURES
from quintet.handover.fixed_labels import FixedLabels
from quintet.handover.learning import Fit, Model
from quintet.handover.manifest import Manifest, digest_of
from quintet.handover.online import GRAPH
from quintet.handover.ranking import Ranking

FOLDER = GRAPH.parent
MADE = "2026-11-22T00:00:00+00:00"
"""When its recipe was last changed: the bytes must not depend on when it was followed."""
SAMPLES = 6_000
LIBRARIES = ("lightgbm", "numpy", "onnx")


def write(out: Path, *, samples: int = SAMPLES) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / "online.onnx").write_bytes(online_graph())
    drives = examples_of(bootstrap.drawn(np.random.default_rng(bootstrap.SEED), samples=samples), 0.0)
    package(Ranking(LightgbmTrees()), drives, out, "1.0.0", PAIR_FEATURES)
    original = [example for example in drives if labelled_as_original(example)]
    package(FixedLabels(LightgbmTrees()), original, out / "fixed_labels", "1.0.0-fixed-labels", LABEL_FEATURES)


def labelled_as_original(example: Example) -> bool:
    """Whether it was on the original's plane: every third drive."""
    return int(example.ue.removeprefix("drive-")) % 3 == 0


def package(model: Model, examples: Sequence[Example], out: Path, version: str, features: Sequence[str]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    fit = model.fit(examples, seed=bootstrap.SEED)
    files = model.files()
    for name, content in files.items():
        (out / name).write_bytes(content)
    described = manifest(model, fit, files, examples, version, features)
    (out / "manifest.json").write_text(
        json.dumps(json.loads(described.model_dump_json(by_alias=True)), indent=2) + "\n"
    )
    print(json.dumps({"version": version, "samples": fit.samples, **fit.metrics}), file=sys.stderr)


def manifest(
    model: Model,
    fit: Fit,
    files: Mapping[str, bytes],
    examples: Sequence[Example],
    version: str,
    features: Sequence[str],
) -> Manifest:
    return Manifest(
        version=version,
        kind=model.kind,
        files={name: digest_of(content) for name, content in files.items()},
        features=tuple(features),
        trained_at=MADE,
        samples=fit.samples,
        classes=fit.classes,
        seed=bootstrap.SEED,
        reason="packaged with the program: synthetic drives by TR 38.901",
        metrics={**fit.metrics, **fit.more},
        importance=dict(fit.importance),
        libraries={name: installed(name) for name in LIBRARIES},
        baseline=baseline_of([example.look for example in examples]),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=FOLDER)
    parser.add_argument("--samples", type=int, default=SAMPLES)
    options = parser.parse_args()
    write(options.out, samples=options.samples)


if __name__ == "__main__":
    main()
