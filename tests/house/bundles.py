"""What `sam build` makes: each function with its layers, as Lambda will see it."""

import json
import os
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from infra.local.build import build
from infra.local.cloud import ROOT, Cloud
from infra.local.environments import environment
from infra.local.folder import Folder
from infra.local.ports import Ports
from infra.local.progress import Progress
from tests.house.conditions import Chosen
from tests.house.templates import FUNCTION, Template, target

LIMIT = 250 * 1024 * 1024
"""Bytes that Lambda takes of a function and its layers, unzipped."""

HEAVY = ("aws_xray_sdk", "lightgbm", "matplotlib", "mlflow", "pandas", "scipy", "sklearn", "torch")
MAY: dict[str, tuple[str, ...]] = {}
"""Functions that need one of these: "room name" -> what they may import."""


@dataclass(frozen=True)
class Bundle:
    """One function: its code, its built layers in the order in which they are laid, and its settings by default."""

    room: str
    name: str
    handler: str
    task: Path
    layers: tuple[Path, ...]
    variables: dict[str, Any]

    @property
    def label(self) -> str:
        return f"{self.room} {self.task.name}"

    def bytes(self) -> int:
        return sum(size(folder) for folder in (self.task, *self.layers))


def size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


def oversize(bundle: Bundle, limit: int = LIMIT) -> Iterator[str]:
    if (taken := bundle.bytes()) > limit:
        yield f"{bundle.label} takes {taken / 1e6:.0f} MB unzipped, more than {limit / 1e6:.0f}"


def imported(bundle: Bundle) -> set[str]:
    """Modules that importing the handler loads, in a fresh process without settings. Raises CalledProcessError."""
    path = os.pathsep.join(str(folder) for folder in (bundle.task, *(layer / "python" for layer in bundle.layers)))
    module = bundle.handler.partition(".")[0]
    ask = f"import json, sys, {module}; print(json.dumps(sorted(sys.modules)), file=sys.stderr)"
    command = [str(lambda_python()), "-B", "-c", ask]
    variables = {"PYTHONPATH": path, "PATH": os.defpath}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    return set(json.loads(done.stderr.splitlines()[-1]))


def heavy(bundle: Bundle, modules: Collection[str]) -> Iterator[str]:
    for name in HEAVY:
        if name in modules and name not in MAY.get(bundle.label, ()):
            yield f"{bundle.label} imports {name}"


def bundles(built: Path) -> list[Bundle]:
    """Every function of every room in the built root template."""
    root = Template.read(built)
    stacks = root.resources("AWS::Serverless::Application").items()
    rooms = {name.lower(): Template.read(built.parent / stack["Location"]) for name, stack in stacks}
    return [bundle for name, template in rooms.items() for bundle in room_bundles(name, template)]


def room_bundles(room: str, template: Template) -> Iterator[Bundle]:
    layers = template.resources("AWS::Serverless::LayerVersion")
    chosen = Chosen(template, Table="a-table", Bucket="a-bucket")
    for name, function in template.resources(FUNCTION).items():
        contents = [layers[target(layer)]["ContentUri"] for layer in function.get("Layers", [])]
        yield Bundle(
            room=room,
            name=name,
            handler=function["Handler"],
            task=(template.path.parent / function["CodeUri"]).resolve(),
            layers=tuple((template.path.parent / content).resolve() for content in contents),
            variables=chosen.taken(function.get("Environment", {}).get("Variables", {})),
        )


@cache
def workplace() -> Cloud:
    progress = Progress()
    return Cloud(folder=Folder(ROOT / ".local"), ports=Ports(progress), progress=progress)


def build_bundles() -> list[Bundle]:
    """Built now, from the cache where nothing changed. Raises CloudError."""
    return bundles(build(workplace()))


def lambda_python() -> Path:
    """An interpreter with what the managed runtime has: awslambdaric and boto3. Raises CloudError."""
    return environment(workplace(), "lambda")


def here() -> str:
    return f"python{sys.version_info.major}.{sys.version_info.minor}"
