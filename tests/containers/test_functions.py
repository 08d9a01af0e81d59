"""`sam build` and `sam local invoke` of every zip function, with recorded events.

An event stands in tests/events/<room>/<function>/<name>.json; what must come back in <name>.answer.json, whose
fields the answer must have (a string that begins with "re:" is a pattern).
"""

import json
import re
import subprocess
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from infra.local.cloud import ROOT
from infra.local.commands import dummy_aws
from infra.local.progress import Progress
from infra.tools import tool
from tests.containers.engine import Engine
from tests.containers.lambda_image import LambdaImage
from tests.house.templates import FUNCTION, Template

EVENTS = sorted(path for path in (ROOT / "tests/events").glob("*/*/*.json") if ".answer" not in path.name)
FUNCTIONS = sorted(path.parent for path in (ROOT / "functions").glob("*/*/app.py"))
SECRETS = {"AUTH_USERNAME": "ada", "AUTH_PASSWORD": "made-up", "HANDOVER_SECRET_ARN": ""} | {
    name: name.lower() * 4 for name in ("JWT_SECRET", "JWT_REFRESH_SECRET", "METRICS_API_KEY", "MODEL_SIGNING_KEY")
}
"""Of a room that starts with none missing; set where a template names them."""
PARAMETERS = "LocalMode=true Stage=local Bucket=none Table=none PythonRuntime=python{}"


def test_every_function_has_an_event() -> None:
    assert {(path.parent.parent.name, path.parent.name) for path in EVENTS} == {
        (folder.parent.name, folder.name) for folder in FUNCTIONS
    }


@pytest.mark.parametrize("event", EVENTS, ids=lambda path: "/".join(path.with_suffix("").parts[-3:]))
def test_function_answers_in_a_container(event: Path, docker: Engine, image: LambdaImage, tmp_path: Path) -> None:
    room, folder = event.parts[-3:-1]
    built = build(room, image.python)
    function = logical_name(ROOT / f"infra/{room}.yaml", folder)
    variables = tmp_path / "variables.json"
    variables.write_text(json.dumps({"Parameters": SECRETS}))
    started = time.monotonic()
    answer = sam(
        image.python, docker, "local", "invoke", function, "--template-file", built, "--event", event,
        "--skip-pull-image", "--parameter-overrides", PARAMETERS.format(image.python),
        "--layer-cache-basedir", tmp_path / "layers", "--env-vars", variables,
    )  # fmt: skip
    Progress().say(f"{room} {folder} {event.stem}: {time.monotonic() - started:.1f} s")
    assert_like(json.loads(answer.splitlines()[-1]), json.loads(event.with_suffix(".answer.json").read_text()))


@cache
def build(room: str, python: str) -> Path:
    place = ROOT / f".local/containers/sam/{room}-{python}"
    with Progress().step(f"Building {room} for python{python}"):
        sam(
            python, Engine(), "build", "--cached", "--template-file", ROOT / f"infra/{room}.yaml", "--build-dir",
            place / "build", "--cache-dir", place / "cache", "--parameter-overrides", PARAMETERS.format(python),
        )  # fmt: skip
    return place / "build/template.yaml"


def sam(python: str, engine: Engine, *arguments: str | Path) -> str:
    """Standard output of the SAM CLI."""
    makes = {"PYTHON": sys.executable, "PYTHON_VERSION": python, "SAM_CLI_TELEMETRY": "0"}
    host = {"DOCKER_HOST": engine.host} if engine.host else {}
    command = [str(tool("sam")), *map(str, arguments)]
    done = subprocess.run(
        command, env={**dummy_aws(), **makes, **host}, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}\n{done.stderr[-5000:]}"
    return done.stdout


def logical_name(template: Path, folder: str) -> str:
    functions = Template.read(template).resources(FUNCTION)
    return next(name for name, function in functions.items() if Path(function["CodeUri"]).name == folder)


def assert_like(answer: Any, wanted: Any) -> None:
    """Every field that is wanted is there, and JSON inside a string is looked into."""
    if isinstance(wanted, dict):
        content = json.loads(answer) if isinstance(answer, str) else answer
        for name, value in wanted.items():
            assert_like(content[name], value)
    elif isinstance(wanted, str) and wanted.startswith("re:"):
        assert re.search(wanted[3:], str(answer)), f"{answer!r} is not like {wanted!r}"
    else:
        assert answer == wanted
