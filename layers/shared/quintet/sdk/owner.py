"""A data owner: it gives a vector to a job, and nobody sees more of it than what the sum tells.

from quintet.sdk import Owner

owner = Owner("hospital-a", identity="hospital-a.key", roster="roster.json", url="https://aggregation.example.org")
result = owner.contribute("job-1", vector, total_clients=20, schema=schema)
"""

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import KW_ONLY, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx

from quintet.aggregation.messages import MOST_CLIENTS
from quintet.aggregation.schema import features_of, size_of
from quintet.aggregation.secagg.fixed_point import encode
from quintet.aggregation.secagg.owner import Owner as Player
from quintet.aggregation.secagg.policy import Policy
from quintet.aggregation.secagg.terms import DECIMALS
from quintet.kernel.errors import Conflict, InvalidInput, Misconfigured, NotFound
from quintet.sdk.failures import DroppedOut, JobFailed
from quintet.sdk.identity_file import load_identity, load_roster
from quintet.sdk.journal import Journal
from quintet.sdk.participation import Joining, Participation, part_of
from quintet.sdk.progress import Listener, silent
from quintet.sdk.randomness import stream
from quintet.sdk.room import Room, Standing
from quintet.sdk.rounds import Rounds
from quintet.sdk.server import PATIENCE, Server, Status, connect, watched
from quintet.sdk.waiting import Pace

Number = Any
"""An int, a float, a Decimal or a number of numpy's: whatever has an exact decimal value."""


@dataclass(frozen=True)
class Wishes:
    """What the first owner of a job may ask for: the sum needs at least `minimum` owners, who have `deadline_seconds`
    to report and `round_seconds` for each round. What is None is the server's choice. On its `minimum` each owner
    insists itself, whatever the server makes of it.
    """

    minimum: int | None = None
    deadline_seconds: float | None = None
    round_seconds: float | None = None

    def as_fields(self) -> dict[str, Any]:
        return {
            "minClients": self.minimum,
            "deadlineSeconds": self.deadline_seconds,
            "roundSeconds": self.round_seconds,
        }


