"""Wrong shares do not spoil the sum where enough right ones are there, and are named where not."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from itertools import combinations
from unittest import mock

import pytest

from quintet.aggregation.secagg.messages import Unmasking
from quintet.aggregation.secagg.recovery import Recovery, choices
from quintet.aggregation.secagg.shamir import PRIME, SHARE_BYTES
from quintet.kernel.errors import InvalidInput
from tests.aggregation.secagg.cohort import Cohort, Played, played, sum_of

NO_ELEMENT = b"\xff" * SHARE_BYTES


def six(dropped: str = "f") -> Played:
    stayed = [name for name in "abcdef" if name not in dropped]
    return played(Cohort(6, threshold=4)).advertise().share().mask(stayed).confirm().unmask()


def wrong(share: bytes) -> bytes:
    return ((3 * int.from_bytes(share, "big") + 7) % PRIME).to_bytes(SHARE_BYTES, "big")


def spoilt(play: Played, liars: Collection[str], change: Callable[[bytes], bytes] = wrong) -> dict[str, Unmasking]:
    """What came in, where the liars gave nothing right."""

    def lie(said: Unmasking) -> Unmasking:
        seeds = {name: change(share) for name, share in said.seed_shares.items()}
        keys = {name: change(share) for name, share in said.key_shares.items()}
        return said.model_copy(update={"seed_shares": seeds, "key_shares": keys})

    return {name: lie(said) if name in liars else said for name, said in play.unmaskings.items()}


@pytest.mark.parametrize("change", [wrong, lambda share: NO_ELEMENT], ids=["another", "none"])
def test_every_set_of_liars_that_leaves_enough_others_changes_nothing(change: Callable[[bytes], bytes]) -> None:
    everybody, five = six(dropped=""), six()
    for count in (0, 1, 2):
        for liars in combinations("abcdef", count):
            assert everybody.sum(spoilt(everybody, liars, change)).tolist() == sum_of(everybody)
    for liar in "abcde":
        assert five.sum(spoilt(five, liar, change)).tolist() == sum_of(five)


def test_too_many_liars_are_refused_with_the_name_of_whose_secret_it_is() -> None:
    play = six()
    with pytest.raises(InvalidInput, match=r"the seed of a can't be put together: no 4 of the 5 shares that came fit"):
        play.sum(spoilt(play, "ab"))


def test_an_owner_that_committed_to_another_seed_is_named() -> None:
    play = six()
    play.shares["c"] = play.shares["c"].model_copy(update={"commitment": bytes(32)})
    with pytest.raises(InvalidInput, match=r"^the seed of c can't be put together: all 5 shares agree on another one$"):
        play.sum()


def test_a_dropped_owner_whose_key_is_not_the_advertised_one_is_named() -> None:
    play = six()
    other = played(Cohort(6, session="0" * 32)).owners["b"].advertise()
    play.advertisements["f"] = other.model_copy(update={"client": "f"})
    with pytest.raises(
        InvalidInput, match=r"^the masking key of f can't be put together: all 5 shares agree on another one$"
    ):
        play.sum()


def test_shares_that_did_not_come_are_counted() -> None:
    play = six()
    kept = {name: said for name, said in play.unmaskings.items() if name in "abc"}
    with pytest.raises(InvalidInput, match=r"^the seed of a can't be put together: 3 shares came, 4 are needed$"):
        play.sum(kept)
    without_f = {name: said.model_copy(update={"key_shares": {}}) for name, said in play.unmaskings.items()}
    with pytest.raises(InvalidInput, match=r"^the masking key of f can't be put together: 0 shares came"):
        play.sum(without_f)


def test_survivors_that_are_too_few_or_never_shared_are_refused() -> None:
    play = six()
    play.masked = {name: play.masked[name] for name in "abc"}
    with pytest.raises(InvalidInput, match="3 owners survived, 4 are needed"):
        play.sum()
    play = six()
    del play.shares["e"]
    with pytest.raises(InvalidInput, match="e survived without having shared"):
        play.sum()


def test_choices_are_all_tried_each_once() -> None:
    tried = list(choices("abcdef", 4))
    assert tried[0] == tuple("abcd")
    assert {frozenset(one) for one in tried} == {frozenset(one) for one in combinations("abcdef", 4)}
    assert len(tried) == 15


@contextmanager
def count_of(owner: type, name: str) -> Iterator[Callable[[], int]]:
    """How often a method is called meanwhile."""
    with mock.patch.object(owner, name, autospec=True, side_effect=getattr(owner, name)) as spied:
        yield lambda: spied.call_count


def test_many_wrong_shares_of_many_owners_do_not_take_for_ever() -> None:
    """Who gave one wrong share is asked last from then on: 26 owners' secrets with two liars."""
    cohort = Cohort(26, threshold=14, size=1)
    play = played(cohort).advertise().share().mask(list(cohort.clients[:24])).confirm().unmask()
    lied = spoilt(play, "ab")
    with count_of(Recovery, "_combined") as tries:
        assert play.sum(lied).tolist() == sum_of(play)
    assert tries() < 3 * 26
