"""RabbitMQ in a container of its own, where a Docker engine answers."""

import subprocess
import time

from infra.local.cloud import Cloud
from infra.local.folder import read_json, write_json
from infra.local.ports import HOST, answers

IMAGE = "rabbitmq:4-management"
PATIENCE = 60.0  # seconds


def start(cloud: Cloud) -> str | None:
    """The AMQP URL, or None where there is no engine or no image."""
    if docker("info") is None:
        return None
    known = read_json(cloud.folder.run / "rabbitmq-container.json")
    if known and answers(known["port"]):
        return url(known["port"])
    port = cloud.ports.choose("RabbitMQ", 5672)
    with cloud.progress.step("Starting RabbitMQ in a container"):
        stop(cloud)
        if docker("run", "--detach", "--name", name(cloud), "--publish", f"{HOST}:{port}:5672", IMAGE) is None:
            return None
        write_json(cloud.folder.run / "rabbitmq-container.json", {"port": port})
        return url(port) if ready(cloud) else None


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


def url(port: int) -> str:
    return f"amqp://guest:guest@{HOST}:{port}/"


def docker(*arguments: str) -> str | None:
    """Standard output, or None where there is no docker, no engine or an error."""
    try:
        done = subprocess.run(["docker", *arguments], capture_output=True, text=True, timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
