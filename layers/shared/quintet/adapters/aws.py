"""AWS clients, made when first asked for, and their errors as errors of the house.

boto3 is imported with the first client: a function that never calls AWS does not pay for it. Region, credentials
and endpoint are boto3's own business (AWS_REGION, AWS_ENDPOINT_URL, …).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from threading import RLock
from typing import TYPE_CHECKING, Any, Literal, overload

from quintet.kernel.errors import Misconfigured, QuintetError, Unavailable

if TYPE_CHECKING:
    from botocore.exceptions import BotoCoreError, ClientError
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ecs import ECSClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sqs import SQSClient

_MAKING = RLock()

_PASSES = ("Throttl", "Throughput", "LimitExceeded", "SlowDown", "TooManyRequests", "RequestTimeout", "ExpiredToken",
           "TransactionConflict", "TransactionInProgress", "OperationAborted")  # fmt: skip
_MISSING = {"NoSuchBucket", "ResourceNotFoundException", "QueueDoesNotExist",
            "AWS.SimpleQueueService.NonExistentQueue"}  # fmt: skip
_REFUSED = {"AccessDenied", "AccessDeniedException", "UnrecognizedClientException", "InvalidClientTokenId",
            "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSignatureException"}  # fmt: skip


@overload
def client(service: Literal["dynamodb"]) -> "DynamoDBClient": ...
@overload
def client(service: Literal["ecs"]) -> "ECSClient": ...
@overload
def client(service: Literal["s3"]) -> "S3Client": ...
@overload
def client(service: Literal["secretsmanager"]) -> "SecretsManagerClient": ...
@overload
def client(service: Literal["sqs"]) -> "SQSClient": ...
def client(service: Any) -> Any:
    """The one client of `service` in this process, for all threads. Raises Misconfigured."""
    with _MAKING:
        return _made(service)


def forget_clients() -> None:
    """The next `client` is made anew, for instance with another endpoint."""
    with _MAKING:
        _made.cache_clear()


@cache
def _made(service: str) -> Any:
    with translated(service):
        made = _make(service, addressing="virtual")
        if service == "s3" and "amazonaws.com" not in made.meta.endpoint_url:
            made = _make(service, addressing="path")
    return made


def _make(service: Any, *, addressing: Literal["virtual", "path"]) -> Any:
    """`virtual` makes S3's presigned URLs regional; those of the global host redirect, which breaks a signature."""
    from boto3.session import Session
    from botocore.config import Config

    config = Config(
        connect_timeout=2,
        read_timeout=6,
        retries={"mode": "standard", "total_max_attempts": 3},
        max_pool_connections=32,
        tcp_keepalive=True,
        signature_version="s3v4" if service == "s3" else None,
        s3={"addressing_style": addressing},
    )
    return Session().client(service, config=config)


@contextmanager
def translated(part: str) -> Iterator[None]:
    """Raise what the client of `part` raises as Unavailable or Misconfigured; what is neither passes as it is."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        ours = as_house_error(part, error)
        if ours is None:
            raise
        raise ours from error


def as_house_error(part: str, error: "BotoCoreError | ClientError") -> QuintetError | None:
    """Unavailable for what may pass, Misconfigured for what somebody must set right, None for anything else."""
    from botocore.exceptions import ClientError

    if isinstance(error, ClientError):
        return _answered(part, error)
    return _unanswered(part, error)


def _answered(part: str, error: "ClientError") -> QuintetError | None:
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if status >= 500 or status == 429 or any(sign in code for sign in _PASSES):
        return Unavailable(f"{part} is not available now", code=code, status=status)
    if code in _MISSING:
        return Misconfigured(f"{part}: what the settings name does not exist", code=code, reason=str(error))
    if code in _REFUSED or status in {401, 403}:
        return Misconfigured(f"{part}: this function's role or credentials are refused", code=code, reason=str(error))
    return None


def _unanswered(part: str, error: "BotoCoreError") -> QuintetError | None:
    from botocore import exceptions as boto

    passes = (boto.ConnectionError, boto.HTTPClientError, boto.IncompleteReadError, boto.CredentialRetrievalError)
    if isinstance(error, passes):
        return Unavailable(f"{part} does not answer", reason=str(error))
    if isinstance(error, (boto.NoCredentialsError, boto.PartialCredentialsError, boto.NoRegionError)):
        return Misconfigured(f"{part}: set AWS credentials and region", reason=str(error))
    return None
