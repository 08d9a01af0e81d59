"""The server refuses what was changed, mixed up or sent by somebody else, field by field."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from quintet.aggregation.secagg.messages import Message
from quintet.aggregation.secagg.server import check
from quintet.aggregation.secagg.terms import ROUNDS, Round
from quintet.kernel.errors import InvalidInput, PermissionDenied, QuintetError
from tests.aggregation.secagg.cohort import Cohort, Played, played, said

SURVIVORS = list("abcde")


@pytest.fixture(scope="module")
def play() -> Played:
    """Six owners, of whom `f` drops out after having shared."""
    return played(Cohort(6)).advertise().share().mask(SURVIVORS).confirm().unmask()


def examine(play: Played, round_: Round, message: Message, **changes: Any) -> None:
    terms = play.cohort.terms
    members = SURVIVORS if round_ == "confirm" else list(terms.clients)
    survivors = SURVIVORS if round_ == "unmask" else []
    given = {"terms": terms, "members": members, "survivors": survivors, "size": 3, **changes}
    key = given.pop("key", play.cohort.roster.get(message.client, bytes(32)))
    check(message, given.pop("terms"), round_, key, **given)


@pytest.mark.parametrize("round_", ROUNDS)
def test_what_owners_say_is_taken(play: Played, round_: Round) -> None:
    for message in said(play, round_).values():
        examine(play, round_, message)


def altered(value: Any) -> Iterator[Any]:
    """The value with each of its parts changed a little."""
    match value:
        case int():
            yield value + 1
        case bytes():
            yield bytes([value[0] ^ 1]) + value[1:]
            yield value[:-1] + bytes([value[-1] ^ 128])
        case dict():
            for name, part in value.items():
                yield {other: kept for other, kept in value.items() if other != name}
                yield from ({**value, name: changed} for changed in altered(part))
            first, *rest = value
            if rest:
                yield {**value, first: value[rest[0]], rest[0]: value[first]}


@pytest.mark.parametrize("round_", ROUNDS)
def test_every_field_of_every_message_is_signed(play: Played, round_: Round) -> None:
    message, tried = said(play, round_)["a"], 0
    for field in type(message).model_fields:
        for value in altered(getattr(message, field)):
            with pytest.raises(QuintetError):
                examine(play, round_, message.model_copy(update={field: value}), size=None)
            tried += 1
    assert tried >= 2


@pytest.mark.parametrize("round_", ROUNDS)
def test_it_is_bound_to_its_sender_its_key_its_session_and_its_terms(play: Played, round_: Round) -> None:
    message = said(play, round_)["a"]
    with pytest.raises(PermissionDenied, match="is not signed by it"):
        examine(play, round_, message, key=play.cohort.roster["b"])
    with pytest.raises((PermissionDenied, InvalidInput), match=r"b is not signed by it|the message of b|itself"):
        examine(play, round_, message.model_copy(update={"client": "b"}))
    for change in ({"session": "0" * 32}, {"job": "job-2"}, {"threshold": 6}, {"minimum": 4}):
        with pytest.raises(PermissionDenied, match=f"for round {round_} of this session"):
            examine(play, round_, message, terms=play.cohort.terms.model_copy(update=change))
    with pytest.raises(PermissionDenied, match="x is not a client of this session"):
        examine(play, round_, message.model_copy(update={"client": "x"}))


@pytest.mark.parametrize("round_", ROUNDS)
def test_it_is_of_its_round_and_of_somebody_who_takes_part_in_it(play: Played, round_: Round) -> None:
    message = said(play, round_)["a"]
    for other in ROUNDS:
        if other != round_:
            with pytest.raises(InvalidInput, match=f"round {other} has no {type(message).__name__}"):
                examine(play, other, message)
    with pytest.raises(PermissionDenied, match=f"a does not take part in round {round_}"):
        examine(play, round_, message, members=list("bcdef"), survivors=list("bcde"))


def changed(play: Played, round_: Round, **changes: Any) -> Message:
    return said(play, round_)["a"].model_copy(update=changes)


@pytest.mark.parametrize(
    ("round_", "change", "reason"),
    [
        ("advertise", lambda play: {"size": 7}, "a has 7 values, this session is about 3"),
        ("advertise", lambda play: {"encryption_key": bytes(32)}, "a key of a is no X25519 key"),
        ("advertise", lambda play: {"masking_key": play.advertisements["a"].encryption_key}, "same key twice"),
        ("share", lambda play: {"boxes": {**play.shares["a"].boxes, "a": bytes(82)}}, "a box for itself"),
        ("share", lambda play: {"boxes": {**play.shares["a"].boxes, "x": bytes(82)}}, "a box for x, who has not adv"),
        ("share", lambda play: {"boxes": {"b": bytes(82)}}, "no box for c, d, e, f"),
        ("mask", lambda play: {"words": bytes(32)}, "a has masked 4 values, this session is about 3"),
        ("unmask", lambda play: {"seed_shares": {"f": bytes(33)}}, "the seed of f, who has not survived"),
        ("unmask", lambda play: {"key_shares": {"b": bytes(33)}}, "the key of b, who has not dropped out"),
        ("unmask", lambda play: {"key_shares": {"x": bytes(33)}}, "the key of x, who has not dropped out"),
    ],
)
def test_what_does_not_fit(
    play: Played, round_: Round, change: Callable[[Played], dict[str, Any]], reason: str
) -> None:
    with pytest.raises(InvalidInput, match=reason):
        examine(play, round_, changed(play, round_, **change(play)))


def test_a_confirmation_of_other_survivors_is_refused(play: Played) -> None:
    with pytest.raises(PermissionDenied, match="is not signed by it for round confirm"):
        examine(play, "confirm", play.confirmations["a"], members=list("abcdef"))
