"""A connection to Redis, made with the first use, and its refusals in the house's words."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from quintet.kernel.errors import Misconfigured, Unavailable

if TYPE_CHECKING:
    from redis import Redis


@dataclass(frozen=True)
class RedisConnection:
    """`url` as in REDIS_URL: redis://, rediss:// or unix://. Connects with the first use, and asks for the `password`
    then; an empty one counts as none, and one in the URL goes first.
    """

    url: str
    timeout: float = 2.0
    password: Callable[[], str] = field(default=lambda: "", repr=False)

    def ask(self, command: "Callable[[Redis], Any]", *, attempts: int = 2) -> Any:
        """A second attempt is for connections that died while Lambda had frozen us.

        Raises Unavailable and Misconfigured.
        """
        from redis import exceptions

        try:
            return command(self._redis)
        except (exceptions.AuthenticationError, exceptions.NoPermissionError) as error:
            raise Misconfigured("Redis refuses the user or password of REDIS_URL", reason=str(error)) from error
        except (exceptions.ConnectionError, exceptions.TimeoutError) as error:
            if attempts > 1:
                return self.ask(command, attempts=attempts - 1)
            raise Unavailable("the cache does not answer", reason=str(error)) from error
        except exceptions.RedisError as error:
            raise Unavailable("the cache refuses", reason=str(error)) from error

    @cached_property
    def _redis(self) -> "Redis":
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        try:
            return Redis.from_url(
                self.url,
                password=self.password() or None,
                socket_timeout=self.timeout,
                socket_connect_timeout=self.timeout,
                retry=Retry(NoBackoff(), 0),
            )
        except ValueError as error:
            raise Misconfigured("REDIS_URL must begin with redis://, rediss:// or unix://") from error
