"""Whether RabbitMQ is used, and what is to be said of how it is set up, in the words of the service's manual."""

import socket
from collections.abc import Callable
from typing import NamedTuple

from quintet.training.answers import BrokerHealth
from quintet.training.settings import Broker

ALONE = "the room serves HTTP and SQS alone"
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
PROBE_SECONDS = 1.0


class BrokerStatus(NamedTuple):
    """`warnings` are to be logged, once a process."""

    usable: bool
    warnings: tuple[str, ...]


def broker_status(broker: Broker) -> BrokerStatus:
    """
    >>> broker_status(Broker(RABBITMQ_HOST="mq.example", RABBITMQ_USER="ada", RABBITMQ_PASSWORD="x"))
    BrokerStatus(usable=True, warnings=())
    """
    if not broker.usable:
        return BrokerStatus(False, (f"[RMQ] {unused(broker)}: {ALONE}",))
    return BrokerStatus(True, tuple(f"[RMQ] Insecure configuration: {said}" for said in weaknesses(broker)))


def unused(broker: Broker) -> str:
    """Why it is not used; empty where it is."""
    if not broker.enabled:
        return "RabbitMQ is disabled (ENABLE_RABBITMQ is false)"
    return "" if broker.host else "RabbitMQ is not configured (RABBITMQ_HOST is not set)"


def weaknesses(broker: Broker) -> list[str]:
    """What is for development only. A secret in RABBITMQ_SECRET_ARN takes the place of user and password."""
    said = []
    if broker.host in LOOPBACK:
        said.append("RABBITMQ_HOST is this machine; set it to a RabbitMQ server")
    guest = "guest" in (broker.user, broker.password.get_secret_value())
    if guest and not broker.secret_arn:
        said.append("guest credentials; set RABBITMQ_USER and RABBITMQ_PASSWORD")
    return said


def broker_health(broker: Broker, answers: Callable[[Broker], bool] | None) -> BrokerHealth:
    """`answers` tries the broker; None where this process is not meant to reach it."""
    reason = unused(broker)
    if reason:
        return BrokerHealth(status="disabled" if not broker.enabled else "not configured", reason=f"{reason}: {ALONE}")
    weak = "; ".join(weaknesses(broker)) or None
    if answers is None:
        return BrokerHealth(status="configured", reason=weak)
    if answers(broker):
        return BrokerHealth(status="reachable", reason=weak)
    return BrokerHealth(status="unreachable", reason="RabbitMQ does not answer: results wait in the outbox")


def takes_connections(broker: Broker) -> bool:
    try:
        socket.create_connection((broker.host, broker.port), timeout=PROBE_SECONDS).close()
    except OSError:
        return False
    return True
