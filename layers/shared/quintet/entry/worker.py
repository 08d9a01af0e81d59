"""The door of a task: a process that does one piece of work and ends, and the threads that it keeps beside it.

raise SystemExit(exit_code(do=train, explain=tell_the_caller, log=log))
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread

from aws_lambda_powertools import Logger

from quintet.kernel.errors import QuintetError


class ForeignFailure(QuintetError):
    """What a library of somebody else raised; its class and message are for the caller."""


class UnexpectedFailure(QuintetError):
    """What nobody foresaw; the reason is in the log alone."""


def exit_code(do: Callable[[], None], explain: Callable[[QuintetError], None], log: Logger) -> int:
    """0 when `do` is done. Else `explain` is told of the failure, which is logged, and the code is 1."""
    try:
        do()
    except Exception as error:
        ours = as_house_error(error)
        log_failure(log, "the task failed", error)
        try:
            explain(ours)
        except Exception as another:
            log_failure(log, "the failure could not be told", another)
        return 1
    return 0


@contextmanager
def foreign(hidden: str = "") -> Iterator[None]:
    """Around a library of somebody else: errors that are not of the house become ForeignFailure, without the text
    `hidden`, for instance a folder's name.
    """
    try:
        yield
    except QuintetError:
        raise
    except Exception as error:
        text = str(error).replace(hidden, "") if hidden else str(error)
        raise ForeignFailure(f"{type(error).__name__}: {text}") from error


def beside(do: Callable[[], None], *, name: str, on_failure: Callable[[Exception], None]) -> Thread:
    """Start `do` in a thread that does not keep the process alive; no failure of it is lost."""

    def run() -> None:
        try:
            do()
        except Exception as error:
            on_failure(error)

    thread = Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread


def as_house_error(error: Exception) -> QuintetError:
    if isinstance(error, QuintetError):
        return error
    return UnexpectedFailure("It failed for a reason that only the log knows.", error=type(error).__name__)


def log_failure(log: Logger, what: str, error: Exception) -> None:
    """With the details, which the caller is never told; with the traceback where the fault is not the caller's."""
    said: dict[str, object] = {"error": type(error).__name__, "reason": str(error)}
    if isinstance(error, QuintetError):
        said["details"] = error.details
    if isinstance(error, QuintetError) and error.status < 500:
        log.warning(what, extra=said)
    else:
        log.error(what, extra=said, exc_info=error)
