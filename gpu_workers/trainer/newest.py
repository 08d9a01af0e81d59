"""Work in the background on the newest of what comes: one at a time, leaving out what was overtaken while it waited."""

from collections.abc import Callable
from threading import Condition
from typing import Generic, TypeVar

from quintet.entry.worker import beside

T = TypeVar("T")


class NewestWins(Generic[T]):
    """`do` is called in a thread; `overtaken` is told of what was left out."""

    def __init__(
        self, do: Callable[[T], None], overtaken: Callable[[T], None], on_failure: Callable[[Exception], None]
    ) -> None:
        self._do = do
        self._overtaken = overtaken
        self._waiting: list[T] = []
        self._busy, self._over = False, False
        self._change = Condition()
        self._thread = beside(self._run, name="newest", on_failure=on_failure)

    def offer(self, item: T) -> None:
        with self._change:
            left_out, self._waiting = self._waiting, [item]
            self._change.notify_all()
        for old in left_out:
            self._overtaken(old)

    def settle(self, seconds: float) -> bool:
        """Wait until what was offered is done; whether it is."""
        with self._change:
            return self._change.wait_for(lambda: self._idle() or not self._thread.is_alive(), seconds) and self._idle()

    def close(self, seconds: float = 5.0) -> None:
        """What waits is left out; what is being done has some seconds to come to its end."""
        with self._change:
            self._over, self._waiting = True, []
            self._change.notify_all()
        self._thread.join(seconds)

    def _idle(self) -> bool:
        return not self._waiting and not self._busy

    def _run(self) -> None:
        while (item := self._next()) is not None:
            try:
                self._do(item)
            finally:
                with self._change:
                    self._busy = False
                    self._change.notify_all()

    def _next(self) -> T | None:
        with self._change:
            self._change.wait_for(lambda: self._waiting or self._over)
            if not self._waiting:
                return None
            self._busy = True
            return self._waiting.pop()
