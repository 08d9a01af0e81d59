"""What the training room needs from the world."""

from collections.abc import Mapping
from typing import Literal, Protocol

from quintet.training.jobs import Job

TaskState = Literal["waiting", "running", "gone"]
"""Waiting: for a machine to run on."""


class Objects(Protocol):
    """Bulk storage, by key."""

    def put(self, key: str, body: bytes, *, content_type: str = "application/octet-stream") -> None: ...
    def get(self, key: str) -> tuple[bytes, str]:
        """Body and content type. Raises NotFound."""
        ...

    def size(self, key: str) -> int:
        """Bytes. Raises NotFound."""
        ...

    def etag(self, key: str) -> str:
        """Changes with the content. Raises NotFound."""
        ...


class Tasks(Protocol):
    """Heavy work in containers of its own."""

    def start(self, job: Job) -> str:
        """Start a task for this attempt of the job, only one however often it is asked for; its name.

        Raises Overloaded where there is no capacity now, and Unavailable.
        """
        ...

    def state(self, task: str) -> TaskState: ...

    def stop(self, task: str, reason: str) -> None:
        """Ask it to end; nothing happens where it has ended."""


class Queue(Protocol):
    """Where messages within the room go out."""

    def send(self, body: str, attributes: Mapping[str, str] | None = None) -> None:
        """Returns once the message is durable. Raises Unavailable."""


class Publisher(Protocol):
    """Where the backend listens."""

    def publish(self, queue: str, body: str, *, message_id: str, correlation_id: str = "") -> None:
        """Returns once the message is durable there. Raises Unavailable and Misconfigured."""
