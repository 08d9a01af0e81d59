"""Who runs what takes time: threads behind a bounded queue, or the caller itself where one comes at a time.

People come first. Work that nobody waits for (`later`) is taken only while the queue is less than three quarters full,
makes place again for whoever comes when it is fuller, and never occupies the reserved worker. A queue that is full
holds nothing but what somebody waits for.
"""

import heapq
from collections.abc import Callable
from itertools import count
from threading import Condition, Event, Lock, Thread
from typing import Any, TypeVar

from quintet.glucose.computation import Computation, Counts, Outcome, Stage
from quintet.glucose.ports import Priority, QueueState
from quintet.glucose.waiting_line import WaitingLine
from quintet.kernel.cancellation import NEVER, Cancellation
from quintet.kernel.clock import stopwatch
from quintet.kernel.errors import DeadlineExceeded, Overloaded, Unavailable

T = TypeVar("T")

FULL = 0.99
"""The utilisation from which on callers are sent away."""

UNATTENDED = 0.75
"""The utilisation from which on nothing is taken that nobody waits for."""

STOPPING = "The service is stopping: repeat the request."


class Scheduler:
    """A fixed number of threads; where there are two or more, one does nothing but INTERACTIVE work.

    Work must not run or await work of the same scheduler, and looks at its cancellation as often as it can stop.
    """

    def __init__(self, name: str, *, workers: int, capacity: int, timeout: float | None = None) -> None:
        """`capacity` computations may wait to be taken; a caller waits no longer than `timeout` seconds."""
        self._capacity, self._timeout = capacity, timeout
        self._reserved = 1 if workers > 1 else 0
        self._changed = Condition(Lock())
        self._line = WaitingLine()
        self._delayed: list[tuple[float, int, Computation[Any]]] = []
        self._numbers = count()
        self._shared: dict[str, Computation[Any]] = {}
        self._counts = Counts()
        self._idle = self._busy = 0
        self._closed = False
        self._threads = [
            Thread(target=self._serve, args=(number < self._reserved,), name=f"{name}-{number}", daemon=True)
            for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def run(
        self,
        key: str,
        work: Callable[[Cancellation], T],
        *,
        cancellation: Cancellation = NEVER,
        priority: Priority = Priority.INTERACTIVE,
    ) -> T:
        """See Computations. Raises Unavailable once closed."""
        cancellation.check()
        woken = Event()
        computation: Computation[T] = self._join(key, work, priority, woken)
        forget = cancellation.on_cancel(woken.set)
        try:
            woken.wait(self._timeout)
        finally:
            forget()
            outcome = self._leave(computation, woken)
        if outcome is not None:
            return outcome.result()
        cancellation.check()
        raise DeadlineExceeded("It took too long: try again later, or with less data.")

    def later(self, key: str, work: Callable[[Cancellation], object], *, priority: Priority, delay: float = 0) -> bool:
        """See Computations. What is delayed counts, until it is due, among what nobody waits for."""
        with self._changed:
            if (known := self._shared.get(key)) is not None:
                known.asked_later = priority if known.asked_later is None else min(known.asked_later, priority)
                self._hasten(known, priority)
                return True
            if self._closed or not self._room_for_unattended(len(self._delayed)):
                self._counts.dropped += 1
                return False
            computation = Computation(key, work, priority, Stage.DELAYED, asked_later=priority)
            self._shared[key] = computation
            heapq.heappush(self._delayed, (stopwatch() + delay, next(self._numbers), computation))
            self._bring_due()
            self._changed.notify_all()
            return True

    def admit(self) -> None:
        """Raises Overloaded, or Unavailable once closed."""
        with self._changed:
            self._admit()

    def state(self) -> QueueState:
        with self._changed:
            return QueueState(
                size=len(self._line),
                capacity=self._capacity,
                workers=len(self._threads),
                busy=self._busy,
                reserved=self._reserved,
                runs=sum(self._counts.runs.values()),
                errors=self._counts.errors,
                dropped=self._counts.dropped,
                runs_by_priority=self._counts.runs_by_priority,
                mean_fulfilment_ms=self._counts.mean_fulfilment_ms,
            )

    def close(self, patience: float = 5.0) -> None:
        """Whoever waits gets Unavailable, what runs is cancelled, and the threads have `patience` seconds to end."""
        with self._changed:
            self._closed = True
            stranded = list(self._shared.values())
            self._shared.clear()
            self._line.clear()
            self._delayed.clear()
            for computation in stranded:
                computation.settle(_unavailable())
            self._changed.notify_all()
        for computation in stranded:
            computation.cancellation.cancel()
        deadline = stopwatch() + patience
        for thread in self._threads:
            thread.join(max(0.0, deadline - stopwatch()))

    def _join(self, key: str, work: Callable[[Cancellation], T], priority: Priority, woken: Event) -> Computation[T]:
        """The computation with this key, new where there is none; only what takes a place needs one."""
        with self._changed:
            computation = self._shared.get(key)
            if computation is None or computation.stage is Stage.DELAYED:
                computation = self._enter(computation or Computation(key, work, priority), priority)
            self._hasten(computation, priority)
            computation.waiters.add(woken)
            self._changed.notify_all()
            return computation

    def _enter(self, computation: Computation[Any], priority: Priority) -> Computation[Any]:
        self._admit()
        if not self._room_for_unattended() and (dispensable := self._line.most_dispensable()):
            self._line.remove(dispensable)
            self._drop(dispensable)
        if computation.stage is Stage.DELAYED:
            self._delayed = [entry for entry in self._delayed if entry[2] is not computation]
            heapq.heapify(self._delayed)
        computation.priority, computation.asked = priority, stopwatch()
        self._line.put(computation)
        self._shared[computation.key] = computation
        return computation

    def _leave(self, computation: Computation[T], woken: Event) -> Outcome[T] | None:
        """What became of it so far. Nobody has use for what neither a caller nor `later` waits for."""
        with self._changed:
            computation.waiters.discard(woken)
            if computation.outcome is not None or computation.waiters:
                return computation.outcome
            if computation.stage is Stage.QUEUED:
                self._line.remove(computation)
            if computation.asked_later is not None:
                if computation.stage is Stage.QUEUED:
                    computation.priority = computation.asked_later
                    self._put_unattended(computation)
                return None
            del self._shared[computation.key]
        computation.cancellation.cancel()
        return None

    def _hasten(self, computation: Computation[Any], priority: Priority) -> None:
        if priority < computation.priority and computation.stage is Stage.QUEUED:
            self._line.move(computation, priority)

    def _admit(self) -> None:
        if self._closed:
            raise Unavailable(STOPPING)
        if len(self._line) >= FULL * self._capacity:
            raise Overloaded("Too many requests wait already: come back later.")

    def _room_for_unattended(self, besides: int = 0) -> bool:
        return len(self._line) + besides < UNATTENDED * self._capacity

    def _put_unattended(self, computation: Computation[Any]) -> None:
        if self._room_for_unattended():
            self._line.put(computation)
        else:
            self._drop(computation)

    def _drop(self, computation: Computation[Any]) -> None:
        del self._shared[computation.key]
        self._counts.dropped += 1

    def _bring_due(self) -> None:
        while self._delayed and self._delayed[0][0] <= stopwatch():
            computation = heapq.heappop(self._delayed)[2]
            computation.asked = stopwatch()
            self._put_unattended(computation)

    def _serve(self, reserved: bool) -> None:
        while self._serve_next(reserved):
            pass

    def _serve_next(self, reserved: bool) -> bool:
        """False once closed. Nothing of the work is kept while waiting for the next."""
        computation = self._take(reserved)
        if computation is None:
            return False
        outcome = computation.attempt()
        with self._changed:
            self._busy -= 1
            self._counts.settled(computation, outcome)
            if self._shared.get(computation.key) is computation:
                del self._shared[computation.key]
            computation.settle(outcome)
        return True

    def _take(self, reserved: bool) -> Computation[Any] | None:
        with self._changed:
            while not self._closed:
                self._bring_due()
                if computation := self._next(reserved):
                    computation.stage = Stage.RUNNING
                    self._busy += 1
                    self._counts.began(computation)
                    return computation
                self._rest(reserved)
            return None

    def _next(self, reserved: bool) -> Computation[Any] | None:
        """The reserved worker leaves to the others what they are free to take, so that it is free for the next."""
        if reserved and self._line.count(Priority.INTERACTIVE) <= self._idle:
            return None
        return self._line.take()

    def _rest(self, reserved: bool) -> None:
        """Until something changes, or something delayed is due."""
        if reserved:
            self._changed.wait()
            return
        self._idle += 1
        self._changed.wait(max(0.0, self._delayed[0][0] - stopwatch()) if self._delayed else None)
        self._idle -= 1


class Direct:
    """The caller's own thread, at once: for a server that has one request at a time and nobody to work later."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts = Counts()

    def run(
        self,
        key: str,
        work: Callable[[Cancellation], T],
        *,
        cancellation: Cancellation = NEVER,
        priority: Priority = Priority.INTERACTIVE,
    ) -> T:
        cancellation.check()
        computation = Computation(key, work, priority, cancellation=cancellation)
        with self._lock:
            self._counts.began(computation)
        outcome = computation.attempt()
        with self._lock:
            self._counts.settled(computation, outcome)
        return outcome.result()

    def later(self, key: str, work: Callable[[Cancellation], object], *, priority: Priority, delay: float = 0) -> bool:
        """False, always. It does not count as dropped: it is not missed here."""
        return False

    def admit(self) -> None:
        """Whoever comes is the only one."""

    def state(self) -> QueueState:
        with self._lock:
            return QueueState(
                runs=sum(self._counts.runs.values()),
                errors=self._counts.errors,
                dropped=self._counts.dropped,
                runs_by_priority=self._counts.runs_by_priority,
                mean_fulfilment_ms=self._counts.mean_fulfilment_ms,
            )


def _unavailable() -> Outcome[Any]:
    outcome: Outcome[Any] = Outcome()
    outcome.error = Unavailable(STOPPING)
    return outcome
