"""The settings of the house: small frozen blocks, read from the environment here and nowhere else.

A block is a `Settings` class whose fields name their variable; `read(Block)` gives it. An empty variable counts
as not set. A wrong or missing value raises `Misconfigured`, which names the variable and what it should be.

    >>> class Greeting(Settings):
    ...     name: str = setting("GREETING_NAME", "Whom to greet.", default="world")
    >>> read(Greeting, {"GREETING_NAME": "Ada"}).name
    'Ada'
    >>> read(Greeting, {}).name
    'world'
"""

import os
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from quintet.kernel.errors import Misconfigured

_REQUIRED = ...


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, populate_by_name=True, hide_input_in_errors=True)


Block = TypeVar("Block", bound=Settings)


def setting(variable: str, description: str, *, default: Any = _REQUIRED, **constraints: Any) -> Any:
    """A field read from the environment variable `variable`; without a default it must be set."""
    return Field(default, alias=variable, description=description, **constraints)


def read(block: type[Block], environment: Mapping[str, str] | None = None) -> Block:
    """`block` from `environment` (default: the process's own). Raises Misconfigured."""
    source = os.environ if environment is None else environment
    names = [field.alias for field in block.model_fields.values() if field.alias]
    try:
        return block.model_validate({name: source[name] for name in names if source.get(name)})
    except ValidationError as error:
        raise Misconfigured(f"{block.__name__}: {_explain(error)}") from None


def _explain(error: ValidationError) -> str:
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    return "; ".join(f"set {problem['loc'][0]}: {problem['msg']}" for problem in problems)


class LogSettings(Settings):
    """What is logged."""

    level: str = setting("LOG_LEVEL", "DEBUG, INFO, WARNING or ERROR.", default="INFO")


class PlaceSettings(Settings):
    """Where a function or container runs, and which shared state it uses."""

    room: str = setting("QUINTET_ROOM", "The room this process belongs to.", default="")
    stage: str = setting("QUINTET_STAGE", "The deployment's name; prefixes queues and secrets.", default="local")
    local: bool = setting("QUINTET_LOCAL", "`true` on one machine without AWS: doors may be open there.", default=False)
    function: str = setting("AWS_LAMBDA_FUNCTION_NAME", "Set by Lambda itself; empty elsewhere.", default="")
    bucket: str = setting("QUINTET_BUCKET", "S3 bucket for uploads, claims and results; empty: none.", default="")
    table: str = setting("QUINTET_TABLE", "DynamoDB table for jobs and idempotency; empty: none.", default="")
    jobs_queue_url: str = setting(
        "QUINTET_JOBS_QUEUE_URL",
        "SQS queue of deferred requests; empty: all are answered at once.",
        default="",
    )
    jobs_dead_letters_url: str = setting(
        "QUINTET_JOBS_DLQ_URL", "Where deferred requests that can't succeed are kept.", default=""
    )
    redis_url: SecretStr = setting("REDIS_URL", "Redis for what may be lost; empty: none.", default=SecretStr(""))
    redis_password: SecretStr = setting(
        "REDIS_PASSWORD", "Redis's password, where REDIS_URL holds none.", default=SecretStr("")
    )
    redis_secret_arn: str = setting("REDIS_SECRET_ARN", "Secrets Manager secret that holds it instead.", default="")


class HttpSettings(Settings):
    """The HTTP doors."""

    cors_origins: str = setting(
        "CORS_ORIGINS",
        "Origins that browsers may call from, with commas between; `*`: all; empty: none.",
        default="",
    )
    upload_limit_mb: int = setting("QUINTET_UPLOAD_LIMIT_MB", "Largest upload, in MiB.", default=64, ge=1, le=512)


class HttpServerSettings(Settings):
    """The HTTP doors of containers; a room's own block has its port. On Lambda API Gateway is the server."""

    host: str = setting(
        "HTTP_HOST", "Address to listen on; empty: 127.0.0.1 where QUINTET_LOCAL is true, else all.", default=""
    )
    requests: int = setting(
        "HTTP_MAX_REQUESTS", "Requests at one time, health apart; more are refused (503).", default=128, ge=1
    )
    body_seconds: float = setting("HTTP_BODY_SECONDS", "How long a client may take to send its body.", default=60, gt=0)
    certificate_file: str = setting(
        "HTTP_TLS_CERT_FILE", "The server's certificate chain, PEM; empty: no TLS.", default=""
    )
    key_file: str = setting("HTTP_TLS_KEY_FILE", "Its private key, PEM.", default="")


class GrpcSettings(Settings):
    """The gRPC doors; a room's own block has its port."""

    host: str = setting(
        "GRPC_HOST", "Address to listen on; empty: 127.0.0.1 where QUINTET_LOCAL is true, else all.", default=""
    )
    threads: int = setting("GRPC_THREADS", "Calls answered at one time; most of them wait.", default=128, ge=1)
    calls: int = setting(
        "GRPC_MAX_CALLS", "Calls answered and waiting for a thread; more are refused.", default=512, ge=1
    )
    message_limit_mb: int = setting("GRPC_MESSAGE_LIMIT_MB", "Largest message, in MiB.", default=64, ge=1, le=512)
    message_seconds: float = setting(
        "GRPC_MESSAGE_SECONDS", "How long a client may take to send its message.", default=60, gt=0
    )
    certificate_file: str = setting(
        "GRPC_TLS_CERT_FILE", "The server's certificate chain, PEM; empty: no TLS.", default=""
    )
    key_file: str = setting("GRPC_TLS_KEY_FILE", "Its private key, PEM.", default="")
    client_ca_file: str = setting(
        "GRPC_TLS_CLIENT_CA_FILE", "Certificates, PEM, by which clients must be signed; empty: any client.", default=""
    )


class BrokerSettings(Settings):
    """RabbitMQ; a room's own block says what it is for."""

    host: str = setting("RABBITMQ_HOST", "Host of the broker; empty: there is none.", default="")
    port: int = setting("RABBITMQ_PORT", "Port of the broker; 5671 with TLS.", default=5672, ge=1, le=65535)
    user: str = setting("RABBITMQ_USER", "User of the broker.", default="guest")
    password: SecretStr = setting("RABBITMQ_PASSWORD", "Password of the broker's user.", default=SecretStr("guest"))
    secret_arn: str = setting(
        "RABBITMQ_SECRET_ARN", "Secrets Manager secret with `username` and `password`, instead of the two.", default=""
    )
    vhost: str = setting("RABBITMQ_VHOST", "Virtual host of the broker.", default="/")
    tls: bool = setting("RABBITMQ_SSL", "Speak TLS with the broker.", default=False)
