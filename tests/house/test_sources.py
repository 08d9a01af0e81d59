"""Python files keep the rules of the house, and each rule sees what breaks it."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import pytest

from tests.house.sources import RULES, SHELVES, Source, vague_names

ROOT = Path(__file__).parents[2]
SHIPPED = [path for part in ("functions", "gpu_workers", "layers") for path in sorted((ROOT / part).rglob("*.py"))]

Rule = Callable[[Source], Iterator[str]]


def generated(path: Path) -> bool:
    return path.stem.endswith(("_pb2", "_pb2_grpc"))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_files_keep_the_rule(rule: Rule) -> None:
    sources = [Source.read(ROOT, path) for path in SHIPPED if not generated(path)]
    assert sources
    assert [problem for source in sources for problem in rule(source)] == []


def test_tools_and_tests_have_names_that_say_something() -> None:
    paths = [path for part in ("infra", "tests") for path in (ROOT / part).rglob("*.py")]
    assert [problem for path in paths for problem in vague_names(Source.read(ROOT, path))] == []


def test_import_contracts_know_every_room() -> None:
    contracts = (ROOT / "pyproject.toml").read_text().partition("[tool.importlinter]")[2]
    rooms = [path.parent.name for path in (ROOT / "layers/shared/quintet").glob("*/ports.py")]
    for room in set(rooms) - SHELVES:
        assert f'"quintet.{room}"' in contracts, f"the import contracts of pyproject.toml leave out {room}"


PACKAGE = "layers/shared/quintet"
BAD = [
    ("environment_reads", f"{PACKAGE}/entry/http.py", "import os\nos.environ['HOME']", "reads the environment"),
    ("environment_reads", "gpu_workers/trainer/main.py", "from os import getenv", "reads the environment"),
    ("broad_excepts", "functions/attic/api/app.py", "try: ...\nexcept (OSError, Exception): ...", "catches everything"),
    ("broad_excepts", "layers/shared/quintet/adapters/s3.py", "try: ...\nexcept: ...", "catches everything"),
    ("vendors_in_the_domain", f"{PACKAGE}/attic/dust.py", "def f():\n    import boto3.session", "imports boto3"),
    ("torch_in_a_layer", "layers/shared/quintet/attic/wiring.py", "from torch import nn", "imports torch"),
    ("vague_names", "layers/shared/quintet/attic/file_utils.py", "", "file_utils says nothing"),
    ("vague_names", "layers/shared/quintet/common/dust.py", "", "common says nothing"),
    ("vague_names", "layers/shared/quintet/attic/dust.py", "class DustManager: ...", "DustManager says nothing"),
    ("long_handlers", "functions/attic/api/app.py", '"""a → b"""' + "\n" * 41, "has 41 lines"),
    ("long_handlers", "functions/attic/api/app.py", '"""An app."""', "does not say where from"),
    ("long_handlers", "functions/attic/api/app.py", '"""a → b"""\nimport boto3', "imports boto3"),
    ("long_handlers", "functions/attic/api/app.py", '"""a → b"""\nimport quintet.cli', "for users' machines"),
    ("long_handlers", "functions/attic/api/app.py", '"""a → b"""\ntry: ...\nexcept OSError: ...', "tries"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "path", "text", "problem"), BAD)
def test_rule_sees_what_breaks_it(rule: str, path: str, text: str, problem: str) -> None:
    check = next(one for one in RULES if one.__name__ == rule)
    assert any(problem in said for said in check(Source(PurePosixPath(path), text)))


GOOD = [
    ("environment_reads", "layers/shared/quintet/kernel/settings.py", "import os\nos.environ"),
    ("broad_excepts", "layers/shared/quintet/entry/queues.py", "try: ...\nexcept Exception: ..."),
    ("vendors_in_the_domain", "layers/shared/quintet/attic/wiring.py", "import boto3"),
    ("vendors_in_the_domain", "layers/shared/quintet/attic/http/stairs.py", "import fastapi"),
    ("vendors_in_the_domain", "layers/shared/quintet/adapters/s3.py", "import boto3"),
    ("torch_in_a_layer", "gpu_workers/trainer/train.py", "import torch"),
    ("vague_names", "layers/shared/quintet/kernel/database.py", "class Baseline: ..."),
]


@pytest.mark.parametrize(("rule", "path", "text"), GOOD)
def test_rule_lets_the_rest_be(rule: str, path: str, text: str) -> None:
    check = next(one for one in RULES if one.__name__ == rule)
    assert not list(check(Source(PurePosixPath(path), text)))


def test_the_training_rooms_wiring_needs_no_web_framework() -> None:
    """The trainer carries none, and the queue functions start without it."""
    program = (
        "import sys, quintet.training.wiring; print({'fastapi', 'mangum', 'numpy', 'starlette'} & set(sys.modules))"
    )
    path = {"PYTHONPATH": str(ROOT / "layers/shared"), "PATH": os.environ["PATH"]}
    done = subprocess.run([sys.executable, "-c", program], env=path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
