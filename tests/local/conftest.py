"""These tests open loopback sockets of their own; nothing else need run."""

from pathlib import Path

import pytest
from rich.console import Console

from infra.local.cloud import Cloud
from infra.local.folder import Folder
from infra.local.ports import Ports
from infra.local.progress import Progress


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.enable_socket)


@pytest.fixture
def cloud(tmp_path: Path) -> Cloud:
    progress = Progress(Console(quiet=True))
    return Cloud(Folder(tmp_path), Ports(progress, always_free=True), progress, workshop=tmp_path)
