"""An owner's part in one session: what it says in each round, from what the server gave in the one before.

Every message is made from the journal's part alone, so a part that was begun by a process that is no more gives the
same messages again. A round's entry is in the journal before its message is anybody else's.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from secrets import token_bytes
from types import MappingProxyType
from typing import Any, Protocol

from pydantic import BaseModel

from quintet.aggregation.secagg.messages import Advertisement, Confirmation, from_base64
from quintet.aggregation.secagg.terms import ROUNDS, Round, Terms
from quintet.kernel.errors import Conflict, InvalidInput, PermissionDenied
from quintet.sdk.journal import Journal, Part
from quintet.sdk.randomness import SEED_BYTES


class Player(Protocol):
    """The five steps, as quintet.aggregation.secagg.owner has them."""

    def advertise(self) -> BaseModel: ...
    def share(self, advertisements: Sequence[Advertisement], /) -> BaseModel: ...
    def mask(self, boxes: Mapping[str, bytes], /) -> BaseModel: ...
    def confirm(self, survivors: Sequence[str], /) -> BaseModel: ...
    def unmask(self, confirmations: Sequence[Confirmation], /) -> BaseModel: ...


STEPS: Mapping[Round, Callable[[Player, Any], BaseModel]] = MappingProxyType({
    "advertise": lambda player, _: player.advertise(),
    "share": lambda player, given: player.share([*map(Advertisement.model_validate, given["advertisements"])]),
    "mask": lambda player, given: player.mask({sender: from_base64(box) for sender, box in given["boxes"].items()}),
    "confirm": lambda player, given: player.confirm(given["survivors"]),
    "unmask": lambda player, given: player.unmask([*map(Confirmation.model_validate, given["confirmations"])]),
})  # fmt: skip
BEFORE: Mapping[Round, Round] = MappingProxyType(dict(zip(ROUNDS[1:], ROUNDS, strict=False)))


@dataclass(frozen=True)
class Joining:
    """Who joins which session: `values` is the digest of what it would give."""

    client: str
    terms: Terms
    values: str


def part_of(joining: Joining, journal: Journal) -> Part:
    """The part that was begun, where it was this session's; else a new one, which the journal has then.

    Raises Conflict and PermissionDenied where going on could show the server two masked inputs of one job.
    """
    known = journal.read(joining.terms.job)
    if known is not None and (known.masked or _is_of(known, joining)):
        return _gone_on(known, joining)
    part = Part(
        job=joining.terms.job,
        client=joining.client,
        terms=joining.terms,
        values=joining.values,
        seed=token_bytes(SEED_BYTES).hex(),
    )
    journal.write(part)
    return part


def _is_of(known: Part, joining: Joining) -> bool:
    return (known.client, known.terms.session) == (joining.client, joining.terms.session)


def _gone_on(known: Part, joining: Joining) -> Part:
    if not _is_of(known, joining):
        raise Conflict(
            f"{known.client} has given its values to another session of job {known.job}: "
            "a second one could tell them, hence it takes a job of another name"
        )
    if known.terms != joining.terms:
        raise PermissionDenied(f"the server has changed the terms of the session of job {known.job}")
    known.insist_on(joining.values)
    return known.model_copy(update={"values": joining.values})


class Participation:
    """Raises what the player raises where the part's entries are not what this player would have taken."""

    def __init__(self, part: Part, player: Player, journal: Journal) -> None:
        self._part, self._player, self._journal = part, player, journal
        self._messages: dict[Round, bytes] = {}
        for name in ROUNDS:
            if name in part.given:
                self._messages[name] = self._made(name, part.given[name])

    @property
    def masked(self) -> bool:
        return self._part.masked

    @property
    def confirmed(self) -> bool:
        """Then the server has said that this owner's values are in the sum."""
        return "confirm" in self._messages

    def can_take(self, name: Round) -> bool:
        """Whether the round before was this owner's, too."""
        return name in self._messages or name == ROUNDS[0] or BEFORE[name] in self._messages

    def message(self, name: Round, given: Callable[[Round], Any]) -> bytes:
        """Its message of round `name`; `given` asks the server what a round that is closed has given."""
        if name not in self._messages:
            entry = given(BEFORE[name]) if name in BEFORE else {}
            made = self._made(name, entry)
            self._part = self._part.with_round(name, entry)
            self._journal.write(self._part)
            self._messages[name] = made
        return self._messages[name]

    def end(self) -> None:
        """No message of this part is wanted any more."""
        self._journal.write(self._part.at_its_end())

    def _made(self, name: Round, given: Any) -> bytes:
        try:
            return STEPS[name](self._player, given).model_dump_json().encode()
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise InvalidInput(f"what the server gave for round {name} can't be read", error=str(error)) from None
