"""The intake: messages wait here for each other, so that one write makes many durable.

Who brings a message while too much waits has to wait, too: so is memory bounded, and the broker keeps the rest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Condition

from quintet.kernel.clock import stopwatch
from quintet.kernel.errors import Unavailable
from quintet.kernel.streams import Delivery

MIB = 1024 * 1024


@dataclass(frozen=True)
class Pace:
    """A group goes once it has `group_bytes` or `group_messages`, or its first message has waited for `seconds`.

    A message is refused where no room comes free among the `waiting_bytes` within `patience` seconds.
    """

    seconds: float = 0.01
    group_messages: int = 256
    group_bytes: int = 8 * MIB
    waiting_bytes: int = 64 * MIB
    patience: float = 10.0


class Intake:
    """One thread takes groups; any may put."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._changed = Condition()
        self._waiting: list[Delivery] = []
        self._bytes = 0
        self._under_way = 0
        self._under_way_since: float | None = None
        self._closed = False

    def put(self, delivery: Delivery) -> None:
        """Raises Unavailable where there is no room for long, and when all is over."""
        size = len(delivery.body)
        with self._changed:
            if not self._changed.wait_for(lambda: self._closed or self._has_room(size), self._pace.patience):
                raise Unavailable("messages can't be stored fast enough", waiting_bytes=self._bytes)
            if self._closed:
                raise Unavailable("the service is stopping")
            self._waiting.append(delivery)
            self._bytes += size
            if len(self._waiting) == 1 or self._is_group():
                self._changed.notify_all()

    def take(self) -> Sequence[Delivery]:
        """The next group, in the order of its messages; empty when all is over. Whoever takes it has done with the one
        before.
        """
        with self._changed:
            self._under_way, self._under_way_since = 0, None
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._closed or self._waiting)
            deadline = stopwatch() + self._pace.seconds
            self._changed.wait_for(lambda: self._closed or self._is_group(), self._left(deadline))
            group, self._waiting = self._waiting, []
            self._under_way, self._bytes = self._bytes, 0
            self._under_way_since = group[0].received_at if group else None
            self._changed.notify_all()
            return group

    def run(self, commit: Callable[[Sequence[Delivery]], None]) -> None:
        """Until it is closed and empty."""
        while group := self.take():
            commit(group)

    def oldest(self) -> float:
        """For how many seconds the oldest message waits or is being stored; 0 where there is none."""
        with self._changed:
            since = self._under_way_since
            if since is None and self._waiting:
                since = self._waiting[0].received_at
            return 0.0 if since is None else stopwatch() - since

    def close(self) -> None:
        """Nothing more is taken in; what waits is still given out."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _is_group(self) -> bool:
        return len(self._waiting) >= self._pace.group_messages or self._bytes >= self._pace.group_bytes

    def _has_room(self, size: int) -> bool:
        waiting = self._bytes + self._under_way
        return waiting == 0 or waiting + size <= self._pace.waiting_bytes

    @staticmethod
    def _left(deadline: float) -> float:
        return max(0.0, deadline - stopwatch())
