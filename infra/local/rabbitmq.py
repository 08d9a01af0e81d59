"""RabbitMQ: the one RABBITMQ_HOST names, else a container, else Debian's package, else none."""

import os
import shutil
from urllib.parse import quote

from infra.local import rabbitmq_container, rabbitmq_debian
from infra.local.broker import Broker
from infra.local.cloud import Cloud


def start(cloud: Cloud) -> Broker | None:
    """None where no broker can be had: SQS queues then carry the same messages."""
    if host := os.environ.get("RABBITMQ_HOST"):
        return given(host)
    if rabbitmq_debian.running(cloud):
        return rabbitmq_debian.start(cloud)
    broker = rabbitmq_container.start(cloud)
    if broker is None and rabbitmq_debian.available(cloud):
        broker = rabbitmq_debian.start(cloud)
    if broker is None:
        cloud.progress.say("[yellow]No RabbitMQ: no container engine answers and Debian's package is not there "
                           "nor may be installed. SQS queues carry the same messages.[/]")  # fmt: skip
    return broker


def given(host: str) -> Broker:
    """RABBITMQ_MANAGEMENT_URL is for a management API that does not answer on the usual port of the same host."""
    user = quote(os.environ.get("RABBITMQ_USER", "guest"), safe="")
    password = quote(os.environ.get("RABBITMQ_PASSWORD", "guest"), safe="")
    usual = f"http://{user}:{password}@{host}:15672"
    return Broker(
        amqp=f"amqp://{user}:{password}@{host}:{os.environ.get('RABBITMQ_PORT', '5672')}/",
        management=os.environ.get("RABBITMQ_MANAGEMENT_URL", usual),
    )


def stop(cloud: Cloud) -> None:
    if shutil.which("docker"):
        rabbitmq_container.stop(cloud)
