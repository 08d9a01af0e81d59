"""The five rounds of a session over HTTP, at the server's pace."""

from dataclasses import dataclass

from quintet.aggregation.secagg.terms import ROUNDS, Round
from quintet.kernel.errors import Conflict
from quintet.sdk.failures import DroppedOut
from quintet.sdk.participation import Participation
from quintet.sdk.progress import Listener, Progress
from quintet.sdk.room import Room, Standing
from quintet.sdk.waiting import Pace


@dataclass
class Rounds:
    """One owner in one session of `job`."""

    job: str
    room: Room
    participation: Participation
    listen: Listener
    pace: Pace
    _taken: Round | None = None

    def run(self, standing: Standing) -> Standing:
        """Takes part until the rounds are over; how the session stands then. Raises DroppedOut."""
        while standing.round in ROUNDS:
            name: Round = standing.round
            self.listen(Progress(self.job, name, of=len(standing.members)))
            if name != self._taken:
                standing = self._take(name, standing)
            if standing.round == name:
                self.pace.wait(standing.asks_to_wait)
                standing = self._standing()
        if not self.participation.masked and standing.round != "FAILED":
            raise DroppedOut(standing.reason or f"the session of job {self.job} has ended without {self.room.client}")
        return standing

    def _take(self, name: Round, standing: Standing) -> Standing:
        """A round that this owner can't take is none of its business where its values are in the sum already."""
        self._taken = name
        self.pace.begin_anew()
        if standing.taking_part and self.participation.can_take(name):
            return self._send(name)
        if not self._counts():
            raise DroppedOut(standing.reason or f"round {name} of job {self.job} goes on without {self.room.client}")
        return standing

    def _send(self, name: Round) -> Standing:
        try:
            message = self.participation.message(name, lambda closed: self.room.given(self.job, closed))
            after = self.room.send(self.job, name, message)
        except Conflict:
            after = self._standing()
            if after.round == name:
                raise
            return after  # it was closed in this very moment
        self.listen(Progress(self.job, name, sent=True))
        return after

    def _counts(self) -> bool:
        """The server takes a message again that it has, and no other once its round is closed."""
        if self.participation.confirmed or not self.participation.masked:
            return self.participation.confirmed
        try:
            self.room.send(self.job, "mask", self.participation.message("mask", lambda _: None))
        except Conflict:
            return False
        return True

    def _standing(self) -> Standing:
        found = self.room.standing(self.job)
        if found is None:
            raise DroppedOut(f"the server knows of no session of job {self.job} any more")
        return found
