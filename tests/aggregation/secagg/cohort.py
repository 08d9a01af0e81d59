"""Owners that take part in one session, as deterministic as the tests want them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from quintet.aggregation.secagg import server
from quintet.aggregation.secagg.fixed_point import encode
from quintet.aggregation.secagg.identity import Random, Roster, SigningKey
from quintet.aggregation.secagg.messages import Advertisement, Confirmation, MaskedInput, Message, Shares, Unmasking
from quintet.aggregation.secagg.owner import Owner
from quintet.aggregation.secagg.policy import Policy
from quintet.aggregation.secagg.terms import Round, Terms, default_threshold


def drawn(label: str) -> Random:
    """A stream of bytes that only `label` decides: SHA-256 of the label, a `|` and a counter of 8 bytes, from 0."""
    kept, counter = bytearray(), 0

    def random(count: int) -> bytes:
        nonlocal counter
        while len(kept) < count:
            kept.extend(sha256(f"{label}|".encode() + counter.to_bytes(8, "big")).digest())
            counter += 1
        taken = bytes(kept[:count])
        del kept[:count]
        return taken

    return random


def names(count: int) -> tuple[str, ...]:
    return tuple("abcdefghijklmnopqrstuvwxyz"[place] for place in range(count))


def easy(least_cohort: int) -> Policy:
    """Of an owner who trusts all others not to help the server: the least threshold there is will do."""
    return Policy(least_cohort, least_threshold=lambda count: count // 2 + 1)


@dataclass
class Cohort:
    """Everybody's keys and values, and the terms. `owner` makes a fresh one that does again what it did before."""

    count: int = 4
    threshold: int | None = None
    size: int = 3
    policy: Policy = field(default_factory=lambda: easy(2))
    minimum: int = 2
    session: str = "5e" * 16

    def __post_init__(self) -> None:
        self.clients = names(self.count)
        self.identities = {name: SigningKey.generate(drawn(f"identity {name}")) for name in self.clients}
        self.roster = Roster({name: key.public for name, key in self.identities.items()})
        self.terms = Terms(
            session=self.session,
            job="job-1",
            clients=self.clients,
            threshold=self.threshold or default_threshold(self.count),
            minimum=self.minimum,
        )
        spread = np.random.default_rng(7).integers(-(10**11), 10**11, (self.count, self.size))
        self.values = {name: spread[place] / 512 for place, name in enumerate(self.clients)}

    def owner(self, name: str, *, roster: Roster | None = None, terms: Terms | None = None) -> Owner:
        return Owner(
            name,
            self.identities[name],
            roster or self.roster,
            terms or self.terms,
            self.values[name],
            policy=self.policy,
            random=drawn(f"session {name}"),
        )

    def owners(self) -> dict[str, Owner]:
        return {name: self.owner(name) for name in self.clients}


@dataclass
class Played:
    """A session that went through all rounds, with what was said in it."""

    cohort: Cohort
    owners: dict[str, Owner]
    advertisements: dict[str, Advertisement] = field(default_factory=dict)
    shares: dict[str, Shares] = field(default_factory=dict)
    masked: dict[str, MaskedInput] = field(default_factory=dict)
    confirmations: dict[str, Confirmation] = field(default_factory=dict)
    unmaskings: dict[str, Unmasking] = field(default_factory=dict)

    def advertise(self, who: Sequence[str] | None = None) -> "Played":
        self.advertisements = {name: self.owners[name].advertise() for name in who or self.owners}
        return self

    def share(self, who: Sequence[str] | None = None) -> "Played":
        told = list(self.advertisements.values())
        self.shares = {name: self.owners[name].share(told) for name in who or self.advertisements}
        return self

    def boxes(self, recipient: str) -> dict[str, bytes]:
        return {name: said.boxes[recipient] for name, said in self.shares.items() if name != recipient}

    def mask(self, who: Sequence[str] | None = None) -> "Played":
        self.masked = {name: self.owners[name].mask(self.boxes(name)) for name in who or self.shares}
        return self

    def confirm(self, who: Sequence[str] | None = None) -> "Played":
        told = sorted(self.masked)
        self.confirmations = {name: self.owners[name].confirm(told) for name in who or self.masked}
        return self

    def unmask(self, who: Sequence[str] | None = None) -> "Played":
        told = list(self.confirmations.values())
        self.unmaskings = {name: self.owners[name].unmask(told) for name in who or self.confirmations}
        return self

    def sum(self, unmaskings: Mapping[str, Unmasking] | None = None) -> NDArray[np.uint64]:
        given = self.unmaskings if unmaskings is None else unmaskings
        return server.unmasked(
            self.cohort.terms,
            self.advertisements,
            {name: said.commitment for name, said in self.shares.items()},
            sorted(self.masked),
            server.survivors_sum((said.words for said in self.masked.values()), self.cohort.size),
            list(given.values()),
        )


def played(cohort: Cohort) -> Played:
    return Played(cohort, cohort.owners())


def said(play: Played, round_: Round) -> Mapping[str, Message]:
    everything: dict[Round, Mapping[str, Message]] = {
        "advertise": play.advertisements,
        "share": play.shares,
        "mask": play.masked,
        "confirm": play.confirmations,
        "unmask": play.unmaskings,
    }
    return everything[round_]


def sum_of(play: Played) -> list[int]:
    """The words that the survivors' own values add up to."""
    words = [encode(play.cohort.values[name], decimals=9, owners=play.cohort.count) for name in play.masked]
    total: list[int] = np.add.reduce(words).tolist()
    return total
