"""AWS on this machine: LocalStack's open core in host mode, listening on loopback only."""

import json
import os
import shutil
import time
from pathlib import Path

import httpx

from infra.local.broker import Broker
from infra.local.cloud import Cloud
from infra.local.commands import LAST_LINES
from infra.local.environments import environment
from infra.local.errors import CloudError
from infra.local.folder import read_json, write_json
from infra.local.ports import HOST
from infra.local.workers import Commands, commands

NAME = "localstack"
PATIENCE = 180.0  # seconds


def start(cloud: Cloud, redis: str | None, broker: Broker | None) -> tuple[str, bool]:
    """The endpoint, and whether it is a new one, with nothing deployed."""
    workers = commands(cloud)
    known = read_json(cloud.folder.run / "localstack.json")
    if known and known.get("workers") == workers and cloud.processes.alive(NAME) and healthy(known["endpoint"]):
        return str(known["endpoint"]), False
    python, functions = environment(cloud, NAME), environment(cloud, "lambda")
    with cloud.progress.step("Starting LocalStack"):
        cloud.processes.stop(NAME)
        endpoint = f"http://{HOST}:{cloud.ports.choose('AWS', 4566)}"
        variables = settings(state(cloud, python), endpoint, functions, redis, broker)
        variables |= for_workers(cloud, workers)
        cloud.processes.start(NAME, [python, "-m", "localstack.runtime.main"], variables)
        write_json(cloud.folder.run / "localstack.json", {"endpoint": endpoint, "workers": workers})
        wait(cloud, endpoint)
    return endpoint, True


def state(cloud: Cloud, python: Path) -> Path:
    """LocalStack's file system, emptied; its index of services is the environment's."""
    folder = cloud.folder.run / "aws"
    shutil.rmtree(folder, ignore_errors=True)
    for part in ("tmp", "home", "usr/lib"):
        (folder / part).mkdir(parents=True)
    (folder / "usr/lib/localstack").symlink_to(python.parents[1] / "filesystem/usr/lib/localstack")
    return folder


def settings(state: Path, endpoint: str, functions: Path, redis: str | None, broker: Broker | None) -> dict[str, str]:
    """LocalStack's whole environment: nothing of the user's AWS settings, and no call to the internet."""
    listen = endpoint.removeprefix("http://")
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(state / "home"),
        "TMPDIR": str(state / "tmp"),
        "FILESYSTEM_ROOT": str(state),
        "GATEWAY_LISTEN": listen,
        "LOCALSTACK_HOST": listen,
        "GATEWAY_SERVER": "hypercorn",  # the default server listens on every interface
        "SQS_ENDPOINT_STRATEGY": "path",
        "OVERRIDE_IN_DOCKER": "0",
        "DNS_ADDRESS": "0",
        "DISABLE_EVENTS": "1",
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "PROVIDER_OVERRIDE_DYNAMODB": "moto",
        "LAMBDA_RUNTIME_EXECUTOR": "process",
        "QUINTET_LAMBDA_PYTHON": str(functions),
        "LAMBDA_SYNCHRONOUS_CREATE": "1",
        "LAMBDA_EVENT_SOURCE_MAPPING_POLL_INTERVAL_SEC": "0.1",
        "LAMBDA_EVENT_SOURCE_MAPPING_MAX_BACKOFF_ON_EMPTY_POLL_SEC": "0.5",
        "LAMBDA_RETRY_BASE_DELAY": "1",
        **({"QUINTET_REDIS": host_and_port(redis)} if redis else {}),
        **({"QUINTET_AMQP": host_and_port(broker.amqp), "QUINTET_RABBITMQ": broker.management} if broker else {}),
    }


def for_workers(cloud: Cloud, workers: Commands) -> dict[str, str]:
    """What our plugin must know to run tasks of ECS as processes."""
    return {"QUINTET_WORKERS": json.dumps(workers), "QUINTET_LOGS": str(cloud.folder.logs)}


def host_and_port(url: str) -> str:
    parsed = httpx.URL(url)
    return f"{parsed.host}:{parsed.port or {'redis': 6379, 'rediss': 6379}.get(parsed.scheme, 5672)}"


def healthy(endpoint: str) -> bool:
    try:
        return httpx.get(f"{endpoint}/_localstack/health", timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def wait(cloud: Cloud, endpoint: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not healthy(endpoint):
        if not cloud.processes.alive(NAME) or time.monotonic() > deadline:
            log = cloud.processes.log(NAME)
            last = "\n".join(log.read_text(errors="replace").splitlines()[-LAST_LINES:])
            raise CloudError(f"LocalStack did not start:\n{last}", "Run `make down` and `make up`.")
        time.sleep(0.1)
