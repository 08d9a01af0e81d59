"""What the glucose room needs from the world."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from quintet.kernel.cancellation import NEVER, Cancellation

T = TypeVar("T")


class Forecaster(Protocol):
    """Says what the next hour may bring."""

    @property
    def version(self) -> str: ...

    @property
    def quantiles(self) -> tuple[float, ...]:
        """The Q levels, rising, 0.5 among them."""
        ...

    def predict(self, readings: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 96) readings in mg/dL, 5 minutes apart -> (n, 12, Q) quantiles in mg/dL, rising along the last axis.

        A window has the same quantiles, bit for bit, whatever others it comes with.
        Raises InvalidInput for another shape or values that are not finite, ModelUnavailable where there is no model.
        """
        ...


class Rasteriser(Protocol):
    """Makes pictures of drawings."""

    def png(self, svg: str) -> bytes:
        """The drawing, pixel for unit. Raises InvalidInput where it is none."""
        ...


class Priority(IntEnum):
    """The more urgent, the lower; the numbers are the original's, and health shows them."""

    INTERACTIVE = 0
    BACKGROUND = 1
    PREFETCH = 3


@dataclass(frozen=True)
class QueueState:
    """How a queue and its workers are doing; counts are since the start."""

    size: int = 0
    capacity: int = 0
    workers: int = 1
    busy: int = 0
    reserved: int = 0
    runs: int = 0
    errors: int = 0
    dropped: int = 0
    runs_by_priority: Mapping[int, int] = field(default_factory=dict)
    mean_fulfilment_ms: float = 0.0

    @property
    def utilisation(self) -> float:
        return self.size / self.capacity if self.capacity else 0.0


class Computations(Protocol):
    """Who runs what takes time."""

    def run(
        self,
        key: str,
        work: Callable[[Cancellation], T],
        *,
        cancellation: Cancellation = NEVER,
        priority: Priority = Priority.INTERACTIVE,
    ) -> T:
        """What `work` returns. Callers that come with one key at one time share one computation, whose own
        cancellation is raised once none of them waits any more.

        Raises Overloaded where there is no room, DeadlineExceeded, Cancelled where this caller's `cancellation` is
        raised, and whatever `work` does.
        """
        ...

    def later(self, key: str, work: Callable[[Cancellation], object], *, priority: Priority, delay: float = 0) -> bool:
        """Run `work` some time, `delay` seconds from now or later; False where it was dropped."""
        ...

    def admit(self) -> None:
        """Raises Overloaded where no further request should be begun."""

    def state(self) -> QueueState: ...


class Shared(Protocol):
    """Small values that all servers of the room see and that may be lost. Everything raises Unavailable."""

    def get(self, key: str) -> bytes | None: ...

    def set(self, key: str, value: bytes, *, seconds: int) -> None: ...

    def add(self, key: str, value: bytes, *, seconds: int) -> bool:
        """Keep `value` only where there is none; whether it was kept. Atomic."""
        ...

    def replace(self, key: str, value: bytes, *, expect: bytes, seconds: int) -> bool:
        """Keep `value` only in the place of `expect`; whether it was kept. Atomic."""
        ...

    def delete(self, key: str) -> None: ...

    def keys(self, prefix: str) -> list[str]: ...


class Bulk(Protocol):
    """Large values that all servers see, each as its last `put` left it. Everything raises Unavailable."""

    def put(self, key: str, body: bytes, *, content_type: str = ...) -> None: ...

    def get(self, key: str) -> tuple[bytes, str]:
        """Body and content type. Raises NotFound."""
        ...

    def etag(self, key: str) -> str:
        """Another text whenever the body is another one. Raises NotFound."""
        ...

    def list(self, prefix: str, limit: int) -> list[tuple[str, int, datetime]]:
        """(key, bytes, last change) of the first `limit` whose keys begin so."""
        ...

    def delete(self, key: str) -> None: ...
