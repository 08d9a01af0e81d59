"""Local clouds that tests start for themselves, and clouds that run already."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from infra.local.credentials import SHOWN
from infra.local.endpoints import Endpoints, RoomEndpoints
from infra.local.folder import Folder
from infra.local.rooms import ROOMS
from infra.local.stack import Aws, outputs

ROOT = Path(__file__).parents[1]
WORKER = ROOT / "tests/integration/toy/gpu_workers/toy/main.py"
WORKERS = {"toy/toy": [sys.executable, str(WORKER)]}


@dataclass(frozen=True)
class LocalCloud:
    """The command line's cloud in a folder of its own, on free ports; the command is run as a user runs it."""

    folder: Path
    template: Path

    def run(self, verb: str, *options: str, **more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(self.command(verb, *options), cwd=ROOT, env=environment(**more), capture_output=True,
                              text=True, timeout=560, check=False)  # fmt: skip

    def command(self, verb: str, *options: str) -> list[str]:
        where = ["--dir", str(self.folder), "--template", str(self.template), "--free-ports"]
        rooms = [] if self.template == ROOT / "template.yaml" else ["--rooms", "glucose"]  # a toy needs no more servers
        return [sys.executable, "-m", "infra.local", verb, *where, *rooms, *options]

    def up(self, *options: str, **more: str) -> Endpoints:
        done = self.run("up", *options, **more)
        assert done.returncode == 0, done.stdout + done.stderr
        return self.endpoints

    @property
    def endpoints(self) -> Endpoints:
        found = Endpoints.read(Folder(self.folder))
        assert found is not None
        return found

    def client(self, service: str) -> Any:
        assert self.endpoints.aws is not None
        return Aws(self.endpoints.aws).client(service)


def environment(**more: str) -> dict[str, str]:
    """The shell's, without what would point the cloud to servers of somebody else, and with the toys' worker."""
    foreign = ("AWS_", "REDIS_URL", "RABBITMQ_", "MLFLOW_")
    own = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {**own, "QUINTET_WORKERS": json.dumps(WORKERS), **more}


def running(endpoint: str) -> Endpoints:
    """What is deployed at an endpoint: an emulator's, or AWS's own."""
    aws = Aws(endpoint)
    stacks = {name: values for name, values in outputs(aws).items() if name in ROOMS}
    return Endpoints(
        rooms={name: RoomEndpoints(address(aws, values), values.get("GrpcAddress")) for name, values in stacks.items()},
        aws=endpoint,
        redis=os.environ.get("REDIS_URL"),
        credentials={name: opening(aws, values) for name, values in stacks.items()},
    )


def address(aws: Aws, values: dict[str, str]) -> str:
    if ".amazonaws.com" in aws.endpoint:
        return values["ApiUrl"].rstrip("/")
    stages = aws.client("apigateway").get_stages(restApiId=values["ApiId"])["item"]
    return f"{aws.endpoint}/_aws/execute-api/{values['ApiId']}/{stages[-1]['stageName']}"


def opening(aws: Aws, values: dict[str, str]) -> dict[str, str]:
    """What opens a room: its first API key, or the secrets that it shows."""
    if arn := values.get("ApiKeysSecretArn"):
        return {"api_key": secret(aws, arn).splitlines()[0]}
    known = json.loads(secret(aws, values["SecretArn"]))
    return {label: known[name] for name, label in SHOWN.items() if name in known}


def secret(aws: Aws, arn: str) -> str:
    return str(aws.client("secretsmanager").get_secret_value(SecretId=arn)["SecretString"])
