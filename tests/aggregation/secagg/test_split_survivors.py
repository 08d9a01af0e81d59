"""Why owners insist on two thirds: a server that one owner helps has two lists confirmed at a bare majority."""

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from quintet.aggregation.secagg import masks, shamir
from quintet.aggregation.secagg.agreement import added, mask_key
from quintet.aggregation.secagg.fixed_point import encode
from quintet.aggregation.secagg.messages import Confirmation
from quintet.aggregation.secagg.policy import Policy
from quintet.aggregation.secagg.signatures import of_survivors, statement
from quintet.kernel.errors import PermissionDenied
from tests.aggregation.secagg.cohort import Cohort, Played, played

VICTIM, HELPER = "a", "e"


def confirmed(play: Played, survivors: str, who: str) -> list[Confirmation]:
    """By those who are told of these survivors, and by the helper, who confirms whatever the server likes."""
    cohort = play.cohort
    about = statement("confirm", cohort.terms.digest, HELPER, of_survivors(survivors))
    helped = Confirmation(client=HELPER, signature=cohort.identities[HELPER].sign(about))
    return [*(play.owners[name].confirm(survivors) for name in who), helped]


def opened(play: Played) -> list[int]:
    """The victim's words, from its seed, which some gave for a survivor's, and its key, which others gave for that of
    one who had dropped out.
    """
    terms, held = play.cohort.terms, play.owners[HELPER]._part._secrets.held[VICTIM]
    survives, gone = confirmed(play, "abcde", "ab"), confirmed(play, "bcde", "cd")
    seeds = {terms.index(name): play.owners[name].unmask(survives).seed_shares[VICTIM] for name in "ab"}
    keys = {terms.index(name): play.owners[name].unmask(gone).key_shares[VICTIM] for name in "cd"}
    place, words = terms.index(HELPER), np.frombuffer(play.masked[VICTIM].words, dtype="<u8").copy()
    masks.add(words, shamir.combined({**seeds, place: held.seed}, terms.threshold), -1)
    private = X25519PrivateKey.from_private_bytes(shamir.combined({**keys, place: held.key}, terms.threshold))
    for other in "bcde":
        public = play.advertisements[other].masking_key
        masks.add(words, mask_key(private, public, terms.digest, VICTIM, other), -1 if added(VICTIM, other) else 1)
    found: list[int] = words.tolist()
    return found


def test_a_bare_majority_falls_to_a_server_with_one_helper() -> None:
    play = played(Cohort(5, threshold=3)).advertise().share().mask()
    values = play.cohort.values[VICTIM]
    assert opened(play) == encode(values, decimals=9, owners=5).tolist()


def test_what_owners_insist_on_does_not() -> None:
    with pytest.raises(PermissionDenied, match="below the 4 that it asks for"):
        played(Cohort(5, threshold=3, policy=Policy()))
    play = played(Cohort(5, policy=Policy())).advertise().share().mask()
    told = confirmed(play, "abcde", "ab")
    with pytest.raises(PermissionDenied, match="3 owners, and 4 are needed"):
        play.owners["a"].unmask(told)
