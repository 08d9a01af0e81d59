"""The environment of a container's process: this machine's, then AWS's, then the definition's own."""

import os
from pathlib import Path
from typing import Any

from localstack import config

from quintet_localstack.ecs.secrets import value_of

HOST = "127.0.0.1"
MARK = "QUINTET_LOCAL_CLOUD"


def machine(command: list[str], folder: Path) -> dict[str, str]:
    """What an image would bring; home and temp folder go with the task, as a container's file system does."""
    return {
        "PATH": os.pathsep.join([str(Path(command[0]).parent), os.environ.get("PATH", os.defpath)]),
        "LANG": "en_US.UTF-8",
        "HOME": str(folder),
        "TMPDIR": str(folder),
        "PYTHONUNBUFFERED": "1",
        **({MARK: os.environ[MARK]} if MARK in os.environ else {}),
    }


def aws(region: str, launch_type: str) -> dict[str, str]:
    """The local endpoint, with credentials that open nothing elsewhere."""
    return {
        "AWS_ENDPOINT_URL": f"http://{HOST}:{config.GATEWAY_LISTEN[0].port}",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_EXECUTION_ENV": f"AWS_ECS_{launch_type}",
    }


def declared(definition: dict[str, Any], override: dict[str, Any], clients: Any) -> dict[str, str]:
    """`environment` and `secrets` of the container definition, then RunTask's; raises CannotStart."""
    secrets = {item["name"]: value_of(item["valueFrom"], clients) for item in definition.get("secrets", [])}
    return {**pairs(definition), **secrets, **pairs(override)}


def pairs(source: dict[str, Any]) -> dict[str, str]:
    return {item["name"]: item.get("value", "") for item in source.get("environment") or []}
