"""A thread that outlives what its work raises."""

from collections.abc import Callable
from threading import Event, Thread, current_thread


class LastingThread:
    """Where `run` raises, the thread ends as any thread does, by `threading.excepthook`, and another one follows it.

    `run` returns once `stopping` is set.
    """

    def __init__(self, run: Callable[[], None], name: str, *, pause: float = 1.0) -> None:
        self.stopping = Event()
        self._run = run
        self._name = name
        self._pause = pause
        self._thread: Thread | None = None

    def start(self) -> None:
        self._follow(0.0)

    def is_current(self) -> bool:
        return current_thread() is self._thread

    def stop(self, seconds: float) -> None:
        """Returns once it has ended, or `seconds` have passed."""
        self.stopping.set()
        thread = self._thread
        if thread is not None and not self.is_current():
            thread.join(seconds)

    def _follow(self, pause: float) -> None:
        self._thread = Thread(target=self._work, args=(pause,), name=self._name, daemon=True)
        self._thread.start()

    def _work(self, pause: float) -> None:
        try:
            if not self.stopping.wait(pause):
                self._run()
        finally:
            if not self.stopping.is_set():
                self._follow(self._pause)
