"""A thread that says every few seconds that the task is alive, and learns whether it is to go on."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event

from aws_lambda_powertools import Logger

from gpu_workers.trainer.reins import Reins, Stop
from quintet.entry.worker import beside
from quintet.kernel.errors import Unavailable
from quintet.training.jobs import Superseded
from quintet.training.work import Work

SECONDS = 5.0


@contextmanager
def kept(work: Work, reins: Reins, log: Logger, *, seconds: float = SECONDS) -> Iterator[None]:
    """The lease is renewed while this lasts."""
    over = Event()

    def renew() -> None:
        while not over.wait(seconds) and look(work, reins, log):
            pass

    thread = beside(renew, name="lease", on_failure=reins.fail)
    try:
        yield
    finally:
        over.set()
        thread.join()


def look(work: Work, reins: Reins, log: Logger) -> bool:
    """Renew once; whether there is still a lease to renew."""
    try:
        job = work.alive()
    except Superseded:
        reins.pull(Stop.SUPERSEDED)
        return False
    except Unavailable as error:
        log.warning("the lease could not be renewed", extra={"reason": error.message})
        return True
    if job.cancel_requested:
        reins.pull(Stop.CANCELLED)
    return True
