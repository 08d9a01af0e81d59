"""Taking part for an owner in whatever session waits for it and has a vector."""

from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Event, Lock, Thread

from quintet.kernel.errors import QuintetError
from quintet.sdk.datasets import Datasets
from quintet.sdk.owner import Owner
from quintet.sdk.progress import Progress
from quintet.sdk.waiting import Pace

Say = Callable[[str], None]
Session = tuple[str, str]
"""A job's name and its session's."""


@dataclass
class Attendance:
    """`say` is told what happens, one line at a time, and never a value."""

    owner: Owner
    datasets: Datasets
    say: Say
    pace: Pace
    ended: Event = field(default_factory=Event)
    _under_way: set[str] = field(default_factory=set)
    _given_up: set[Session] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)

    def run(self) -> None:
        """Until `ended` is set."""
        self._bear(self.owner.register)
        while not self.ended.is_set():
            self._bear(self.look)
            self.pace.wait()

    def look(self) -> list[Thread]:
        """Begins what waits; the threads that do it."""
        begun = []
        for standing in self.owner.sessions():
            session = (standing.terms.job, standing.terms.session)
            if session not in self._given_up and self._begins(standing.terms.job):
                begun.append(Thread(target=self._attend, args=(session,), daemon=True))
                begun[-1].start()
        return begun

    def _begins(self, job: str) -> bool:
        with self._lock:
            if job in self._under_way or self.datasets.read(job) is None:
                return False
            self._under_way.add(job)
            return True

    def _attend(self, session: Session) -> None:
        job, _ = session
        try:
            self.owner.take_part(job, self.datasets.read(job) or [], progress=self._tell)
            self.datasets.forget(job)
            self.say(f"job {job}: the rounds are over; its vector is forgotten")
        except QuintetError as error:
            self.say(f"job {job}: {error.message}")
            if not error.retry:
                self._given_up.add(session)
        finally:
            self._under_way.discard(job)

    def _tell(self, progress: Progress) -> None:
        if progress.sent:
            self.say(f"job {progress.job}: {progress}")

    def _bear(self, do: Callable[[], object]) -> None:
        """An agent outlives a server that is away, or says no."""
        try:
            do()
        except QuintetError as error:
            self.say(error.message)
