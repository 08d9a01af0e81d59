"""RabbitMQ in a container of its own, where a Docker engine answers."""

import subprocess
import time

from infra.local.broker import Broker
from infra.local.cloud import Cloud
from infra.local.folder import read_json, write_json
from infra.local.ports import HOST, answers

IMAGE = "rabbitmq:4-management"
PATIENCE = 60.0  # seconds


def start(cloud: Cloud) -> Broker | None:
    """None where there is no engine or no image."""
    if docker("info") is None:
        return None
    known = read_json(cloud.folder.run / "rabbitmq-container.json")
    if known and answers(known["port"]):
        return addresses(known["port"], known["management"])
    port, management = cloud.ports.choose("RabbitMQ", 5672), cloud.ports.choose("RabbitMQ's management", 15672)
    with cloud.progress.step("Starting RabbitMQ in a container"):
        stop(cloud)
        published = [f"--publish={HOST}:{port}:5672", f"--publish={HOST}:{management}:15672"]
        if docker("run", "--detach", "--name", name(cloud), *published, IMAGE) is None:
            return None
        write_json(cloud.folder.run / "rabbitmq-container.json", {"port": port, "management": management})
        return addresses(port, management) if ready(cloud) else None


def ready(cloud: Cloud) -> bool:
    deadline = time.monotonic() + PATIENCE
    while docker("exec", name(cloud), "rabbitmq-diagnostics", "--quiet", "check_port_connectivity") is None:
        if time.monotonic() > deadline:
            return False
        time.sleep(1)
    return True


def stop(cloud: Cloud) -> None:
    if read_json(cloud.folder.run / "rabbitmq-container.json"):
        docker("rm", "--force", "--volumes", name(cloud))


def name(cloud: Cloud) -> str:
    return f"quintet-rabbitmq-{cloud.folder.key}"


def addresses(port: int, management: int) -> Broker:
    return Broker(f"amqp://guest:guest@{HOST}:{port}/", f"http://guest:guest@{HOST}:{management}")


def docker(*arguments: str) -> str | None:
    """Standard output, or None where there is no docker, no engine or an error."""
    try:
        done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
