"""A request's wish to be dropped: its client is gone, and nobody waits for what it asked.

>>> client = Cancellation()
>>> forget = client.on_cancel(lambda: print("stop"))
>>> client.cancel()
stop
>>> client.check()
Traceback (most recent call last):
quintet.kernel.errors.Cancelled: The client is gone.
"""

import threading
from collections.abc import Callable

from quintet.kernel.errors import Cancelled


class Cancellation:
    """Cancelled once and for good, from any thread. `cancelled` may be asked as often as work can stop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._callbacks: dict[object, Callable[[], None]] = {}
        self.cancelled = False

    def cancel(self) -> None:
        with self._lock:
            self.cancelled = True
            waiting, self._callbacks = list(self._callbacks.values()), {}
        for callback in waiting:
            callback()

    def on_cancel(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` when cancelled, now if that was before; what is returned takes the wish back."""
        token = object()
        with self._lock:
            if not self.cancelled:
                self._callbacks[token] = callback
                return lambda: self._forget(token)
        callback()
        return lambda: None

    def check(self) -> None:
        """Raises Cancelled where it is."""
        if self.cancelled:
            raise Cancelled("The client is gone.")

    def _forget(self, token: object) -> None:
        with self._lock:
            self._callbacks.pop(token, None)


class _Never(Cancellation):
    """One that nobody can cancel, so that it may be shared."""

    def cancel(self) -> None:
        raise AssertionError("NEVER stands for requests without a client")

    def on_cancel(self, callback: Callable[[], None]) -> Callable[[], None]:
        return lambda: None


NEVER = _Never()
