"""Who has reported: each client once, and no more of them than the job has.

Redis counts in one atomic step and says which seat a client has; the seat, once written, is what counts. Where Redis
is away, has lost something, or refuses, the ledger's seats alone decide. A client is counted in Redis once more when
its seat is written: the last one to do so surely sees that all are there.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, Never
from zlib import crc32

from quintet.aggregation.ledger import Ledger, Report, Standing
from quintet.kernel.errors import Conflict, Unavailable
from quintet.kernel.job_keys import DurableJob, JobKeys, Recorded


class Counted(NamedTuple):
    """`new`: by this report; `done`: so many have reported."""

    new: bool
    done: int


@dataclass(frozen=True)
class Counting:
    ledger: Ledger
    keys: JobKeys | None

    def report(self, standing: Standing, client: str, caller: str) -> Counted:
        """`client` has reported, durably, however often it says so.

        Raises Conflict where all seats are others', and Unavailable.
        """
        recorded = self._recorded(standing, client)
        new = client not in standing.clients and self._sit(standing, client, caller, recorded)
        return Counted(new, self._done(standing, client, recorded))

    def _recorded(self, standing: Standing, client: str) -> Recorded | None:
        """None: Redis is away, which holds nobody up."""
        if self.keys is None:
            return None
        try:
            return self.keys.record(standing.job.id, client, durable_of(standing))
        except Unavailable:
            return None

    def _sit(self, standing: Standing, client: str, caller: str, recorded: Recorded | None) -> bool:
        """Whether the client was without a seat."""
        wished = recorded.done if recorded is not None and recorded.new else 0
        if not wished:  # it is not Redis that decides, and what was read before may be old
            standing = self._again(standing)
        for _ in range(standing.job.total + 1):
            if client in standing.clients:
                return False
            if not standing.free_seats:
                self._refuse(standing, client)
            try:
                self.ledger.report(standing.job, Report(client, caller, seat_for(client, wished, standing)))
            except Conflict:
                standing = self._again(standing)
            else:
                return True
        raise Unavailable("too many clients report at one time: send the update again")

    def _again(self, standing: Standing) -> Standing:
        return self.ledger.look(standing.job.id) or standing

    def _refuse(self, standing: Standing, client: str) -> Never:
        """Raises Conflict; Redis may have counted a client that has no seat."""
        job = standing.job
        if self.keys is not None:
            with suppress(Unavailable):
                self.keys.write(job.id, durable_of(standing))
        raise Conflict(
            f"Job {job.id} has totalClients {job.total} and all of them have reported; {client!r} is none of them"
        )

    def _done(self, standing: Standing, client: str, before: Recorded | None) -> int:
        """Counted once more: who was counted before us may have got a seat after us, and then does not see all."""
        if before is not None and before.done >= before.total and not before.full:
            return before.done
        recorded = self._recorded(standing, client)
        if recorded is not None and not recorded.full:
            return recorded.done
        return len(self._again(standing).reports)


def seat_for(client: str, wished: int, standing: Standing) -> int:
    """The wished seat where it is free, else one that another client will hardly try for at the same time."""
    free = standing.free_seats
    return wished if wished in free else free[crc32(client.encode()) % len(free)]


def durable_of(standing: Standing, final_result: str = "") -> DurableJob:
    job = standing.job
    return DurableJob(job.total, job.layout.text, standing.clients, final_result, job.expires_at)
