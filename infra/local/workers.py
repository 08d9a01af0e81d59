"""The rooms' workers, containers on AWS and processes here: which program stands for which image.

`python -m infra.local.workers trainer` makes the trainer's environment and prints its interpreter.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from infra.local.cloud import ROOT, Cloud
from infra.local.commands import run
from infra.local.environments import HERE, RETRY, digest, renewed, uv
from infra.local.folder import Folder, exclusive
from infra.local.ports import Ports
from infra.local.progress import Progress
from infra.local.rooms import Room, chosen

Commands = dict[str, list[str]]


@dataclass(frozen=True)
class Worker:
    """`first` is installed by pip, in this order, before the lock, which holds nothing of it; in `variables`,
    `{home}` is the environment's folder. One `at_need` has its environment made when its first task starts.
    """

    name: str
    first: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    at_need: bool = False

    @property
    def lock(self) -> Path:
        return HERE / "locks" / f"{self.name}.lock"

    @property
    def main(self) -> Path:
        return ROOT / "gpu_workers" / self.name / "main.py"


# A task's home is new each time: what matplotlib finds out about the fonts is kept beside the interpreter. Threads that
# wait for each other sleep (on cores that others want, spinning takes ten times the CPU), and freed memory is kept for
# the next batch.
TRAINING = {
    "MPLCONFIGDIR": "{home}/matplotlib",
    "OMP_WAIT_POLICY": "PASSIVE",
    "MALLOC_MMAP_THRESHOLD_": "2000000000",
    "MALLOC_TRIM_THRESHOLD_": "8000000000",
}

SELECTING = {"OMP_WAIT_POLICY": "PASSIVE"}

WORKERS = {
    worker.name: worker
    for worker in [
        Worker("calibrator"),
        Worker("forecaster"),
        Worker("selector", ("torch==2.13.0",), SELECTING, at_need=True),
        Worker("trainer", ("torch==2.13.0", "torchvision==0.28.0"), TRAINING),
    ]
}


def commands(cloud: Cloud) -> Commands:
    """By image; what the user's QUINTET_WORKERS (JSON, of the same form) names is run instead of ours."""
    given: Commands = json.loads(os.environ.get("QUINTET_WORKERS") or "{}")
    ours = [worker for worker in needed(chosen(cloud.rooms)) if image(worker) not in given]
    return {image(worker): program(cloud, worker) for worker in ours} | given


def program(cloud: Cloud, worker: Worker) -> list[str]:
    if worker.at_need:
        return [sys.executable, str(HERE / "worker_at_need.py"), worker.name]
    return command(environment(cloud, worker), worker)


def command(python: Path, worker: Worker) -> list[str]:
    variables = [f"{name}={value.format(home=python.parents[1])}" for name, value in worker.variables.items()]
    return [*(["/usr/bin/env", *variables] if variables else []), str(python), str(worker.main)]


def needed(rooms: Iterable[Room]) -> list[Worker]:
    return [WORKERS[name] for name in sorted({name for room in rooms for name in room.workers})]


def image(worker: Worker) -> str:
    return f"quintet/{worker.name}"


def environment(cloud: Cloud, worker: Worker) -> Path:
    """The worker's interpreter, in an environment made now unless it is there and its lock unchanged."""
    target = cloud.workshop / "venvs" / worker.name
    with exclusive(target.with_name(f"{worker.name}.lock"), cloud.progress):
        renewed(target, ".made", state(worker), lambda: make(cloud, target, worker))
    return target / "bin/python"


def state(worker: Worker) -> str:
    return " ".join([str(ROOT), *worker.first, digest(worker.lock)])


def make(cloud: Cloud, target: Path, worker: Worker) -> None:
    with cloud.progress.step(f"Installing the libraries of the {worker.name} (once, some minutes)"):
        shutil.rmtree(target, ignore_errors=True)
        run([sys.executable, "-m", "venv", target], dict(os.environ), ROOT, RETRY)
        python = target / "bin/python"
        for package in worker.first:
            run([python, "-m", "pip", "install", "--quiet", package], PIP | dict(os.environ), ROOT, RETRY)
        # not the dependencies: those of the packages that came first are no part of the lock
        uv("pip", "install", "--quiet", "--require-hashes", "--no-deps", "--python", python, "-r", worker.lock)
        path = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages/quintet.pth"
        (target / path).write_text(f"{ROOT / 'layers/shared'}\n{ROOT}\n")


PIP = {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1"}


def made(worker: Worker) -> Path:
    """The interpreter of the worker's environment in the checkout's own folder."""
    progress = Progress()
    return environment(Cloud(folder=Folder(ROOT / ".local"), ports=Ports(progress), progress=progress), worker)


def main() -> None:
    print(made(WORKERS[sys.argv[1]]))


if __name__ == "__main__":
    main()
