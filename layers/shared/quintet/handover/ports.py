"""What the room needs of the world."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from quintet.handover.messages import Kind

if TYPE_CHECKING:
    from quintet.handover.sights import Look


class Objects(Protocol):
    """Bulk storage, of which a version's files and pictures are part."""

    def put(self, key: str, body: bytes, *, content_type: str = ...) -> None: ...
    def get(self, key: str) -> tuple[bytes, str]:
        """The body and its content type. Raises NotFound."""
        ...

    def list(self, prefix: str, limit: int) -> list[tuple[str, int, datetime]]:
        """(key, bytes, last change in UTC) of the first `limit` objects whose keys begin so, in the order of keys."""
        ...

    def delete(self, key: str) -> None: ...


class Queue(Protocol):
    def send(self, body: str, attributes: Any = ...) -> None: ...


class Selector(Protocol):
    """A trained model, being served: how likely each heard cell is the one that should serve."""

    @property
    def kind(self) -> Kind: ...
    @property
    def version(self) -> str: ...
    @property
    def features(self) -> tuple[str, ...]:
        """The names of what it looks at."""
        ...

    def scores(self, looks: "Sequence[Look]") -> list[NDArray[np.float64]]:
        """For each look one number a candidate, in the candidates' order, that add up to 1.

        The same to the last bit whatever looks are asked together. Raises ModelUnavailable.
        """
        ...
