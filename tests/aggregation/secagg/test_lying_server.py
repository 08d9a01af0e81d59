"""A server that swaps keys, tells owners different things, or mixes sessions up is found out before it learns."""

from collections.abc import Callable

import pytest

from quintet.aggregation.secagg.messages import Advertisement, Confirmation
from quintet.aggregation.secagg.signatures import content, statement
from quintet.kernel.errors import PermissionDenied
from tests.aggregation.secagg.cohort import Cohort, Played, played, sum_of

LOW_ORDER = bytes(32)


def told(play: Played, change: Callable[[dict[str, Advertisement]], None]) -> list[Advertisement]:
    given = dict(play.advertisements)
    change(given)
    return list(given.values())


def with_key_of_the_server(given: dict[str, Advertisement]) -> None:
    given["b"] = given["b"].model_copy(update={"masking_key": b"\x09" + bytes(31)})


def with_other_encryption_key(given: dict[str, Advertisement]) -> None:
    given["b"] = given["b"].model_copy(update={"encryption_key": b"\x09" + bytes(31)})


def with_another_size(given: dict[str, Advertisement]) -> None:
    given["b"] = given["b"].model_copy(update={"size": 4})


def with_keys_of_another_client(given: dict[str, Advertisement]) -> None:
    given["b"] = given["c"].model_copy(update={"client": "b"})


def with_keys_exchanged(given: dict[str, Advertisement]) -> None:
    one = given["b"]
    given["b"] = one.model_copy(update={"encryption_key": one.masking_key, "masking_key": one.encryption_key})


@pytest.mark.parametrize(
    "change",
    [
        with_key_of_the_server,
        with_other_encryption_key,
        with_another_size,
        with_keys_of_another_client,
        with_keys_exchanged,
    ],
)
def test_keys_that_were_swapped_are_not_signed(change: Callable[[dict[str, Advertisement]], None]) -> None:
    play = played(Cohort(4)).advertise()
    with pytest.raises(PermissionDenied, match="keys of b are not signed by it for this session"):
        play.owners["a"].share(told(play, change))


def test_keys_of_an_earlier_session_are_not_signed_for_this_one() -> None:
    earlier = played(Cohort(4, session="0" * 32)).advertise()
    play = played(Cohort(4)).advertise()
    with pytest.raises(PermissionDenied, match="keys of b are not signed"):
        play.owners["a"].share(told(play, lambda given: given.update(b=earlier.advertisements["b"])))


def test_keys_of_owners_with_other_terms_are_not_signed_for_these() -> None:
    other = played(Cohort(4, minimum=3)).advertise()
    play = played(Cohort(4)).advertise()
    with pytest.raises(PermissionDenied, match="keys of b are not signed"):
        play.owners["a"].share(told(play, lambda given: given.update(b=other.advertisements["b"])))


def test_its_own_keys_must_be_among_them_as_they_are() -> None:
    play = played(Cohort(4)).advertise()
    for change in (
        lambda given: given.pop("a"),
        lambda given: given.update(a=given["a"].model_copy(update={"size": 9})),
    ):
        with pytest.raises(PermissionDenied, match="that of a itself is missing or another"):
            play.owners["a"].share(told(play, change))


def test_lists_that_are_too_short_doubled_or_have_strangers() -> None:
    play = played(Cohort(4)).advertise()
    all_of_them, owner = list(play.advertisements.values()), play.owners["a"]
    with pytest.raises(PermissionDenied, match="2 owners, and 3 are needed"):
        owner.share(all_of_them[:2])
    with pytest.raises(PermissionDenied, match="b stands there twice"):
        owner.share([*all_of_them, all_of_them[1]])
    with pytest.raises(PermissionDenied, match="x can't be there"):
        owner.share([*all_of_them, all_of_them[1].model_copy(update={"client": "x"})])


def test_a_cohort_below_the_minimum_is_refused_where_the_threshold_would_do() -> None:
    play = played(Cohort(4, threshold=3, minimum=4)).advertise()
    with pytest.raises(PermissionDenied, match="3 owners, and 4 are needed"):
        play.owners["a"].share(list(play.advertisements.values())[:3])
    play.share()
    with pytest.raises(PermissionDenied, match="3 owners, and 4 are needed"):
        play.owners["a"].mask({name: play.shares[name].boxes["a"] for name in "bc"})
    play.mask()
    with pytest.raises(PermissionDenied, match="3 owners, and 4 are needed"):
        play.owners["a"].confirm(["a", "b", "c"])


def signed_by_its_owner(play: Played, name: str, **changes: object) -> Advertisement:
    """What an owner that cheats would sign."""
    changed = play.advertisements[name].model_copy(update=changes)
    about = statement("advertise", play.cohort.terms.digest, name, content(changed))
    return changed.model_copy(update={"signature": play.cohort.identities[name].sign(about)})


