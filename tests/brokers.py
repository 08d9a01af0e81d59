"""A RabbitMQ for tests: the one RABBITMQ_HOST names, else one of this run's own."""

import os
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import psutil
import pytest
from rich.console import Console

from infra.local import rabbitmq, rabbitmq_debian, up
from infra.local.broker import Broker
from infra.local.cloud import ROOT, Cloud
from infra.local.errors import CloudError
from infra.local.folder import Folder
from infra.local.ports import Ports
from infra.local.progress import Progress
from quintet.adapters.rabbitmq import BrokerAddress

NONE = "no RabbitMQ: set RABBITMQ_HOST, start a container engine or install Debian's rabbitmq-server"


@dataclass(frozen=True)
class TestBroker:
    """`cloud` holds its process where it is our own."""

    __test__ = False
    cloud: Cloud
    urls: Broker

    @property
    def address(self) -> BrokerAddress:
        return address(self.urls.amqp)

    @property
    def environment(self) -> dict[str, str]:
        """What points a cloud to this broker."""
        where = self.address
        return {
            "RABBITMQ_HOST": where.host,
            "RABBITMQ_PORT": str(where.port),
            "RABBITMQ_USER": where.user,
            "RABBITMQ_PASSWORD": where.password,
            "RABBITMQ_MANAGEMENT_URL": self.urls.management,
        }

    def kill(self) -> None:
        """With SIGKILL, as a whole; skips the test where it is not ours."""
        record = self.cloud.processes.records().get(rabbitmq_debian.NAME)
        process = record.process() if record else None
        if process is None:
            pytest.skip("this broker may not be killed: it is not one of Debian's package, started by the tests")
        members = [process, *process.children(recursive=True)]
        for member in members:
            with suppress(psutil.NoSuchProcess):
                member.kill()
        psutil.wait_procs(members, timeout=10)

    def restart(self) -> None:
        """On the same ports, with what it had stored; once more where the killed one still held something."""
        try:
            rabbitmq_debian.start(self.cloud)
        except CloudError:
            time.sleep(3)
            rabbitmq_debian.start(self.cloud)

    def stop(self) -> None:
        up.down(self.cloud)


def start(folder: Path) -> TestBroker:
    """Skips the test where no broker can be had, and fails it in CI."""
    progress = Progress(Console(quiet=True))
    cloud = Cloud(Folder(folder), Ports(progress, always_free=True), progress, workshop=ROOT / ".local")
    urls = rabbitmq.start(cloud)
    if urls is None:
        assert os.environ.get("CI") != "true", "CI must have a RabbitMQ"
        pytest.skip(NONE)
    return TestBroker(cloud, urls)


def address(url: str) -> BrokerAddress:
    parts = urlsplit(url)
    return BrokerAddress(
        host=str(parts.hostname),
        port=parts.port or 5672,
        user=unquote(parts.username or "guest"),
        password=unquote(parts.password or "guest"),
        vhost=unquote(parts.path[1:]) or "/",
        tls=parts.scheme == "amqps",
    )
