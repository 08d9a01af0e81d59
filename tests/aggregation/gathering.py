"""Owners who take part in sessions of secure aggregation, and what their sessions are kept in, all in memory."""

import json
from base64 import b64decode
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from quintet.adapters.memory import MemoryObjects
from quintet.adapters.memory_rows import MemoryRows
from quintet.aggregation.messages import Outcome
from quintet.aggregation.owners import Owners
from quintet.aggregation.ports import Objects, Rows
from quintet.aggregation.secagg.identity import Roster, SigningKey
from quintet.aggregation.secagg.messages import Advertisement, Confirmation, Message
from quintet.aggregation.secagg.owner import Owner
from quintet.aggregation.secagg.terms import ROUNDS, Round, Terms
from quintet.aggregation.session import Session
from quintet.aggregation.sessions import Sessions
from quintet.aggregation.settings import Jobs
from quintet.kernel.clock import SteppedClock

JOB = "job-1"
ALONE = "anyone"
PORT = 7100
Gone = Mapping[Round, Iterable[str]]


@cache
def key_of(client: str) -> SigningKey:
    return SigningKey.generate()


def named(count: int) -> list[str]:
    return [f"owner-{number:03d}" for number in range(count)]


def vector(client: str, size: int = 3) -> list[int]:
    """Whole numbers that no other owner has."""
    return [(int(client[-3:]) + 1) * 100 ** (place % 3) for place in range(size)]


def summed(clients: Iterable[str], size: int = 3) -> tuple[str, ...]:
    return tuple(str(sum(column)) for column in zip(*(vector(client, size) for client in clients), strict=True))


@dataclass
class Hall:
    """Where `count` owners meet. `nudged` and `told` are what the sessions have said of themselves."""

    clients: list[str]
    rows: Rows
    objects: Objects
    clock: SteppedClock = field(default_factory=SteppedClock)
    settings: Jobs = field(default_factory=Jobs)
    nudged: list[str] = field(default_factory=list)
    told: list[tuple[str, Outcome]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.owners = Owners(self.rows, self.clock)
        self.sessions = Sessions(
            self.rows,
            self.objects,
            self.owners,
            self.clock,
            self.settings,
            finished=self.nudged.append,
            told=self.hear,
        )

    def hear(self, session: Session, outcome: Outcome) -> None:
        self.told.append((session.job, outcome))

    def register(self) -> None:
        for client in self.clients:
            key = key_of(client).public
            self.owners.register(client, ALONE, port=PORT, crt="", signing_key=key, force=False)

    def open(self, **wishes: Any) -> Terms:
        self.register()
        return self.sessions.open(JOB, self.clients, **{"size": None, "minimum": 3, **wishes})

    def gathering(self, terms: Terms, sizes: Mapping[str, int] | None = None) -> "Gathering":
        return Gathering(self, terms, sizes or {})


def hall(count: int, rows: Rows | None = None, objects: Objects | None = None, **settings: Any) -> Hall:
    clock = SteppedClock()
    given = Jobs().model_copy(update=settings)
    return Hall(named(count), rows or MemoryRows(clock), objects or MemoryObjects(), clock, given)


class Gathering:
    """The owners of one session, each with its own secrets. They ask the sessions for what they need, as a client."""

    def __init__(self, place: Hall, terms: Terms, sizes: Mapping[str, int]) -> None:
        self._sessions, self._clock, self.terms = place.sessions, place.clock, terms
        roster = Roster({client: key_of(client).public for client in terms.clients})
        self.owners = {
            client: Owner(client, key_of(client), roster, terms, vector(client, sizes.get(client, 3)))
            for client in terms.clients
        }

    def message(self, round_: Round, client: str) -> Message:
        """What `client` says in the round, from what it is given of the one before."""
        owner = self.owners[client]
        steps: dict[Round, Callable[[], Message]] = {
            "advertise": owner.advertise,
            "share": lambda: owner.share(
                [Advertisement.model_validate(one) for one in self.given("advertise", client)["advertisements"]]
            ),
            "mask": lambda: owner.mask(
                {sender: b64decode(box) for sender, box in self.given("share", client)["boxes"].items()}
            ),
            "confirm": lambda: owner.confirm(self.given("mask", client)["survivors"]),
            "unmask": lambda: owner.unmask(
                [Confirmation.model_validate(one) for one in self.given("confirm", client)["confirmations"]]
            ),
        }
        return steps[round_]()

    def given(self, round_: Round, client: str) -> dict[str, Any]:
        """As it comes over HTTP."""
        told: dict[str, Any] = json.loads(json.dumps(self._sessions.given(self.terms.job, round_, client)))
        return told

    def send(self, round_: Round, client: str) -> None:
        self._sessions.take(self.terms.job, round_, self.message(round_, client))

    def round(self, round_: Round, clients: Iterable[str]) -> None:
        for client in clients:
            self.send(round_, client)

    def until(self, last: Round, *, gone: Gone | None = None) -> list[str]:
        """All rounds up to and with `last`; `gone` says who sends nothing from which round on. Who is left."""
        there = list(self.terms.clients)
        for round_ in ROUNDS[: ROUNDS.index(last) + 1]:
            left = [client for client in there if client not in (gone or {}).get(round_, ())]
            self.round(round_, left)
            if left != there:
                self._clock.advance(61)
                self._sessions.tend(self.terms.job)
            there = left
        return there


def survivors(clients: Sequence[str], gone: Gone) -> list[str]:
    """Whose vectors are summed: those who have sent a masked one."""
    left = {client for round_ in ("advertise", "share", "mask") for client in gone.get(round_, ())}
    return [client for client in clients if client not in left]


def traces(place: Hall) -> tuple[list[str], list[str]]:
    """What is kept of the job's session: objects, and names of rows."""
    keys = [key for key, *_ in place.objects.list("aggregation/sessions/", 1000)]
    rows = [name for name, _ in place.rows.list(f"aggregation#session#{JOB}")]
    rows += [name for client in place.clients for name, _ in place.rows.list(f"aggregation#member#{client}")]
    return keys, rows + [name for name, _ in place.rows.list("aggregation#running")]