def test_an_owner_of_another_size_with_keys_of_another_or_keys_of_low_order() -> None:
    play = played(Cohort(4)).advertise()
    doubled = play.advertisements["c"].masking_key
    for changes, reason in (
        ({"size": 4}, "b has 4 values, a has 3"),
        ({"masking_key": doubled}, "two keys are the same"),
        ({"masking_key": LOW_ORDER}, "a key of b is no X25519 key"),
        ({"encryption_key": LOW_ORDER}, "a key of b is no X25519 key"),
    ):
        forged = signed_by_its_owner(play, "b", **changes)
        with pytest.raises(PermissionDenied, match=reason):
            play.owners["a"].share(told(play, lambda given, forged=forged: given.update(b=forged)))  # type: ignore[misc]


def test_boxes_of_itself_of_strangers_or_of_other_lengths() -> None:
    play = played(Cohort(5)).advertise(list("abcd")).share()
    boxes = play.boxes("a")
    for wrong, reason in (
        ({**boxes, "a": boxes["b"]}, "a can't be there"),
        ({**boxes, "e": boxes["b"]}, "e can't be there"),
        ({**boxes, "x": boxes["b"]}, "x can't be there"),
        ({**boxes, "b": boxes["b"][:-1]}, "that of b has 81 bytes"),
        ({"b": boxes["b"]}, "2 owners, and 4 are needed"),
    ):
        with pytest.raises(PermissionDenied, match=reason):
            play.owners["a"].mask(wrong)


def test_survivors_that_did_not_share_are_doubled_or_too_few() -> None:
    play = played(Cohort(6)).advertise().share(list("abcde")).mask()
    owner = play.owners["a"]
    for wrong, reason in (
        ("abcdef", "f can't be there"),
        ("abcdee", "e stands there twice"),
        ("abcd", "4 owners, and 5 are needed"),
    ):
        with pytest.raises(PermissionDenied, match=reason):
            owner.confirm(list(wrong))


def test_owners_that_were_told_of_different_survivors_give_nothing() -> None:
    """To half of them `f` has dropped out, to the others it has not: together they would unmask it."""
    play = played(Cohort(6, threshold=4)).advertise().share().mask()
    one = {name: play.owners[name].confirm(list("abcdef")) for name in "abc"}
    other = {name: play.owners[name].confirm(list("abcde")) for name in "de"}
    for name in "abcde":
        with pytest.raises(PermissionDenied, match=r"(d|a) has not confirmed these survivors"):
            play.owners[name].unmask([*one.values(), *other.values()])
    for name, those in (("a", one), ("d", other)):
        with pytest.raises(PermissionDenied, match="and 4 are needed"):
            play.owners[name].unmask(list(those.values()))


def test_confirmations_that_are_doubled_of_strangers_of_other_rounds_or_sessions() -> None:
    play = played(Cohort(4)).advertise().share().mask(list("abc")).confirm()
    earlier = played(Cohort(4, session="0" * 32)).advertise().share().mask(list("abc")).confirm()
    good = list(play.confirmations.values())
    stranger = good[1].model_copy(update={"client": "d"})
    borrowed = Confirmation(client="b", signature=play.masked["b"].signature)
    for given, reason in (
        ([*good, good[1]], "b stands there twice"),
        ([*good, stranger], "d can't be there"),
        ([good[0], good[1], earlier.confirmations["c"]], "c has not confirmed"),
        ([good[0], borrowed, good[2]], "b has not confirmed"),
        (good[:2], "2 owners, and 3 are needed"),
    ):
        with pytest.raises(PermissionDenied, match=reason):
            play.owners["a"].unmask(given)


def test_a_box_that_cannot_be_opened_is_left_out_and_the_sum_stands() -> None:
    play = played(Cohort(5)).advertise().share()
    spoilt = {**play.boxes("a"), "b": bytes(82)}
    play.masked = {
        "a": play.owners["a"].mask(spoilt),
        **{name: play.owners[name].mask(play.boxes(name)) for name in "bcde"},
    }
    play.confirm().unmask()
    assert set(play.unmaskings["a"].seed_shares) == set("acde")
    assert play.sum().tolist() == sum_of(play)


def test_boxes_of_two_senders_that_were_exchanged_do_not_open() -> None:
    play = played(Cohort(5)).advertise().share()
    boxes = play.boxes("a")
    boxes["b"], boxes["c"] = boxes["c"], boxes["b"]
    play.owners["a"].mask(boxes)
    assert set(play.owners["a"]._part._secrets.held) == set("ade")


def test_a_box_sent_back_to_its_sender_does_not_open() -> None:
    play = played(Cohort(5)).advertise().share()
    play.owners["a"].mask({**play.boxes("a"), "b": play.shares["a"].boxes["b"]})
    assert "b" not in play.owners["a"]._part._secrets.held
