"""A session of secure aggregation, as the server knows it: where it stands, and who is still part of it.

    advertise ─▶ share ─▶ mask ─▶ confirm ─▶ unmask ─▶ COMPUTING ─▶ COMPLETED
        └──────────┴────────┴────────┴─────────┴───────────┴──────▶ FAILED

Bonawitz et al. (2017) call the owners whose messages closed these rounds U1 to U5. Clients are positions among the
sorted clients of the terms here, from 0.
"""

from base64 import b64decode
from collections.abc import Iterable
from datetime import datetime
from functools import cached_property
from typing import Literal

from pydantic import BaseModel, ConfigDict

from quintet.aggregation.secagg.terms import ROUNDS, Round, Terms

State = Literal["OPEN", "COMPUTING", "COMPLETED", "FAILED"]


class Session(BaseModel):
    """`members` are those of the closed rounds; `out` says why somebody was sent away; `kept` names the objects that
    hold what a closed round gave to its members. `closes_at` is when the round, or the computation, must be over.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    terms: Terms
    keys: tuple[str, ...]
    kind: str = "sum"
    state: State = "OPEN"
    round: Round = "advertise"
    members: dict[Round, tuple[int, ...]] = {}
    out: dict[int, str] = {}
    kept: dict[Round, str] = {}
    size: int | None = None
    round_seconds: float
    created_at: datetime
    closes_at: datetime
    ends_at: datetime
    reason: str = ""
    cleaned: bool = False
    version: int = 1

    @property
    def job(self) -> str:
        return self.terms.job

    @property
    def ended(self) -> bool:
        return self.state in ("COMPLETED", "FAILED")

    @property
    def awaited(self) -> tuple[int, ...]:
        """Whose messages the present round waits for; after the last round, who was in it."""
        return self.members_before(self.round)

    @cached_property
    def positions(self) -> dict[str, int]:
        return {client: position for position, client in enumerate(self.terms.clients)}

    def members_before(self, round_: Round) -> tuple[int, ...]:
        """Who could take part in this round."""
        place = ROUNDS.index(round_)
        return self.members.get(ROUNDS[place - 1], ()) if place else tuple(range(len(self.terms.clients)))

    def is_over(self, round_: Round) -> bool:
        return round_ in self.members or self.ended

    def names(self, positions: Iterable[int]) -> list[str]:
        return [self.terms.clients[position] for position in positions]

    def key(self, position: int) -> bytes:
        """32 bytes: what the owner had registered when the session began."""
        return b64decode(self.keys[position])

    def takes_part(self, client: str) -> bool:
        return not self.ended and self.positions[client] in self.awaited

    def why_not(self, client: str) -> str:
        """Why `client` is not part of it any more; empty where it is."""
        position = self.positions[client]
        if self.takes_part(client):
            return ""
        if position in self.out:
            return self.out[position]
        missed = next((one for one in ROUNDS if one in self.members and position not in self.members[one]), None)
        if missed:
            return f"its message of the round {missed} did not come before the round was closed"
        return self.reason or f"the session is {self.state}"
