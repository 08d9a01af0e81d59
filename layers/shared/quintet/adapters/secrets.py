"""Secrets from Secrets Manager, kept for a few minutes so that a rotated one is soon known."""

from functools import cache
from typing import TYPE_CHECKING

from quintet.adapters.aws import client, translated
from quintet.kernel.errors import Misconfigured

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.parameters import SecretsProvider

KEPT_SECONDS = 300


def secret_text(arn: str) -> str:
    """The text of the secret, at most five minutes old. Raises Unavailable and Misconfigured."""
    from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

    provider = _provider()
    with translated("Secrets Manager"):
        try:
            text = provider.get(arn, max_age=KEPT_SECONDS)
        except GetParameterError as error:
            raise error.__cause__ or error.__context__ or error from None
    if not isinstance(text, str):
        raise Misconfigured("a secret must be text, this one is binary", arn=arn)
    return text


def forget_secrets() -> None:
    """The next `secret_text` asks Secrets Manager again."""
    _provider.cache_clear()


@cache
def _provider() -> "SecretsProvider":
    from aws_lambda_powertools.utilities.parameters import SecretsProvider

    return SecretsProvider(boto3_client=client("secretsmanager"))
