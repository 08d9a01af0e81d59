"""The training room as one machine has it: open, its state in memory, nobody at the other end of its queues."""

from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from quintet.adapters.memory import MemoryObjects, MemoryQueue
from quintet.adapters.memory_rows import MemoryRows
from quintet.training.ledger import Ledger
from quintet.training.nudges import Nudges
from quintet.training.waiting import Waiting
from quintet.training.wiring import TrainingRoom, training


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Iterator[TrainingRoom]:
    for name, value in {"QUINTET_LOCAL": "true", "QUINTET_ROOM": "training", "QUINTET_BUCKET": "bucket"}.items():
        monkeypatch.setenv(name, value)
    for name in ("RABBITMQ_HOST", "ENABLE_RABBITMQ", "ENABLE_API_KEYS"):
        monkeypatch.delenv(name, raising=False)
    training.cache_clear()
    room = training()
    room.objects = MemoryObjects()
    room.ledger = Ledger(MemoryRows(room.clock), room.clock)
    room.nudges = Nudges(MemoryQueue(), MemoryQueue())
    room.waiting = Waiting(room.ledger, MemoryQueue(), room.clock)
    yield room
    training.cache_clear()


@pytest.fixture
def client(room: TrainingRoom) -> Iterator[TestClient]:
    from quintet.training.http import app

    with TestClient(app) as client:
        yield client
