"""What the room looks after each minute: drift of the data, retrainings that are wanted, what nobody tends any more."""

from collections.abc import Callable
from dataclasses import dataclass

from quintet.handover.data_watch import DataWatch
from quintet.handover.feedback import Feedback
from quintet.kernel.errors import QuintetError


@dataclass(frozen=True)
class Watch:
    """`tend` looks after trainings whose lease has run out; `on_drift` hears that the data have drifted."""

    data: DataWatch
    feedback: Feedback
    tend: Callable[[], object]
    on_drift: Callable[[], None] = lambda: None

    def look(self) -> None:
        """What is in the way of one is raised when all were seen to."""
        failure: QuintetError | None = None
        for step in (self.tend, self.feedback.queue, self._see_to_data, self.feedback.kept.trim):
            try:
                step()
            except QuintetError as error:
                failure = failure or error
        if failure:
            raise failure

    def _see_to_data(self) -> None:
        if self.data.look().news:
            self.on_drift()
            self.feedback.want("data")
