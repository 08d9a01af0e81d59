"""An owner's side of the protocol: five steps, each taken once, and none that a lying server could turn against it."""

from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from secrets import token_bytes
from typing import TypeVar, cast

from quintet.aggregation.secagg import fixed_point, signatures
from quintet.aggregation.secagg.binding import framed
from quintet.aggregation.secagg.identity import Random, Roster, SigningKey
from quintet.aggregation.secagg.messages import Advertisement, Confirmation, MaskedInput, Message, Shares, Unmasking
from quintet.aggregation.secagg.part import Part
from quintet.aggregation.secagg.policy import Policy, insist
from quintet.aggregation.secagg.terms import ROUNDS, Round, Terms
from quintet.kernel.errors import Conflict, PermissionDenied

Said = TypeVar("Said", bound=Message)


class Owner:
    """One owner's part in one session; made anew for each, and never copied or started a second time.

    `values` are numbers (see `fixed_point`). A step that is asked for again with the same content gives the same
    message; with other content it is refused. Raises PermissionDenied, with the reason, wherever the terms or what the
    server tells are not to be agreed with, Conflict where a step is out of order, InvalidInput for values out of range.
    """

    def __init__(
        self,
        client: str,
        identity: SigningKey,
        roster: Roster,
        terms: Terms,
        values: fixed_point.Numbers,
        *,
        policy: Policy | None = None,
        random: Random = token_bytes,
    ) -> None:
        policy = policy or Policy()
        insist(policy, terms, client=client, key=identity.public, roster=roster, size=len(values))
        words = fixed_point.encode(values, decimals=terms.decimals, owners=len(terms.clients))
        need = max(terms.quorum, policy.least_cohort)
        self.client, self.terms = client, terms
        self._part = Part(client, identity, roster, terms, words, need=need, random=random)
        self._said: dict[Round, tuple[bytes, Message]] = {}
        self._ended = ""

    def advertise(self) -> Advertisement:
        """The owner's keys of this session."""
        return self._once("advertise", [], self._part.advertise)

    def share(self, advertisements: Sequence[Advertisement]) -> Shares:
        """Shares of the owner's secrets for everybody who has advertised (U1), itself among them."""
        question = (signatures.content(one) + one.signature for one in advertisements)
        return self._once("share", sorted(question), lambda: self._part.share(advertisements))

    def mask(self, boxes: Mapping[str, bytes]) -> MaskedInput:
        """The masked values. `boxes`: what each other owner that shared has sealed for this one (U2 without itself)."""
        question = [part for client in sorted(boxes) for part in (client.encode(), boxes[client])]
        return self._once("mask", question, lambda: self._part.mask(boxes))

    def confirm(self, survivors: Sequence[str]) -> Confirmation:
        """The signature under the list of those whose masked values came in (U3). Who is not there has to stop."""
        if self.client not in survivors and "confirm" not in self._said:
            self._stop(f"{self.client} is not among the survivors: its part in the session is over")
        question = [client.encode() for client in sorted(survivors)]
        return self._once("confirm", question, lambda: self._part.confirm(survivors))

    def unmask(self, confirmations: Sequence[Confirmation]) -> Unmasking:
        """Shares of the survivors' seeds and of the dropped owners' masking keys: never both of one owner."""
        question = [
            part for one in sorted(confirmations, key=by_client) for part in (one.client.encode(), one.signature)
        ]
        return self._once("unmask", question, lambda: self._part.unmask(confirmations))

    def _once(self, round_: Round, question: Sequence[bytes], answer: Callable[[], Said]) -> Said:
        asked = sha256(framed(question)).digest()
        if round_ not in self._said:
            self._expect(round_)
            self._said[round_] = asked, answer()
        before, message = self._said[round_]
        if before != asked:
            raise PermissionDenied(f"{self.client} has already answered round {round_}, to another question")
        return cast(Said, message)

    def _expect(self, round_: Round) -> None:
        if self._ended:
            raise PermissionDenied(self._ended)
        next_one = ROUNDS[len(self._said)]
        if round_ != next_one:
            raise Conflict(f"{self.client} is at round {next_one}, not {round_}")

    def _stop(self, reason: str) -> None:
        self._expect("confirm")
        self._ended = reason
        self._part.forget()
        raise PermissionDenied(reason)

    def __repr__(self) -> str:
        return f"Owner({self.client!r}, session={self.terms.session!r}, said={list(self._said)})"


def by_client(message: Message) -> str:
    return message.client
