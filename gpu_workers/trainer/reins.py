"""Whether a task is to go on with its job: asked often, answered from memory."""

from enum import IntEnum


class Stop(IntEnum):
    """Why to stop; the weightier reason has the larger number."""

    TERMINATED = 1  # by whoever runs the tasks: another one goes on
    CANCELLED = 2  # by the job's caller
    SUPERSEDED = 3  # another task has the job already


class Stopped(Exception):
    """The job was left as `why` says."""

    def __init__(self, why: Stop) -> None:
        super().__init__(why.name.lower())
        self.why = why


class Reins:
    """Any thread, and a signal's handler, may pull them."""

    def __init__(self) -> None:
        self._why: Stop | None = None
        self._failure: Exception | None = None

    def pull(self, why: Stop) -> None:
        self._why = max(why, self._why or why)

    def fail(self, error: Exception) -> None:
        """Stop with `error`: a thread beside the work has failed."""
        self._failure = self._failure or error

    def pulled(self) -> bool:
        return self._why is not None or self._failure is not None

    def check(self) -> None:
        """Raises Stopped, or the failure, where they were pulled."""
        if self._failure:
            raise self._failure
        if self._why:
            raise Stopped(self._why)
