"""A program that keeps doors open until it is told to stop.

raise SystemExit(serve(open_doors, end=room.close_queues, grace=lambda: 20, log=log))
"""

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from queue import SimpleQueue
from typing import Protocol

from aws_lambda_powertools import Logger

from quintet.entry.worker import beside, log_failure

ENDINGS = (signal.SIGTERM, signal.SIGINT)
MOST_OF_THE_GRACE = 0.9


class Door(Protocol):
    @property
    def port(self) -> int: ...
    def start(self) -> None: ...
    def stop(self, grace: float) -> None: ...


def serve(
    doors: Callable[[], Mapping[str, Door]], *, end: Callable[[], None], grace: Callable[[], float], log: Logger
) -> int:
    """Open the `doors`, by name, and wait for SIGTERM or SIGINT; then let what is being answered end.

    What is not answered after most of the `grace`, in seconds, is sent away by `end`, so that it has an answer before
    the doors shut. Returns the exit code: 1 where a door could not be opened, of which one line is logged, else 0.
    """
    with _endings() as told:
        try:
            seconds, opened = grace(), _opened(doors(), log)
        except Exception as error:
            log_failure(log, "not started", error)
            return 1
        log.info("stopping", extra={"signal": told.get().name})
        _stop(opened, end, seconds, log)
        log.info("stopped")
        return 0


@contextmanager
def _endings() -> "Iterator[SimpleQueue[signal.Signals]]":
    """The signals to end, one by one: such a queue may be filled while it is being read by the same thread."""
    told: SimpleQueue[signal.Signals] = SimpleQueue()
    before = {ending: signal.signal(ending, lambda number, _: told.put(signal.Signals(number))) for ending in ENDINGS}
    try:
        yield told
    finally:
        for ending, handler in before.items():
            signal.signal(ending, handler)


def _opened(doors: Mapping[str, Door], log: Logger) -> Mapping[str, Door]:
    for name, door in doors.items():
        door.start()
        log.info("open", extra={"door": name, "port": door.port})
    return doors


def _stop(doors: Mapping[str, Door], end: Callable[[], None], grace: float, log: Logger) -> None:
    ending = threading.Timer(MOST_OF_THE_GRACE * grace, end)
    ending.start()
    stopping = [
        beside(partial(door.stop, grace), name=f"stop {name}", on_failure=partial(log_failure, log, "not stopped"))
        for name, door in doors.items()
    ]
    for thread in stopping:
        thread.join()
    ending.cancel()
    end()
