"""`sam build` of the real template, and whether anything that it reads has changed."""

import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import yaml

from infra.local.cloud import Cloud
from infra.local.commands import dummy_aws, run
from infra.local.environments import environment
from infra.local.folder import exclusive

# of the workers those that run as services: a task of the trainer starts with the files of the moment
READ = ("template.yaml", "infra/*.yaml", "functions/**/*", "layers/**/*",
        "gpu_workers/forecaster/*.py", "infra/local/locks/forecaster.lock")  # fmt: skip
PASSED_OVER = {"__pycache__", "build", ".aws-sam", ".mypy_cache", ".ruff_cache", ".pytest_cache"}


def sources(root: Path) -> Iterator[Path]:
    """Every file that decides what is deployed."""
    for pattern in READ:
        for path in root.glob(pattern):
            hidden = PASSED_OVER.intersection(path.relative_to(root).parts) or path.name.endswith(".pyc")
            if path.is_file() and not hidden and ".egg-info" not in str(path):
                yield path


def fingerprint(template: Path, parameters: dict[str, str]) -> str:
    seen = sha256(repr(sorted(parameters.items())).encode())
    for path in sorted(sources(template.parent)):
        seen.update(str(path.relative_to(template.parent)).encode() + b"\0" + path.read_bytes())
    return seen.hexdigest()


def build(cloud: Cloud) -> Path:
    """The built template; what has not changed is taken from the cache."""
    place = cloud.workshop / "sam" / sha256(str(cloud.template).encode()).hexdigest()[:8]
    with exclusive(place.with_suffix(".lock"), cloud.progress):
        sam(cloud, "build", "--cached", "--template-file", cloud.template,
            "--build-dir", place / "build", "--cache-dir", place / "cache")  # fmt: skip
    return place / "build/template.yaml"


def sam(cloud: Cloud, *arguments: str | Path) -> str:
    python = environment(cloud, "sam")
    home = cloud.workshop / "sam/home"
    (home / "tmp").mkdir(parents=True, exist_ok=True)
    env = {**dummy_aws(), **QUIET, **MAKE, "__SAM_CLI_APP_DIR": str(home), "TMPDIR": str(home / "tmp")}
    remedy = "Mend what the message names, then run `make up` again."
    return run([python.with_name("sam"), *arguments], env, cloud.template.parent, remedy)


# What the layers' makefiles ask for: a Python that has pip, and the version that the functions run on here.
MAKE = {"PYTHON": sys.executable, "PYTHON_VERSION": f"{sys.version_info.major}.{sys.version_info.minor}"}
QUIET = {"SAM_CLI_TELEMETRY": "0", "PYTHONWARNINGS": "ignore", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


class Loader(yaml.SafeLoader):
    """YAML with CloudFormation's tags, which are read as nothing."""


Loader.add_multi_constructor("!", lambda loader, suffix, node: None)


def declared(template: Path) -> set[str]:
    """The names of the template's parameters."""
    body: dict[str, Any] = yaml.load(template.read_text(), Loader)  # noqa: S506 - a SafeLoader
    return set(body.get("Parameters") or {})
