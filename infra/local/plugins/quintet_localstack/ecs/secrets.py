"""What a container's `secrets` name: Secrets Manager, whole or by JSON key, and SSM parameters."""

import json
import re
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from quintet_localstack.ecs.errors import CannotStart

SECRET = re.compile(
    r"(?P<arn>arn:[^:]+:secretsmanager:[^:]*:[^:]*:secret:[^:]+)"
    r"(:(?P<key>[^:]*):(?P<stage>[^:]*):(?P<version>[^:]*))?"
)
REFUSED = "ResourceInitializationError: unable to pull secrets or registry auth: "


def value_of(reference: str, clients: Any) -> str:
    """The value behind a `valueFrom`; raises CannotStart where it cannot be had."""
    try:
        if found := SECRET.fullmatch(reference):
            return secret(found, clients.secretsmanager)
        name = reference.split(":parameter", 1)[1] if reference.startswith("arn:") else reference
        return str(clients.ssm.get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"])
    except (BotoCoreError, ClientError, LookupError) as error:
        raise CannotStart(f"{REFUSED}{reference}: {error}") from error


def secret(found: re.Match[str], client: Any) -> str:
    version = {"VersionStage": found["stage"], "VersionId": found["version"]}
    given = {name: value for name, value in version.items() if value}
    text = str(client.get_secret_value(SecretId=found["arn"], **given)["SecretString"])
    return picked(text, found["key"]) if found["key"] else text


def picked(text: str, key: str) -> str:
    try:
        value = json.loads(text)[key]
    except (ValueError, LookupError, TypeError) as error:
        raise CannotStart(f"{REFUSED}retrieved secret from Secrets Manager did not contain json key {key}") from error
    return value if isinstance(value, str) else json.dumps(value)
