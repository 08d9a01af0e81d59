"""What is said of RabbitMQ: in the log once a process, and by /health."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from quintet.training.broker import broker_health, broker_status, takes_connections
from quintet.training.settings import Broker
from quintet.training.wiring import TrainingRoom

SECURE = {"RABBITMQ_HOST": "mq.example", "RABBITMQ_USER": "ada", "RABBITMQ_PASSWORD": "secret-of-ada"}


def broker(**other: Any) -> Broker:
    return Broker.model_validate(SECURE | other)


def test_one_that_is_set_up_well_is_used_without_a_word() -> None:
    assert broker_status(broker()) == (True, ())


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (Broker(), "[RMQ] RabbitMQ is not configured (RABBITMQ_HOST is not set): the room serves HTTP and SQS alone"),
        (broker(ENABLE_RABBITMQ=False), "[RMQ] RabbitMQ is disabled (ENABLE_RABBITMQ is false): the room serves HTTP "
                                        "and SQS alone"),
    ],
)  # fmt: skip
def test_without_one_the_room_says_what_it_serves(settings: Broker, reason: str) -> None:
    assert broker_status(settings) == (False, (reason,))


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"RABBITMQ_HOST": "localhost"}, ["RABBITMQ_HOST"]),
        ({"RABBITMQ_HOST": "127.0.0.1"}, ["RABBITMQ_HOST"]),
        ({"RABBITMQ_USER": "guest"}, ["guest credentials"]),
        ({"RABBITMQ_PASSWORD": "guest"}, ["guest credentials"]),
        ({"RABBITMQ_HOST": "localhost", "RABBITMQ_USER": "guest"}, ["RABBITMQ_HOST", "guest credentials"]),
        ({"RABBITMQ_USER": "guest", "RABBITMQ_SECRET_ARN": "arn:aws:secretsmanager:…"}, []),
    ],
)
def test_what_is_for_development_is_warned_about(other: dict[str, str], words: list[str]) -> None:
    usable, warnings = broker_status(broker(**other))
    assert usable
    assert len(warnings) == len(words)
    for warning, word in zip(warnings, words, strict=True):
        assert warning.startswith("[RMQ] Insecure configuration: ")
        assert word in warning
        assert "secret-of-ada" not in warning


def test_health_tells_what_a_try_found() -> None:
    assert broker_health(broker(), lambda _: True).status == "reachable"
    told = broker_health(broker(), lambda _: False)
    assert (told.status, told.reason) == ("unreachable", "RabbitMQ does not answer: results wait in the outbox")
    assert broker_health(broker(), None).status == "configured"
    assert broker_health(broker(ENABLE_RABBITMQ=False), lambda _: True).status == "disabled"
    assert "guest" in (broker_health(broker(RABBITMQ_USER="guest"), lambda _: True).reason or "")


def test_health_tries_only_where_the_broker_can_be_reached(
    client: TestClient, room: TrainingRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    room.broker = broker()
    monkeypatch.setattr("quintet.training.http.takes_connections", lambda _: False)
    assert client.get("/health").json()["broker"]["status"] == "unreachable"
    room.place = room.place.model_copy(update={"function": "training-api", "local": False})
    told = client.get("/health")
    assert told.json()["broker"]["status"] == "configured"
    assert "mq.example" not in told.text


@pytest.mark.enable_socket
def test_a_broker_that_is_not_there_does_not_answer() -> None:
    assert not takes_connections(broker(RABBITMQ_HOST="127.0.0.1", RABBITMQ_PORT=1))
