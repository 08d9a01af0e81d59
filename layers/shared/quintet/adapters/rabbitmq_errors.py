"""What pika raises as errors of the house, in the words of the service's manual, which says what to do about each."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from quintet.kernel.errors import Misconfigured, Overloaded, QuintetError, Unavailable


@contextmanager
def house_errors(queue: str = "") -> Iterator[None]:
    from pika.adapters.utils.connection_workflow import AMQPConnectorException
    from pika.exceptions import AMQPError

    try:
        yield
    except (AMQPError, AMQPConnectorException, OSError) as error:
        raise as_house_error(error, queue) from error


def as_house_error(error: Exception, queue: str = "") -> QuintetError:
    """Misconfigured for what somebody must set right, Overloaded and Unavailable for what may pass."""
    from pika import exceptions as amqp

    reason = innermost(error)
    for kind, words in _mistakes(queue).items():
        if isinstance(error, kind):
            return Misconfigured(words, reason=reason)
    if isinstance(error, (amqp.NackError, amqp.ConnectionBlockedTimeout)):
        return Overloaded(f"RabbitMQ takes no messages for queue '{queue}' now", reason=reason)
    return Unavailable(f"Failed to connect to RabbitMQ: {reason}")


def _mistakes(queue: str) -> dict[type[Exception], str]:
    from pika import exceptions as amqp

    return {
        amqp.AuthenticationError: "Failed to connect to RabbitMQ: (403) ACCESS_REFUSED",
        amqp.ProbableAuthenticationError: "Failed to connect to RabbitMQ: (403) ACCESS_REFUSED",
        amqp.ProbableAccessDeniedError: "Failed to connect to RabbitMQ: check RABBITMQ_VHOST",
        ssl.SSLError: "Failed to connect to RabbitMQ: check RABBITMQ_SSL",
        amqp.UnroutableError: f"Queue '{queue}' not found",
        amqp.ChannelClosedByBroker: f"RabbitMQ refuses queue '{queue}'",
    }


def innermost(error: BaseException) -> str:
    """pika wraps `[Errno 111] Connection refused` twice, and its own text says nothing of it."""
    inner: Any = getattr(error, "exception", None) or next(iter(error.args), None)
    if isinstance(inner, BaseException) and not isinstance(error, OSError):
        return innermost(inner)
    return str(error) or repr(error)
