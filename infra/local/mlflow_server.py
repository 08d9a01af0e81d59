"""MLflow's tracking server on SQLite: the one that MLFLOW_TRACKING_URI names, else one of our own."""

import os
import time
from pathlib import Path

import httpx

from infra.local.cloud import Cloud
from infra.local.environments import environment
from infra.local.errors import CloudError
from infra.local.folder import read_json, write_json
from infra.local.ports import HOST

NAME = "mlflow"
PATIENCE = 240.0  # seconds: the first start migrates the database


def start(cloud: Cloud) -> str:
    if given := os.environ.get("MLFLOW_TRACKING_URI"):
        return given
    known = read_json(cloud.folder.run / "mlflow.json")
    if known and cloud.processes.alive(NAME) and healthy(known["url"]):
        return str(known["url"])
    python = environment(cloud, NAME)
    with cloud.progress.step("Starting MLflow"):
        cloud.processes.stop(NAME)
        port = cloud.ports.choose("MLflow", 5001)
        url = f"http://{HOST}:{port}"
        cloud.processes.start(NAME, *command(cloud, python, port))
        write_json(cloud.folder.run / "mlflow.json", {"url": url})
        wait(cloud, url)
    return url


def command(cloud: Cloud, python: Path, port: int) -> tuple[list[str], dict[str, str], Path]:
    """The command line, its environment and its folder; runs outlast the cloud that made them."""
    folder = cloud.folder.path / "mlflow"
    folder.mkdir(parents=True, exist_ok=True)
    line = [
        *(str(python), "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(folder / "artifacts")),
    ]
    path = f"{python.parent}:{os.environ.get('PATH', os.defpath)}"
    return line, {"PATH": path, "HOME": str(folder), **QUIET}, folder


QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "GIT_PYTHON_REFRESH": "quiet"}


def healthy(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def wait(cloud: Cloud, url: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not healthy(url):
        if not cloud.processes.alive(NAME) or time.monotonic() > deadline:
            raise CloudError("MLflow did not start.", f"Look at {cloud.processes.log(NAME)}, then run `make up` again.")
        time.sleep(0.2)
