"""Bringing the deployed stacks up to date with the sources: nothing is done where nothing changed."""

import os
import sys
import threading
from collections.abc import Mapping

from infra.local import build, credentials, stack
from infra.local.cloud import Cloud
from infra.local.folder import read_json, write_json
from infra.local.rooms import chosen
from infra.local.stack import Aws

Outputs = dict[str, dict[str, str]]


def deploy(cloud: Cloud, aws: Aws, redis: str | None, fresh: bool) -> tuple[Outputs, credentials.Credentials]:
    """The rooms' stack outputs and their credentials; `fresh` where nothing can be deployed yet."""
    wanted = parameters(cloud, redis)
    state = build.fingerprint(cloud.template, wanted)
    known = read_json(cloud.folder.run / "deployed.json")
    if known and known["state"] == state and not fresh:
        return known["outputs"], known["credentials"]
    (cloud.folder.run / "deployed.json").unlink(missing_ok=True)
    with cloud.progress.step("Building the functions and layers"):
        threading.Thread(target=stack.warm, args=(aws,), daemon=True).start()
        built = build.build(cloud)
    with cloud.progress.step("Deploying the stacks"):
        stack.deploy(aws, built, wanted)
        outputs = stack.outputs(aws)
        keys = credentials.renew(aws, outputs)
    write_json(cloud.folder.run / "deployed.json", {"state": state, "outputs": outputs, "credentials": keys})
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
