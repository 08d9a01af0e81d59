"""Bringing the deployed stacks up to date with the sources."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from infra.local import build, credentials, stack
from infra.local.cloud import Cloud
from infra.local.folder import read_json, write_json
from infra.local.rooms import chosen
from infra.local.stack import Aws

Outputs = dict[str, dict[str, str]]


def outdated(cloud: Cloud, redis: str | None) -> bool:
    """Whether what is deployed, if anything, is not what the sources say."""
    known = read_json(cloud.folder.run / "deployed.json")
    return not known or known["state"] != build.fingerprint(cloud.template, parameters(cloud, redis))


def forget(cloud: Cloud) -> None:
    (cloud.folder.run / "deployed.json").unlink(missing_ok=True)


def built(cloud: Cloud) -> Path:
    """The template, built with its functions and layers."""
    with cloud.progress.step("Building the functions and layers"):
        return build.build(cloud)


def deploy(cloud: Cloud, aws: Aws, redis: str | None, template: Path | None) -> tuple[Outputs, credentials.Credentials]:
    """The rooms' stack outputs and their credentials, deployed now where a built template is given."""
    record = cloud.folder.run / "deployed.json"
    if template is None:
        known = read_json(record)
        return known["outputs"], known["credentials"]
    wanted = parameters(cloud, redis)
    with cloud.progress.step("Deploying the stacks"):
        stack.deploy(aws, template, wanted)
        outputs = stack.outputs(aws)
        keys = credentials.renew(aws, outputs)
    state = build.fingerprint(cloud.template, wanted)
    write_json(record, {"state": state, "outputs": outputs, "credentials": keys})
    return outputs, keys


def parameters(cloud: Cloud, redis: str | None) -> dict[str, str]:
    """Those of the local cloud that the template declares."""
    offered: Mapping[str, str] = {
        "Stage": "local",
        "LocalMode": "true",
        "PythonRuntime": f"python{sys.version_info.major}.{sys.version_info.minor}",
        "Rooms": ",".join(room.name for room in chosen(cloud.rooms)),
        "RedisUrl": redis or "",
        "EnableApiKeys": os.environ.get("ENABLE_API_KEYS", "false"),
        "CorsOrigins": os.environ.get("CORS_ORIGINS", "*"),
    }
    declared = build.declared(cloud.template)
    return {name: value for name, value in offered.items() if name in declared}
