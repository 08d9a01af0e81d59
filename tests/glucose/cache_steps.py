"""Servers that go forward one question to a store at a time, in any order that a test chooses."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Semaphore, Thread
from typing import Any

from quintet.glucose.ports import Bulk, Shared
from quintet.kernel.clock import SteppedClock
from quintet.kernel.errors import Unavailable


class Crash(BaseException):
    """The server is no more: nothing that it still tries reaches a store."""


@dataclass(eq=False)
class Actor:
    """Runs `work` in a thread that stops before each question to a store."""

    name: str
    work: Callable[[], object]
    done: bool = False
    crashed: bool = False
    cut_off: bool = False
    result: object = None
    error: BaseException | None = None
    _go: Semaphore = field(default_factory=lambda: Semaphore(0))
    _stopped: Semaphore = field(default_factory=lambda: Semaphore(0))

    def start(self) -> None:
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self._stopped.acquire(timeout=20)

    def step(self) -> None:
        """Up to the next question, or the end."""
        if not self.done:
            self._go.release()
            assert self._stopped.acquire(timeout=20), f"{self.name} is stuck"

    def pause(self) -> None:
        if not self.crashed:
            self._stopped.release()
            self._go.acquire()
        if self.crashed:
            raise Crash

    def _run(self) -> None:
        try:
            self.pause()
            self.result = self.work()
        except BaseException as error:  # noqa: BLE001 -- the outcome is what is looked at
            self.error = error
        self.done = True
        self._stopped.release()


class Stepped:
    """A store as one actor sees it, who stops before each question. While `cut_off`, nothing comes through."""

    def __init__(self, store: Any, actor: Callable[[], Actor | None], *, may_be_cut_off: bool = False) -> None:
        self._store = store
        self._actor = actor
        self._may_be_cut_off = may_be_cut_off

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def ask(*given: Any, **named: Any) -> Any:
            actor = self._actor()
            if actor is not None:
                actor.pause()
                if actor.cut_off and self._may_be_cut_off:
                    raise Unavailable("the store does not answer")
            return getattr(self._store, name)(*given, **named)

        return ask


@dataclass
class Stage:
    """One actor at a time is on: the stores know who asks by that. After the given order they take turns, a second
    each, so that what the dead have claimed comes to its end.
    """

    clock: SteppedClock
    on: Actor | None = None

    def shared(self, store: Any) -> Shared:
        return Stepped(store, lambda: self.on, may_be_cut_off=True)

    def bulk(self, store: Any) -> Bulk:
        return Stepped(store, lambda: self.on)

    def play(self, actors: Sequence[Actor], order: Sequence[tuple[int, int]]) -> None:
        for actor in actors:
            self.on = actor
            actor.start()
        for choice, steps in order:
            for _ in range(steps):
                self.step(actors[choice % len(actors)])
        while alive := [actor for actor in actors if not actor.done]:
            self.clock.advance(1)
            for actor in alive:
                self.step(actor)
        self.on = None

    def step(self, actor: Actor) -> None:
        self.on = actor
        actor.step()
