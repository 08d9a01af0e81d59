"""Our own secure aggregation in the part of the room's aggregator."""

from collections.abc import Sequence
from dataclasses import dataclass

from quintet.aggregation.messages import Outcome
from quintet.aggregation.sessions import Sessions


@dataclass(frozen=True)
class OwnAggregator:
    sessions: Sessions

    def start(
        self,
        job: str,
        clients: Sequence[str],
        *,
        size: int | None,
        minimum: int,
        round_seconds: float | None,
    ) -> None:
        """Open the job's session. Raises InvalidInput, NotFound, Conflict and Unavailable."""
        self.sessions.open(job, clients, size=size, minimum=minimum, round_seconds=round_seconds)

    def outcome(self, job: str) -> Outcome:
        """Whoever asks for the outcome brings it about, as far as the owners' messages go. Raises NotFound."""
        return self.sessions.finish(job)
