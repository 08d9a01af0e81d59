"""One attempt at one job: what it has at hand, and how it ends.

done                               exit code 0    the job is completed
asked to go (SIGTERM)                        0    pending again: another task goes on from the checkpoint
the caller has cancelled                     0    cancelled
another task has the job                     0    nothing is said
something that may pass is away              1    pending again, or failed after three such ends
anything else                                1    failed, with a reason
"""

import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from aws_lambda_powertools import Logger

from gpu_workers.trainer import lease
from gpu_workers.trainer.detector import DetectorLibrary
from gpu_workers.trainer.reins import Reins, Stop, Stopped
from gpu_workers.trainer.runs import Ending, NoRecord, Record
from gpu_workers.trainer.telling import Teller
from quintet.entry.worker import exit_code
from quintet.kernel.errors import QuintetError, Unavailable
from quintet.kernel.files import Files
from quintet.training.access import Access
from quintet.training.jobs import Job, Superseded
from quintet.training.messages import ConvertRequest, TrainRequest
from quintet.training.work import Work

INSISTENCE = 300.0
"""Seconds for which the ledger may be away in the middle of a job."""

ENDINGS: Mapping[str, Ending] = {"completed": "FINISHED", "failed": "FAILED", "cancelled": "KILLED"}
"""Of a run's record, by the job's status."""

T = TypeVar("T")


@dataclass(frozen=True)
class Provisions:
    """What every attempt needs; `library` and `record` are made when first needed."""

    work: Work
    files: Files
    access: Access
    request: Callable[[Job], TrainRequest | ConvertRequest]
    library: Callable[[], DetectorLibrary]
    record: Callable[[Job], Record | NoRecord]
    teller: Teller
    log: Logger
    device: str | None = None
    scratch: Path | None = None
    lease_seconds: float = lease.SECONDS
    farewell_seconds: float = 30.0


@dataclass
class Attempt:
    has: Provisions
    reins: Reins = field(default_factory=Reins)
    record: Record | NoRecord = field(default_factory=NoRecord)
    ending: Ending | None = None
    tags: dict[str, str] = field(default_factory=dict)
    keepsakes: Sequence[Path] = ()
    """Files for the run's record."""

    _folder: Path = Path()

    @property
    def work(self) -> Work:
        return self.has.work

    @property
    def log(self) -> Logger:
        return self.has.log

    def folder(self, name: str) -> Path:
        """A folder that goes with the attempt."""
        made = self._folder / name
        made.mkdir(parents=True, exist_ok=True)
        return made

    @property
    def scratch(self) -> Path:
        return self._folder

    def insist(self, do: Callable[[], T]) -> T:
        """`do`, again and again while what it needs is away, for some minutes. Raises Unavailable then."""
        end = time.monotonic() + INSISTENCE
        while True:
            try:
                return do()
            except Unavailable as error:
                if time.monotonic() > end or self.reins.pulled():
                    raise
                self.log.warning("the ledger is away", extra={"reason": error.message})
                time.sleep(1)

    def run(self, do: "Callable[[Attempt], None]") -> int:
        """The exit code. `do` leaves the job completed."""
        with self._scratch(), terminated_by_signal(self.reins):
            code = exit_code(partial(self._run, do), self._explain, self.log)
            if self.ending:
                self.record.end(self.ending, tags=self.tags, artifacts=self.keepsakes)
        if not self.has.teller.finish(self.has.farewell_seconds):
            self.log.warning("messages are left in the outbox")
        return code

    def _run(self, do: "Callable[[Attempt], None]") -> None:
        try:
            with lease.kept(self.work, self.reins, self.log, seconds=self.has.lease_seconds):
                do(self)
        except Superseded:
            self.log.info("another task has the job")
        except Stopped as stopped:
            self._leave(stopped.why)

    def _leave(self, why: Stop) -> None:
        self.log.info("stopped", extra={"why": why.name.lower()})
        leave = {Stop.CANCELLED: self.work.cancel, Stop.TERMINATED: self.work.suspend}
        try:
            if why in leave:
                self.ending = "KILLED" if why == Stop.CANCELLED else "SCHEDULED"
                leave[why]()
        except Superseded:
            self.ending = None

    def _explain(self, error: QuintetError) -> None:
        try:
            job = self.work.give_up(error.message) if error.retry else self.work.fail(error.message)
        except Superseded:
            self.log.info("another task has the job")
            return
        self.ending = ENDINGS.get(job.status, "SCHEDULED")
        self.tags["quintet.error"] = error.message[:500]

    @contextmanager
    def _scratch(self) -> Iterator[None]:
        with TemporaryDirectory(prefix="trainer-", dir=self.has.scratch) as folder:
            self._folder = Path(folder)
            yield


@contextmanager
def terminated_by_signal(reins: Reins) -> Iterator[None]:
    """SIGTERM and SIGINT pull the reins."""
    caught = (signal.SIGTERM, signal.SIGINT)
    before = {one: signal.signal(one, lambda *_: reins.pull(Stop.TERMINATED)) for one in caught}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
