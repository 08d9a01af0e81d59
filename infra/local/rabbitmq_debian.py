"""Debian's rabbitmq-server as a private broker: ports, data and epmd of its own, on loopback only."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from infra.local.broker import Broker
from infra.local.cloud import Cloud
from infra.local.errors import CloudError
from infra.local.folder import read_json, write_json
from infra.local.ports import HOST, answers, free, is_free

NAME = "rabbitmq"
SERVER = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
POLICY = Path("/usr/sbin/policy-rc.d")
PATIENCE = 180.0  # seconds


def available(cloud: Cloud) -> bool:
    """Whether the package is there; installs it where this user may."""
    if not SERVER.exists() and os.geteuid() == 0 and shutil.which("apt-get"):
        with cloud.progress.step("Installing Debian's rabbitmq-server (once)"), no_services():
            apt("update")
            apt("install", "--no-install-recommends", "rabbitmq-server")
    return SERVER.exists()


def apt(*arguments: str) -> None:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "-qq", "-y", *arguments], env=env, capture_output=True, timeout=300, check=False)


@contextmanager
def no_services() -> Iterator[None]:
    """The package would start a broker for the whole machine, on all its addresses: it may not."""
    if POLICY.exists():
        yield
        return
    try:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
        yield
    finally:
        with suppress(FileNotFoundError):
            POLICY.unlink()


def running(cloud: Cloud) -> bool:
    known = read_json(cloud.folder.run / "rabbitmq.json")
    return bool(known) and cloud.processes.alive(NAME) and answering(**known)


def start(cloud: Cloud) -> Broker:
    """Where it was before, with the queues it had: what is deployed knows the address."""
    if running(cloud):
        return addresses(**read_json(cloud.folder.run / "rabbitmq.json"))
    with cloud.progress.step("Starting RabbitMQ"):
        cloud.processes.stop(NAME)
        cloud.processes.stop_strays()
        ports = former(cloud) or chosen(cloud)
        cloud.processes.start(NAME, [SERVER], variables(cloud.folder.run / "rabbitmq", **ports))
        write_json(cloud.folder.run / "rabbitmq.json", ports)
        wait(cloud, ports)
    return addresses(**ports)


def former(cloud: Cloud) -> dict[str, int] | None:
    known: dict[str, int] | None = read_json(cloud.folder.run / "rabbitmq.json")
    return known if known and all(is_free(port) for port in known.values()) else None


def chosen(cloud: Cloud) -> dict[str, int]:
    return {
        "port": cloud.ports.choose("RabbitMQ", 5672),
        "management": cloud.ports.choose("RabbitMQ's management", 15672),
    }


def variables(folder: Path, port: int, management: int) -> dict[str, str]:
    """The broker's whole environment; writes the files that it names."""
    for part in ("mnesia", "log", "home"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    (folder / "environment").write_text("")
    (folder / "plugins").write_text("[rabbitmq_management].\n")
    (folder / "rabbitmq.conf").write_text(CONFIGURATION.format(host=HOST, port=port, management=management))
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "HOME": str(folder / "home"),
        "RABBITMQ_NODENAME": f"quintet{port}@localhost",
        "RABBITMQ_NODE_IP_ADDRESS": HOST,
        "RABBITMQ_NODE_PORT": str(port),
        "RABBITMQ_DIST_PORT": str(free()),
        "ERL_EPMD_ADDRESS": HOST,
        "ERL_EPMD_PORT": str(free()),
        "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "pid"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "environment"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +S 1:1",
    }


CONFIGURATION = """\
listeners.tcp.default = {host}:{port}
management.tcp.ip = {host}
management.tcp.port = {management}
disk_free_limit.absolute = 50MB
vm_memory_high_watermark.absolute = 2GB
log.console = true
log.console.level = warning
"""


def addresses(port: int, management: int) -> Broker:
    return Broker(f"amqp://guest:guest@{HOST}:{port}/", f"http://guest:guest@{HOST}:{management}")


def answering(port: int, management: int) -> bool:
    return speaks_amqp(port) and answers(management)


def speaks_amqp(port: int) -> bool:
    """Whether the server opens a connection with Connection.Start."""
    try:
        with socket.create_connection((HOST, port), timeout=1) as link:
            link.sendall(b"AMQP\x00\x00\x09\x01")
            return link.recv(11)[7:] == b"\x00\x0a\x00\x0a"
    except OSError:
        return False


def wait(cloud: Cloud, ports: dict[str, int]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not answering(**ports):
        if not cloud.processes.alive(NAME) or time.monotonic() > deadline:
            raise CloudError("RabbitMQ did not start.", f"Look at {cloud.processes.log(NAME)}, or set RABBITMQ_HOST.")
        time.sleep(0.2)
