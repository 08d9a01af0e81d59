"""What an owner agrees to, in which order it speaks, and what it never says."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from quintet.aggregation.secagg.identity import Roster, SigningKey
from quintet.aggregation.secagg.owner import Owner
from quintet.aggregation.secagg.policy import Policy
from quintet.aggregation.secagg.server import survivors_sum
from quintet.aggregation.secagg.terms import Terms
from quintet.kernel.errors import Conflict, InvalidInput, PermissionDenied
from tests.aggregation.secagg.cohort import Cohort, drawn, played, sum_of


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"threshold": 2}, "lets two halves be told different things"),
        ({"threshold": 5}, "can't be reached by 4 owners"),
        ({"minimum": 5}, "never be the 5"),
        ({"version": 2}, "of version 2"),
        ({"decimals": 6}, "count 6 decimals, it 9"),
        ({"size": 4}, "about 4 values, it has 3"),
        ({"clients": ("b", "c", "d", "e")}, "do not name it"),
        ({"clients": ("a", "b", "c", "x", "y")}, "no key of x, y"),
    ],
)
def test_terms_an_owner_does_not_agree_to(changes: dict[str, Any], reason: str) -> None:
    cohort = Cohort(4)
    known = Roster({**cohort.roster, "e": SigningKey.generate(drawn("e")).public})
    terms = cohort.terms.model_copy(update=changes)
    with pytest.raises(PermissionDenied, match=f"^a does not take part: .*{reason}"):
        cohort.owner("a", terms=terms, roster=known)


def test_a_cohort_smaller_than_its_least_one_and_a_threshold_below_its_own_are_refused() -> None:
    small = Cohort(3, policy=Policy(least_cohort=4))
    with pytest.raises(PermissionDenied, match="3 owners are fewer than the 4"):
        small.owner("a")
    strict = Cohort(6, threshold=4, policy=Policy(least_threshold=lambda count: count - 1))
    with pytest.raises(PermissionDenied, match="threshold of 4 of 6 owners is below the 5"):
        strict.owner("a")


def test_two_owners_are_too_few_for_one_that_says_nothing_else() -> None:
    with pytest.raises(PermissionDenied, match="2 owners are fewer than the 3"):
        Cohort(2, policy=Policy()).owner("a")


@pytest.mark.parametrize(("count", "threshold", "least"), [(5, 3, 4), (20, 11, 14), (20, 13, 14)])
def test_a_threshold_at_which_a_server_with_helpers_could_split_the_owners_is_refused(
    count: int, threshold: int, least: int
) -> None:
    with pytest.raises(PermissionDenied, match=f"threshold of {threshold} of {count} owners is below the {least}"):
        Cohort(count, threshold, policy=Policy()).owner("a")
    Cohort(count, least, policy=Policy()).owner("a").advertise()


def test_its_key_must_be_the_rosters_and_its_values_must_be_there() -> None:
    cohort = Cohort(3)
    stranger = SigningKey.generate(drawn("stranger"))
    with pytest.raises(PermissionDenied, match="signing key is another"):
        Owner("a", stranger, cohort.roster, cohort.terms, [1, 2, 3])
    with pytest.raises(PermissionDenied, match="it has no values"):
        Owner("a", cohort.identities["a"], cohort.roster, cohort.terms, [])
    with pytest.raises(InvalidInput, match="element 1 "):
        Owner("a", cohort.identities["a"], cohort.roster, cohort.terms, [1, float("nan")])


def test_asked_again_it_says_the_same_and_asked_otherwise_nothing() -> None:
    play = played(Cohort(4))
    play.advertise().share().mask().confirm().unmask()
    owner = play.owners["a"]
    told, sent, survivors = list(play.advertisements.values()), play.boxes("a"), list("abcd")
    confirmed = list(play.confirmations.values())
    assert owner.advertise() is play.advertisements["a"]
    assert owner.share(told[::-1]) is play.shares["a"]
    assert owner.mask(dict(reversed(sent.items()))) is play.masked["a"]
    assert owner.confirm(survivors[::-1]) is play.confirmations["a"]
    assert owner.unmask(confirmed[::-1]) is play.unmaskings["a"]
    others: list[Callable[[], object]] = [
        lambda: owner.share(told[:3]),
        lambda: owner.mask({name: sent[name] for name in "bc"}),
        lambda: owner.mask({**sent, "b": sent["c"]}),
        lambda: owner.confirm(["a", "b", "c"]),
        lambda: owner.confirm(["b", "c", "d"]),
        lambda: owner.unmask(confirmed[:3]),
    ]
    for other in others:
        with pytest.raises(PermissionDenied, match="already answered round"):
            other()


def test_steps_have_their_order() -> None:
    play = played(Cohort(4))
    owner = play.owners["a"]
    for early in (
        lambda: owner.share([]),
        lambda: owner.mask({}),
        lambda: owner.confirm(["a"]),
        lambda: owner.unmask([]),
    ):
        with pytest.raises(Conflict, match="a is at round advertise, not"):
            early()
    play.advertise()
    with pytest.raises(Conflict, match="a is at round share, not mask"):
        owner.mask({})


def test_what_was_refused_may_be_asked_rightly_afterwards() -> None:
    play = played(Cohort(4)).advertise()
    with pytest.raises(PermissionDenied):
        play.owners["a"].share(list(play.advertisements.values())[:2])
    play.share().mask().confirm().unmask()
    assert play.sum().tolist() == sum_of(play)


def test_never_both_shares_of_one_owner() -> None:
    play = played(Cohort(6)).advertise().share().mask(list("abcde")).confirm().unmask()
    for said in play.unmaskings.values():
        assert set(said.seed_shares) == set("abcde")
        assert set(said.key_shares) == {"f"}


def test_who_is_no_survivor_stops_for_good() -> None:
    play = played(Cohort(6)).advertise().share().mask()
    owner = play.owners["a"]
    for _ in range(2):
        with pytest.raises(PermissionDenied, match="a is not among the survivors"):
            owner.confirm(list("bcdef"))
    with pytest.raises(PermissionDenied, match="a is not among the survivors"):
        owner.confirm(list("abcdef"))


def test_nothing_printed_shows_a_secret() -> None:
    cohort = Cohort(4)
    play = played(cohort)
    owner, part = play.owners["a"], play.owners["a"]._part
    play.advertise().share()
    kept = part._secrets
    secrets = [bytes(kept.seed), kept.masking.private_bytes_raw(), kept.encryption.private_bytes_raw()]
    secrets += [cohort.identities["a"].to_bytes(), kept.held["a"].seed, kept.held["a"].key]
    printed = "".join(map(repr, (owner, part, kept, kept.held["a"], cohort.identities["a"])))
    for secret in secrets:
        assert secret.hex() not in printed
        assert repr(secret)[2:-1] not in printed
    assert not any(str(value) in printed for value in cohort.values["a"])


def test_what_is_no_longer_needed_is_forgotten() -> None:
    play = played(Cohort(4)).advertise().share()
    kept = play.owners["a"]._part._secrets
    seed = kept.seed
    assert any(seed)
    play.mask()
    assert not any(seed)
    assert not hasattr(kept, "masking")
    assert set(kept.held) == set("abcd")
    play.confirm().unmask()
    assert not kept.held


def test_the_masked_words_do_not_hold_the_values() -> None:
    play = played(Cohort(4)).advertise().share().mask()
    for name, said in play.masked.items():
        words = set(np.frombuffer(said.words, dtype=np.uint64).tolist())
        assert words.isdisjoint((play.cohort.values[name] * 1e9).astype(np.int64).view(np.uint64).tolist())


def test_terms_are_digested_alike_whatever_the_order_of_their_fields() -> None:
    terms = Cohort(3).terms
    shuffled = Terms.model_validate(dict(reversed(terms.model_dump().items())))
    assert shuffled.digest == terms.digest
    digests = {
        terms.model_copy(update=change).digest
        for change in (
            {},
            {"job": "job-2"},
            {"session": "0" * 32},
            {"threshold": 2},
            {"minimum": 3},
            {"size": 3},
            {"decimals": 8},
        )
    }
    assert len(digests) == 7


def test_clients_of_terms_are_sorted_and_distinct() -> None:
    for clients in (("b", "a"), ("a", "a")):
        with pytest.raises(ValueError, match="sorted and distinct"):
            Terms(session="0" * 32, job="j", clients=clients, threshold=2, minimum=2)
    with pytest.raises(InvalidInput, match="z is not a client"):
        Cohort(3).terms.index("z")


def test_a_vector_of_one_owner_less_does_not_fit_the_sum() -> None:
    with pytest.raises(InvalidInput, match="8 bytes instead of 16"):
        survivors_sum([bytes(8)], 2)
