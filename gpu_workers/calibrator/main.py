"""gRPC on GRPC_PORT (50051), and the clients' queues on RabbitMQ → joined, judged → MLflow, reports in the bucket."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from threading import Event, Thread

if __name__ == "__main__":  # packages are found from the root, and no file of this folder hides a library's module
    sys.path[0] = str(Path(__file__).parents[2])

from aws_lambda_powertools import Logger

from gpu_workers.calibrator.wiring import CalibratorWorker
from quintet.calibration.grpc import calibration_server
from quintet.entry.serving import Door, serve
from quintet.entry.worker import beside, log_failure
from quintet.kernel.clock import stopwatch
from quintet.kernel.errors import Misconfigured, QuintetError
from quintet.kernel.log import logger

CLOSERS = 2
SECONDS_BETWEEN_ROUNDS = 1.0
SECONDS_BETWEEN_COUNTS = 60.0
SECONDS_TO_EMPTY = 30.0


class Duties:
    """The worker's threads. One that fails for a reason nobody foresaw ends the process: another takes over then."""

    def __init__(self, worker: CalibratorWorker) -> None:
        self._worker = worker
        self._over = Event()
        self._threads: list[Thread] = []
        self.failed = False

    def start(self) -> None:
        worker = self._worker
        worker.calibrator.start()
        worker.streams.start(worker.receiving)
        self._beside("committer", partial(worker.intake.run, worker.calibrator.commit))
        self._again("lease", worker.tending.renew, worker.manner.lease / 4)
        self._again("tender", worker.tending.round, SECONDS_BETWEEN_ROUNDS)
        self._again("clients", self._count, SECONDS_BETWEEN_COUNTS)
        for number in range(CLOSERS):
            self._beside(f"closer {number + 1}", worker.closing.run)
        self._beside("tracker", self._track)

    def stop(self) -> None:
        """What is not acknowledged goes back to its queues; others may take over what is not ended."""
        if self._over.is_set():
            return
        self._over.set()
        worker = self._worker
        worker.streams.stop()
        worker.intake.close()
        worker.calibrator.stopping.set()
        worker.closing.stop(CLOSERS)
        worker.renderer.stop()
        until = stopwatch() + SECONDS_TO_EMPTY
        for thread in self._threads:
            thread.join(max(0.1, until - stopwatch()))
        try:
            worker.tending.leave()
        except QuintetError as error:
            log_failure(worker.log, "the lease could not be given back", error)

    def _track(self) -> None:
        rest = 0.0
        while not self._over.wait(rest):
            rest = self._tried(self._worker.track, rest=5.0)

    def _again(self, name: str, do: Callable[[], None], seconds: float) -> None:
        def run() -> None:
            while not self._over.wait(seconds):
                self._tried(do, rest=0.0)

        self._beside(name, run)

    def _tried(self, do: Callable[[], float | None], *, rest: float) -> float:
        """What `do` returns; `rest` where it could not be done now."""
        try:
            return do() or 0.0
        except Misconfigured:
            raise
        except QuintetError as error:
            log_failure(self._worker.log, "not done now", error)
            return rest

    def _count(self) -> None:
        seconds = round(self._worker.intake.oldest(), 3)
        self._worker.log.info("clients", extra={"clients": self._worker.calibrator.clients, "unacked_seconds": seconds})

    def _beside(self, name: str, do: Callable[[], None]) -> None:
        self._threads.append(beside(do, name=name, on_failure=partial(self._fail, name)))

    def _fail(self, name: str, error: Exception) -> None:
        if self._over.is_set():  # what could not be stored comes again, to another
            log_failure(self._worker.log, f"the {name} did not end its work", error)
            return
        log_failure(self._worker.log, f"the {name} has failed: this worker ends", error)
        self.failed = True
        os.kill(os.getpid(), signal.SIGTERM)


def main() -> int:
    """The exit code: 0 once told to stop, 1 where it can't serve."""
    log = logger("calibration-calibrator")
    threading.excepthook = partial(tell_of_thread, log)
    worker = CalibratorWorker(log)
    duties = Duties(worker)
    code = serve(lambda: doors(worker, duties), end=duties.stop, grace=lambda: worker.service.grace_seconds, log=log)
    return 1 if duties.failed else code


def tell_of_thread(log: Logger, told: threading.ExceptHookArgs) -> None:
    """Of a thread that is not ours to end the process for: the broker's is begun anew."""
    name = told.thread.name if told.thread else "a thread"
    if isinstance(told.exc_value, Exception):
        log_failure(log, f"{name} has failed", told.exc_value)


def doors(worker: CalibratorWorker, duties: Duties) -> Mapping[str, Door]:
    """gRPC, in front of a worker that works. Raises what stands in the way."""
    log_keys = {"pod": worker.service.pod, "replica": worker.service.replica}
    worker.log.append_keys(**{name: value for name, value in log_keys.items() if value})
    worker.room.warm()
    server = calibration_server(worker, port=worker.service.port)
    duties.start()
    return {"grpc": server}


if __name__ == "__main__":
    raise SystemExit(main())
