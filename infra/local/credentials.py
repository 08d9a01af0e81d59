"""Keys that open the local cloud only, made anew by every deployment."""

import json
import os
import secrets
from collections.abc import Mapping

from infra.local.stack import Aws

Credentials = dict[str, dict[str, str]]

OF_HANDOVER = ("AUTH_USERNAME", "AUTH_PASSWORD", "JWT_SECRET", "JWT_REFRESH_SECRET", "METRICS_AUTH_PASSWORD",
               "METRICS_API_KEY", "MODEL_SIGNING_KEY", "NEF_PASSWORD")  # fmt: skip
SHOWN = {"AUTH_USERNAME": "username", "AUTH_PASSWORD": "password", "METRICS_AUTH_PASSWORD": "metrics_password",
         "METRICS_API_KEY": "metrics_api_key"}  # fmt: skip


def renew(aws: Aws, outputs: dict[str, dict[str, str]]) -> Credentials:
    """What opens each room whose keys are in Secrets Manager."""
    return api_keys(aws, outputs) | {
        room: room_secrets(aws, values["SecretArn"]) for room, values in outputs.items() if "SecretArn" in values
    }


def api_keys(aws: Aws, outputs: dict[str, dict[str, str]]) -> Credentials:
    """A new API key for every room that keeps its keys so (output ApiKeysSecretArn)."""
    made: Credentials = {}
    for room, values in outputs.items():
        if secret := values.get("ApiKeysSecretArn"):
            key = secrets.token_urlsafe(24)
            aws.client("secretsmanager").put_secret_value(SecretId=secret, SecretString=f"{key}\n")
            made[room] = {"api_key": key}
    return made


def room_secrets(aws: Aws, arn: str) -> dict[str, str]:
    """A room's secrets as JSON (output SecretArn): the user's own where the environment has them, else new ones."""
    known = made() | given(os.environ)
    aws.client("secretsmanager").put_secret_value(SecretId=arn, SecretString=json.dumps(known))
    return {label: known[name] for name, label in SHOWN.items()}


def made() -> dict[str, str]:
    keys = {name: secrets.token_urlsafe(36) for name in OF_HANDOVER if name.endswith(("SECRET", "KEY"))}
    passwords = {name: secrets.token_urlsafe(12) for name in ("AUTH_PASSWORD", "METRICS_AUTH_PASSWORD")}
    return {"AUTH_USERNAME": "admin", **passwords, **keys}


def given(environment: Mapping[str, str]) -> dict[str, str]:
    """
    >>> given({"AUTH_USERNAME": "ada", "NEF_PASSWORD": "", "HOME": "/root"})
    {'AUTH_USERNAME': 'ada'}
    """
    return {name: environment[name] for name in OF_HANDOVER if environment.get(name)}
