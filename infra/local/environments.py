"""Virtual environments beside the project's own, one a tool, each made from its lock and kept until that changes."""

import os
import shutil
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from infra.local.cloud import ROOT, Cloud
from infra.local.commands import run
from infra.local.errors import CloudError
from infra.local.folder import exclusive

HERE = Path(__file__).parent
PLUGINS = HERE / "plugins"
RETRY = "Check that the package registry can be reached, then run `make up` again."


def environment(cloud: Cloud, name: str) -> Path:
    """The interpreter of the environment `name`, made now unless it is there and its lock unchanged."""
    lock = HERE / "locks" / f"{name}.lock"
    target = cloud.workshop / "venvs" / name
    with exclusive(target.with_name(f"{name}.lock"), cloud.progress):
        if renewed(target, ".made", digest(lock), lambda: make(cloud, target, lock)):
            (target / ".plugins").unlink(missing_ok=True)
        if name == "localstack":
            sources = [*PLUGINS.rglob("*.py"), *PLUGINS.glob("*.toml")]
            renewed(target, ".plugins", digest(*sources), lambda: plug(target))
    return target / "bin/python"


def renewed(target: Path, stamp: str, state: str, make: Callable[[], None]) -> bool:
    """Make anew unless the stamp, written last, shows that this very state was finished."""
    file = target / stamp
    if file.exists() and file.read_text() == state and (target / "bin/python").exists():
        return False
    file.unlink(missing_ok=True)
    make()
    file.write_text(state)
    return True


def make(cloud: Cloud, target: Path, lock: Path) -> None:
    with cloud.progress.step(f"Installing {target.name} (once)"):
        shutil.rmtree(target, ignore_errors=True)
        uv("venv", "--quiet", "--python", sys.executable, target)
        uv("pip", "install", "--quiet", "--require-hashes", "--python", target / "bin/python", "-r", lock)
        if target.name == "localstack":
            catalogue(target)


def plug(target: Path) -> None:
    """Install our LocalStack plugins from a copy: setuptools writes beside what it builds."""
    copy = target / "plugins"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(PLUGINS, copy, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    uv("pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--reinstall", "--no-cache",
       "--python", target / "bin/python", copy)  # fmt: skip


def catalogue(target: Path) -> None:
    """LocalStack's index of all AWS services, which it would build anew on every start in seven seconds."""
    (target / "filesystem/usr/lib/localstack").mkdir(parents=True, exist_ok=True)
    variables = {"PATH": os.defpath, "FILESYSTEM_ROOT": str(target / "filesystem"), "OVERRIDE_IN_DOCKER": "0"}
    run([target / "bin/python", "-m", "localstack.aws.spec"], variables, ROOT, RETRY)


def uv(*arguments: str | Path) -> None:
    beside = Path(sys.executable).with_name("uv")
    program = str(beside) if beside.exists() else shutil.which("uv")
    if program is None:
        raise CloudError("uv is missing from the project's environment.", "Run `make setup`.")
    run([program, *arguments], {**os.environ, "UV_LINK_MODE": "copy"}, ROOT, RETRY)


def digest(*files: Path) -> str:
    """Of the contents and this Python's version: an environment is good for one of each."""
    seen = sha256(sys.version.encode())
    for file in sorted(files):
        seen.update(file.name.encode() + b"\0" + file.read_bytes())
    return seen.hexdigest()
