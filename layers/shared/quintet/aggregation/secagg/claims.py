"""What the server tells an owner, checked before the owner acts on it."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from quintet.aggregation.secagg.agreement import usable
from quintet.aggregation.secagg.identity import Roster, verified
from quintet.aggregation.secagg.messages import BOX_BYTES, Advertisement, Confirmation
from quintet.aggregation.secagg.signatures import content, of_survivors, statement
from quintet.kernel.errors import PermissionDenied


def distinct(clients: Sequence[str], what: str) -> None:
    twice = sorted({client for client in clients if clients.count(client) > 1})
    if twice:
        raise PermissionDenied(f"{what}: {', '.join(twice)} stands there twice")


def known(clients: Iterable[str], among: Collection[str], what: str) -> None:
    strangers = sorted(set(clients) - set(among))
    if strangers:
        raise PermissionDenied(f"{what}: {', '.join(strangers)} can't be there")


def enough(count: int, need: int, what: str) -> None:
    if count < need:
        raise PermissionDenied(f"{what}: {count} owners, and {need} are needed")


def advertised(given: Sequence[Advertisement], own: Advertisement, *, digest: bytes, roster: Roster) -> None:
    """Raises PermissionDenied unless all are signed for this session by the roster's keys, of one size, and apart."""
    if own not in given:
        raise PermissionDenied(f"the advertisements: that of {own.client} itself is missing or another")
    for one in given:
        authentic(one, digest, roster[one.client])
        if one.size != own.size:
            raise PermissionDenied(f"{one.client} has {one.size} values, {own.client} has {own.size}")
    keys = [key for one in given for key in (one.encryption_key, one.masking_key)]
    if len(set(keys)) < len(keys):
        raise PermissionDenied("the advertisements: two keys are the same")


def authentic(one: Advertisement, digest: bytes, key: bytes) -> None:
    if not verified(key, one.signature, statement("advertise", digest, one.client, content(one))):
        raise PermissionDenied(f"the keys of {one.client} are not signed by it for this session")
    if not (usable(one.encryption_key) and usable(one.masking_key)):
        raise PermissionDenied(f"a key of {one.client} is no X25519 key that can be used")


def boxed(boxes: Mapping[str, bytes], client: str, advertised: Collection[str]) -> None:
    """Raises PermissionDenied where a box is the owner's own, a stranger's, or of another length than boxes have."""
    known(boxes, set(advertised) - {client}, "the boxes")
    for sender, box in boxes.items():
        if len(box) != BOX_BYTES:
            raise PermissionDenied(f"the boxes: that of {sender} has {len(box)} bytes instead of {BOX_BYTES}")


def confirmed(given: Sequence[Confirmation], survivors: Sequence[str], *, digest: bytes, roster: Roster) -> None:
    """Raises PermissionDenied where one of them is not about these survivors: somebody was told of others."""
    listed = of_survivors(survivors)
    for one in given:
        about = statement("confirm", digest, one.client, listed)
        if not verified(roster[one.client], one.signature, about):
            raise PermissionDenied(f"{one.client} has not confirmed these survivors of this session")
