"""A session as it is seen by whoever logs its run."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from quintet.calibration.evaluation import BatchMetrics
from quintet.calibration.messages import Session, State


@dataclass(frozen=True, slots=True, eq=False)
class Contents:
    """What came in one batch: `data` is all samples' bytes, `probabilities` (n, K), `labels` (n,)."""

    data: bytes
    probabilities: NDArray[np.float32]
    labels: NDArray[np.int64] | None


@dataclass(frozen=True)
class Ending:
    """How a session ended. Numbers of `summary` are metrics, its texts are tags; None is left out.

    `files` are read when their turn comes, by their path in the run; reading raises Unavailable where it is to be tried
    again later.
    """

    state: State
    reason: str = ""
    summary: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Callable[[], bytes]] = field(default_factory=dict)


class Tracked(Protocol):
    """All of it may be asked for while the session goes on."""

    @property
    def session(self) -> Session: ...

    def params(self) -> Mapping[str, object]:
        """What the session was begun with."""
        ...

    def batches(self, after: int) -> Sequence[BatchMetrics]:
        """Those evaluated so far whose index is larger than `after`, by index."""
        ...

    def contents(self, index: int) -> Contents | None:
        """Of an evaluated batch; None where they were not kept. Raises Unavailable: to be tried again later."""
        ...

    def ending(self) -> Ending | None:
        """None until all batches are evaluated and the files can be read."""
        ...
