"""Retraining on 10,000 samples: seconds, and the memory of a process that does nothing else.

    .venv/bin/python -m tests.bench.handover_training [--samples 10000] [--kinds lightgbm,online,fixed_labels]

The samples are synthetic drives, stored as a request's are: reading them, their features, learning, ONNX, the signed
version. `lstm` and `ensemble` need the selector's environment (.local/venvs/selector-tests/bin/python).
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np

from quintet.adapters.lightgbm_trees import LightgbmTrees
from quintet.adapters.memory import MemoryObjects
from quintet.adapters.memory_rows import MemoryRows
from quintet.handover import bootstrap
from quintet.handover.examples import examples_of
from quintet.handover.learning import Model
from quintet.handover.making import makers
from quintet.handover.messages import TrainingSample
from quintet.handover.runs import Run
from quintet.handover.settings import Models
from quintet.handover.training import SAMPLES, SEED
from quintet.handover.versions import Versions
from quintet.kernel.clock import SystemClock, stopwatch

ROOT = Path(__file__).parents[2]


def model_of(kind: str) -> Model:
    known = makers(LightgbmTrees(), Models())
    run = partial(Run, id="bench", reason="request", created_at=SystemClock().now())
    if kind in known:
        return known[kind]([], run(kind=kind), lambda _: None)
    from gpu_workers.selector.ensemble_model import Ensemble
    from gpu_workers.selector.sequence_model import SequenceRanking

    lstm = SequenceRanking()
    return lstm if kind == "lstm" else Ensemble(known["lightgbm"]([], run(kind="lightgbm"), lambda _: None), lstm)


def measured(kind: str, body: bytes) -> dict[str, object]:
    """Of one training, in this process alone."""
    model, before, begun = model_of(kind), memory(), stopwatch()
    samples = SAMPLES.validate_json(body)
    read = stopwatch()
    examples = examples_of(samples, time.time())
    looked = stopwatch()
    fit = model.fit(examples, seed=SEED)
    learnt = stopwatch()
    Versions(MemoryObjects(), MemoryRows(), lambda: (b"k" * 32,), SystemClock()).publish(
        model.kind, model.files(), features=("bench",)
    )
    ended = stopwatch()
    parts = {
        "reading": read - begun,
        "examples": looked - read,
        "learning": learnt - looked,
        "publishing": ended - learnt,
    }
    return {
        "kind": kind,
        "samples": fit.samples,
        "seconds": round(ended - begun, 1),
        **{name: round(seconds, 1) for name, seconds in parts.items()},
        "mb_before": round(before),
        "mb_most": round(memory()),
        "val_accuracy": fit.metrics["val_accuracy"],
    }


def memory() -> float:
    """The most MiB that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def stored(samples: list[TrainingSample]) -> bytes:
    return json.dumps([sample.model_dump(mode="json", exclude_none=True) for sample in samples]).encode()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--kinds", default="lightgbm,online,fixed_labels")
    parser.add_argument("--one", help="the kind to train on the samples of standard input")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(options.one, sys.stdin.buffer.read())))
        return
    body = stored(bootstrap.drawn(np.random.default_rng(SEED), samples=options.samples))
    print(f"{options.samples} samples, {len(body) / 1e6:.1f} MB")
    for kind in options.kinds.split(","):
        command = [sys.executable, "-m", "tests.bench.handover_training", "--one", kind]
        subprocess.run(command, input=body, check=True, cwd=ROOT)


if __name__ == "__main__":
    main()
