"""These tests talk to servers on this machine."""

import os
from pathlib import Path

import pytest

from infra.local.endpoints import Endpoints

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.enable_socket)


@pytest.fixture(scope="session")
def aws_endpoint(request: pytest.FixtureRequest) -> str:
    """Nothing needs to be deployed there: AWS_ENDPOINT_URL may name any."""
    if endpoint := os.environ.get("AWS_ENDPOINT_URL"):
        return endpoint
    cloud: Endpoints = request.getfixturevalue("cloud")
    return str(cloud.aws)


@pytest.fixture(scope="session")
def mlflow(request: pytest.FixtureRequest) -> str:
    if uri := os.environ.get("MLFLOW_TRACKING_URI"):
        return uri
    cloud: Endpoints = request.getfixturevalue("cloud")
    if cloud.mlflow is None:
        pytest.skip("no MLflow: see infra/local/mlflow_server.py")
    return cloud.mlflow
