"""Secrets from Secrets Manager, kept for a few minutes so that a rotated one is soon known."""

from functools import cache
from typing import TYPE_CHECKING

from quintet.adapters.aws import client, translated
from quintet.kernel.clock import stopwatch
from quintet.kernel.errors import Misconfigured

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.parameters import SecretsProvider

KEPT_SECONDS = 300


RENEWED_SECONDS = 10
_RENEWED: dict[str, float] = {}


def secret_text(arn: str) -> str:
    """The text of the secret, at most five minutes old. Raises Unavailable and Misconfigured."""
    return _text(arn, anew=False)


def renewed_secret_text(arn: str) -> str:
    """The same, at most ten seconds old: for whoever has reason to believe that it has changed."""
    now = stopwatch()
    anew = now - _RENEWED.get(arn, -RENEWED_SECONDS) >= RENEWED_SECONDS
    if anew:
        _RENEWED[arn] = now
    return _text(arn, anew=anew)


def _text(arn: str, *, anew: bool) -> str:
    from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

    provider = _provider()
    with translated("Secrets Manager"):
        try:
            text = provider.get(arn, max_age=KEPT_SECONDS, force_fetch=anew)
        except GetParameterError as error:
            raise error.__cause__ or error.__context__ or error from None
    if not isinstance(text, str):
        raise Misconfigured("a secret must be text, this one is binary", arn=arn)
    return text


def forget_secrets() -> None:
    """The next `secret_text` asks Secrets Manager again."""
    _provider.cache_clear()
    _RENEWED.clear()


@cache
def _provider() -> "SecretsProvider":
    from aws_lambda_powertools.utilities.parameters import SecretsProvider

    return SecretsProvider(boto3_client=client("secretsmanager"))
