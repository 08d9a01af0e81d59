"""An MLflow for the tests: a real tracking server, on a database of its own."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from rich.console import Console

from infra.local import mlflow_server, up
from infra.local.cloud import Cloud
from infra.local.folder import Folder
from infra.local.ports import Ports
from infra.local.progress import Progress
from tests.clouds import ROOT

PYTHON = ROOT / ".local/venvs/mlflow/bin/python"


@contextmanager
def tracking_server(place: Path) -> Iterator[str]:
    """The address of the server that MLFLOW_TRACKING_URI names, else of this run's own."""
    if not os.environ.get("MLFLOW_TRACKING_URI") and not PYTHON.exists():
        pytest.skip("no MLflow: set MLFLOW_TRACKING_URI, or run `make up` once")
    progress = Progress(Console(quiet=True))
    cloud = Cloud(Folder(place), Ports(progress, always_free=True), progress, workshop=ROOT / ".local")
    try:
        yield mlflow_server.start(cloud)
    finally:
        up.down(cloud)
