"""Keys that open the local cloud only, made anew by every deployment."""

import secrets

from infra.local.stack import Aws

Credentials = dict[str, dict[str, str]]


def renew(aws: Aws, outputs: dict[str, dict[str, str]]) -> Credentials:
    """A new API key for every room that keeps its keys in Secrets Manager (output ApiKeysSecretArn)."""
    made: Credentials = {}
    for room, values in outputs.items():
        if secret := values.get("ApiKeysSecretArn"):
            key = secrets.token_urlsafe(24)
            aws.client("secretsmanager").put_secret_value(SecretId=secret, SecretString=f"{key}\n")
            made[room] = {"api_key": key}
    return made
