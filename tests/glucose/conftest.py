"""The glucose room as one machine has it: open, without state."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from quintet.glucose.http import app
from quintet.glucose.wiring import glucose


@pytest.fixture(autouse=True)
def fresh_room(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("QUINTET_LOCAL", "true")
    monkeypatch.setenv("QUINTET_ROOM", "glucose")
    glucose.cache_clear()
    yield
    glucose.cache_clear()


@pytest.fixture
def client() -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client