@dataclass
class Owner:
    """`identity` and `roster` are files; a key that is not in the roster is nobody's, whatever the server says.

    `policy` is what the owner insists on, whatever the server's terms. `journal` is the folder of what is begun, beside
    the identity where none is given. A server that is away for `patience` seconds is given up.
    """

    client: str
    _: KW_ONLY
    identity: str | Path
    roster: str | Path
    url: str
    api_key: str | None = field(default=None, repr=False)
    policy: Policy = field(default_factory=Policy)
    journal: str | Path | None = None
    patience: float = PATIENCE
    pace: Callable[[], Pace] = Pace
    connect: Callable[[], httpx.Client] = connect

    def __post_init__(self) -> None:
        self._identity = load_identity(Path(self.identity))
        self._roster = load_roster(Path(self.roster))
        if self._roster.get(self.client) != self._identity.public:
            raise Misconfigured(
                f"{self.roster} has another key of {self.client} than {self.identity}, or none: the others would "
                "refuse its messages; put the identity's public key into everybody's roster"
            )
        self._journal = Journal(Path(self.journal or f"{self.identity}.parts"))
        self.server = Server(self.url, self.api_key or "", self.patience, self.pace, self.connect)

    def contribute(
        self,
        job: str,
        vector: Sequence[Number],
        *,
        total_clients: int,
        schema: Sequence[Mapping[str, Any]] | None = None,
        wishes: Wishes | None = None,
        progress: Listener = silent,
    ) -> Status:
        """Give `vector` to `job` and wait for its result: the body of /api/job-status of the completed job.

        Called again after a crash with the same vector it goes on where it was. Raises InvalidInput where the vector
        can't be sent, JobFailed, DroppedOut, Conflict where the job is another one than told here, PermissionDenied
        where the server's terms are not the owner's policy, and Unavailable.
        """
        _check(vector, total_clients, schema, self._insisting_on(wishes))
        with self._journal.alone(job), self.server.room(self.client) as room:
            known = self._journal.read(job)
            if known is not None:
                known.insist_on(_digest(vector))
            room.register(self.public_key)
            with self._forgetting(job):
                _update(room, job, total_clients, schema, wishes or Wishes())
                return self._completed(room, job, vector, self._insisting_on(wishes), progress)

    def take_part(self, job: str, vector: Sequence[Number], *, progress: Listener = silent) -> None:
        """In the session that `job` has, to the end of its rounds. Raises as `contribute` does, and NotFound."""
        with self._journal.alone(job), self.server.room(self.client) as room:
            standing = room.standing(job)
            if standing is None:
                raise NotFound(f"job {job} has no session yet")
            self._run(room, standing, vector, self.policy, progress)

    def register(self) -> None:
        """Tell the server this owner's public key."""
        with self.server.room(self.client) as room:
            room.register(self.public_key)

    def sessions(self) -> list[Standing]:
        """Those that wait for this owner."""
        with self.server.room(self.client) as room:
            return room.sessions()

    def has_begun(self, job: str) -> bool:
        """Whether this owner has a part in `job`, or had one."""
        return self._journal.read(job) is not None

    @property
    def public_key(self) -> str:
        """In base64, as in rosters."""
        return b64encode(self._identity.public).decode()

    @contextmanager
    def _forgetting(self, job: str) -> Iterator[None]:
        """Of a job that is over no secrets stay, also where it ended while this owner was away."""
        try:
            yield
        except (JobFailed, DroppedOut):
            self._journal.end(job)
            raise
        self._journal.end(job)

    def _insisting_on(self, wishes: Wishes | None) -> Policy:
        """What was wished of the server is insisted on, too."""
        wished = (wishes or Wishes()).minimum or 0
        return replace(self.policy, least_cohort=max(self.policy.least_cohort, wished))

    def _completed(self, room: Room, job: str, vector: Sequence[Number], policy: Policy, progress: Listener) -> Status:
        for status in watched(room, job, progress, self.pace()):
            standing = room.standing(job) if status["status"] == "AGGREGATING" else None
            if standing:
                self._run(room, standing, vector, policy, progress)
        if self.client not in (status.get("metadata") or {}).get("summedClients", [self.client]):
            raise DroppedOut(f"job {job} was completed without the values of {self.client}")
        return status

    def _run(
        self, room: Room, standing: Standing, vector: Sequence[Number], policy: Policy, progress: Listener
    ) -> None:
        terms = standing.terms
        part = part_of(Joining(self.client, terms, _digest(vector)), self._journal)
        if part.ended:
            return
        random = stream(bytes.fromhex(part.seed), terms.session)
        player = Player(self.client, self._identity, self._roster, terms, vector, policy=policy, random=random)
        participation = Participation(part, player, self._journal)
        try:
            Rounds(terms.job, room, participation, progress, self.pace()).run(standing)
        except DroppedOut:
            participation.end()
            raise
        participation.end()


def _update(room: Room, job: str, total: int, schema: Sequence[Mapping[str, Any]] | None, wishes: Wishes) -> None:
    try:
        room.update(job, total, schema, **wishes.as_fields())
    except Conflict as error:
        with suppress(NotFound):  # of a job that others take part in nothing more is told
            status = room.status(job)
            if status["status"] == "FAILED":
                raise JobFailed(str(status.get("reason") or error.message)) from None
        raise


def _check(vector: Sequence[Number], total: int, schema: Sequence[Mapping[str, Any]] | None, policy: Policy) -> None:
    """Nothing is told to anybody before it is sure that the vector can be sent. Raises InvalidInput."""
    if not isinstance(total, int) or isinstance(total, bool) or not 1 <= total <= MOST_CLIENTS:
        raise InvalidInput(f"total_clients is a whole number from 1 to {MOST_CLIENTS}, not {total!r}")
    if total < policy.least_cohort:
        raise InvalidInput(f"total_clients is {total}, and this owner is in no sum of fewer than {policy.least_cohort}")
    if len(vector) == 0:
        raise InvalidInput("the vector is empty: there is nothing to add up")
    if any(isinstance(value, bool) or value is None for value in vector):
        raise InvalidInput("the vector holds something that is no number: true, false or nothing")
    encode(vector, decimals=DECIMALS, owners=total)
    expected = size_of(features_of(schema)) if schema is not None else len(vector)
    if expected != len(vector):
        raise InvalidInput(f"the schema describes a vector of {expected} elements, this one has {len(vector)}")


def _digest(vector: Sequence[Number]) -> str:
    return sha256(encode(vector, decimals=DECIMALS, owners=1).astype("<u8").tobytes()).hexdigest()
