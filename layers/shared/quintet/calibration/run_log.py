"""The run of one session, logged piece by piece: a piece is a few requests at most.

Whatever is logged may be logged again with the same effect, so that nothing needs to be known of what an earlier
process got done.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from quintet.calibration import experiment as naming
from quintet.calibration.experiment import Columns
from quintet.calibration.ports import Experiments
from quintet.calibration.tracked import Ending, Tracked
from quintet.kernel.errors import Conflict, QuintetError, Unavailable

T = TypeVar("T")

AT_ONCE = 80
"""Batches whose metrics go in one request."""


class Unreadable(Unavailable):
    """What is to be logged can't be read now; that is no fault of the server's."""


@dataclass
class RunLog:
    """Each piece raises Unreadable, Unavailable where the server is away, and Conflict where it refuses."""

    tracked: Tracked
    experiments: Experiments
    table: Callable[[Columns], bytes]
    prefix: str
    run: str = ""
    _logged: int = -1
    _summed: bool = False
    _batches: deque[int] = field(default_factory=deque)
    _files: deque[str] | None = None

    def forget(self) -> None:
        """Begin again: the run is not what it was."""
        self.run, self._logged, self._summed, self._files = "", -1, False, None
        self._batches.clear()

    def figures(self) -> bool:
        """Log the metrics of what was evaluated since the last time; whether there was anything to log."""
        if not self.run:
            self._open()
            return True
        ending = self.tracked.ending()  # asked first: after it there are no further batches
        batches = self.tracked.batches(self._logged)[:AT_ONCE]
        if batches:
            self.experiments.metrics(self.run, naming.measurements(self.tracked.session, batches))
            self._logged = batches[-1].index
            self._batches.extend(batch.index for batch in batches)
        elif ending and not self._summed:
            self._sum_up(ending)
        else:
            return False
        return True

    def file(self) -> bool:
        """Store the next file, the batches' before the others; whether there was one."""
        if self._batches:
            self._store_batch(self._batches[0])
            self._batches.popleft()
        elif self._files:
            self._store_file(self._files[0])
            self._files.popleft()
        else:
            return False
        return True

    def skip(self) -> str:
        """Leave out the next file; its name."""
        if self._batches:
            return naming.batch_path(self.tracked.session, self._batches.popleft())
        return self._files.popleft() if self._files else ""

    def end(self) -> bool:
        """End the run where all is logged; whether it is."""
        ending = self.tracked.ending()
        if not (ending and self._summed) or self._batches or self._files:
            return False
        tags = naming.last_tags(self.tracked.session, ending)
        self.experiments.close(self.run, naming.STATUSES[ending.state], tags)
        return True

    def _open(self) -> None:
        session = self.tracked.session
        name = naming.experiment_name(session, self.prefix)
        run = self.experiments.open(name, naming.run_name(session), naming.run_tags(session))
        self.experiments.params(run, {key: str(value) for key, value in self.tracked.params().items()})
        self.run = run

    def _sum_up(self, ending: Ending) -> None:
        last = naming.last_measurements(self.tracked.session, ending)
        if last:
            self.experiments.metrics(self.run, last)
        self._summed = True
        self._files = deque(ending.files)

    def _store_batch(self, index: int) -> None:
        with_what = readable(lambda: self.tracked.contents(index))
        if with_what is None:
            return
        session = self.tracked.session
        columns = naming.batch_columns(session, with_what)
        self.experiments.artifact(self.run, naming.batch_path(session, index), self.table(columns))

    def _store_file(self, name: str) -> None:
        ending = self.tracked.ending()
        if ending and name in ending.files:
            self.experiments.artifact(self.run, name, readable(ending.files[name]))


def readable(read: Callable[[], T]) -> T:
    """Raises Unreadable, and Conflict where it is not there and never will be."""
    try:
        return read()
    except QuintetError as error:
        kind = Unreadable if error.retry else Conflict
        raise kind(error.message, **error.details) from error
