"""RabbitMQ's management API: virtual hosts, users, queues, the exchanges that feed them, and the policies that lead
refused messages somewhere.

Everything may be asked for again. Dead letters are a policy, not an argument of the queue: clients that declare the
queue `durable` and nothing else go on to do so.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from quintet.kernel.errors import Misconfigured, Unavailable

DEAD = ".dead"
"""What the name of a queue's dead letters ends with."""


class User(BaseModel):
    """`secret_arn` is of a secret with `username` and `password`; the others are RabbitMQ's regular expressions."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    secret_arn: str = Field(alias="SecretArn")
    configure: str = Field("", alias="Configure")
    write: str = Field("", alias="Write")
    read: str = Field("", alias="Read")


class Exchange(BaseModel):
    """`queues` are those of the same topology that it feeds, each by its own name as routing key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(alias="Name", min_length=1)
    kind: Literal["direct", "fanout", "headers", "topic"] = Field("fanout", alias="Type")
    queues: list[str] = Field([], alias="Queues")


class Topology(BaseModel):
    """What a stack asks for. `requests` are queues that have dead letters, `queues` such that have none."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    management: str = Field(alias="Management", pattern="^https?://")
    secret_arn: str = Field(alias="SecretArn")
    vhost: str = Field("/", alias="VirtualHost", min_length=1)
    requests: list[str] = Field([], alias="Requests")
    queues: list[str] = Field([], alias="Queues")
    exchanges: list[Exchange] = Field([], alias="Exchanges")
    users: list[User] = Field([], alias="Users")


@dataclass(frozen=True)
class Credentials:
    user: str
    password: str = field(repr=False)

    @classmethod
    def of_secret(cls, text: str) -> "Credentials":
        try:
            content = json.loads(text)
            return cls(content["username"], content["password"])
        except (ValueError, KeyError, TypeError):
            raise Misconfigured("the secret must be JSON with username and password") from None


@dataclass(frozen=True)
class RabbitMqAdmin:
    """`url` is the management API's, without `/api`. All methods raise Unavailable and Misconfigured."""

    url: str
    credentials: Credentials
    timeout: float = 10.0

    def make(self, wanted: Topology, users: dict[str, Credentials]) -> None:
        """`users` are those of `wanted`, by the ARN of their secret."""
        self.make_vhost(wanted.vhost)
        for queue in wanted.queues:
            self.make_queue(wanted.vhost, queue)
        for queue in wanted.requests:
            self.make_queue(wanted.vhost, queue)
            self.make_dead_letters(wanted.vhost, queue)
        for exchange in wanted.exchanges:
            self.make_exchange(wanted.vhost, exchange)
        for user in wanted.users:
            self.make_user(wanted.vhost, user, users[user.secret_arn])

    def make_vhost(self, vhost: str) -> None:
        self._ask("PUT", f"vhosts/{_in_path(vhost)}", {})
        everything = {"configure": ".*", "write": ".*", "read": ".*"}
        self._ask("PUT", f"permissions/{_in_path(vhost)}/{_in_path(self.credentials.user)}", everything)

    def make_queue(self, vhost: str, queue: str) -> None:
        """Durable. One that is there stays as it is."""
        path = f"queues/{_in_path(vhost)}/{_in_path(queue)}"
        found = self._ask("GET", path)
        if found is None:
            self._ask("PUT", path, {"durable": True})
        elif not found["durable"]:
            raise Misconfigured(f"Queue '{queue}' is there already, but it does not outlast the broker: delete it")

    def make_dead_letters(self, vhost: str, queue: str) -> None:
        """A queue of its own for what is refused on `queue`, expires there, or is too much for it."""
        self.make_queue(vhost, queue + DEAD)
        policy = {
            "pattern": f"^{re.escape(queue)}$",
            "apply-to": "queues",
            "definition": {"dead-letter-exchange": "", "dead-letter-routing-key": queue + DEAD},
        }
        self._ask("PUT", f"policies/{_in_path(vhost)}/{_in_path(queue + DEAD)}", policy)

    def make_exchange(self, vhost: str, exchange: Exchange) -> None:
        """Durable, and bound to its queues. One that is there stays as it is, with what others have bound to it."""
        path = f"exchanges/{_in_path(vhost)}/{_in_path(exchange.name)}"
        found = self._ask("GET", path)
        if found is None:
            self._ask("PUT", path, {"type": exchange.kind, "durable": True})
        elif found["type"] != exchange.kind:
            raise Misconfigured(f"Exchange '{exchange.name}' is there already as '{found['type']}': delete it")
        for queue in exchange.queues:
            self._bind(vhost, exchange.name, queue)

    def _bind(self, vhost: str, exchange: str, queue: str) -> None:
        path = f"bindings/{_in_path(vhost)}/e/{_in_path(exchange)}/q/{_in_path(queue)}"
        self._ask("POST", path, {"routing_key": queue})

    def make_user(self, vhost: str, user: User, credentials: Credentials) -> None:
        name = _in_path(credentials.user)
        self._ask("PUT", f"users/{name}", {"password": credentials.password, "tags": ""})
        rights = {"configure": user.configure, "write": user.write, "read": user.read}
        self._ask("PUT", f"permissions/{_in_path(vhost)}/{name}", rights)

    def _ask(self, verb: str, path: str, content: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """The answer; None where there is no such thing."""
        import urllib3

        secret = f"{self.credentials.user}:{self.credentials.password}"
        headers = {**urllib3.make_headers(basic_auth=secret), "content-type": "application/json"}
        body = None if content is None else json.dumps(content).encode()
        try:
            with urllib3.PoolManager(retries=urllib3.Retry(2, backoff_factor=0.5), timeout=self.timeout) as http:
                answer = http.request(verb, f"{self.url.rstrip('/')}/api/{path}", body=body, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable("Failed to connect to RabbitMQ's management API", reason=str(error)) from error
        if answer.status == 404 and verb in ("GET", "DELETE"):
            return None
        _check(answer.status, path, answer.data)
        return dict(json.loads(answer.data)) if answer.data else {}


def _check(status: int, path: str, body: bytes) -> None:
    said = {"status": status, "path": path, "body": body[:300].decode(errors="replace")}
    if status in (401, 403):
        raise Misconfigured(f"RabbitMQ's management API: ({status}) ACCESS_REFUSED", **said)
    if status >= 500:
        raise Unavailable("RabbitMQ's management API is not available now", **said)
    if status >= 300:
        raise Misconfigured("RabbitMQ's management API refuses", **said)


def _in_path(name: str) -> str:
    return quote(name, safe="")
