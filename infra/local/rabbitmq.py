"""RabbitMQ: the one RABBITMQ_HOST names, else a container, else Debian's package, else none."""

import os
import shutil
from urllib.parse import quote

from infra.local import rabbitmq_container, rabbitmq_debian
from infra.local.cloud import Cloud


def start(cloud: Cloud) -> str | None:
    """The AMQP URL, or None where no broker can be had: SQS queues then carry the same messages."""
    if host := os.environ.get("RABBITMQ_HOST"):
        return given(host)
    if rabbitmq_debian.running(cloud):
        return rabbitmq_debian.start(cloud)
    url = rabbitmq_container.start(cloud)
    if url is None and rabbitmq_debian.available(cloud):
        url = rabbitmq_debian.start(cloud)
    if url is None:
        cloud.progress.say("[yellow]No RabbitMQ: no container engine answers and Debian's package is not there "
                           "nor may be installed. SQS queues carry the same messages.[/]")  # fmt: skip
    return url


def given(host: str) -> str:
    user = quote(os.environ.get("RABBITMQ_USER", "guest"), safe="")
    password = quote(os.environ.get("RABBITMQ_PASSWORD", "guest"), safe="")
    return f"amqp://{user}:{password}@{host}:{os.environ.get('RABBITMQ_PORT', '5672')}/"


def stop(cloud: Cloud) -> None:
    if shutil.which("docker"):
        rabbitmq_container.stop(cloud)
