"""All boxes of a session as one object, so that what is for one owner is one stretch of it.

    commitments    32 bytes for each sender, in the order of positions
    boxes          for each recipient, for each sender: the box, of BOX_BYTES; zeros where both are one

Senders and recipients are those whose shares closed the round `share`: nobody else needs any more.
"""

from base64 import b64decode, b64encode
from collections.abc import Iterable, Sequence

import numpy as np

from quintet.aggregation.secagg.messages import BOX_BYTES, COMMITMENT_BYTES, Shares


def packed(shares: Shares) -> str:
    """The commitment and the boxes in the order of their recipients, as base64."""
    boxes = b"".join(shares.boxes[recipient] for recipient in sorted(shares.boxes))
    return b64encode(shares.commitment + boxes).decode()


def table(offered: Sequence[int], senders: Sequence[int], packets: Iterable[tuple[int, str]]) -> bytes:
    """`offered`: to whom boxes were to be made (U1); `senders` (U2) are the ones among them who did; `packets` come
    in the order of senders, those of anybody else are left out.
    """
    wanted = set(senders)
    chosen = [(position, b64decode(packet)) for position, packet in packets if position in wanted]
    commitments = b"".join(packet[:COMMITMENT_BYTES] for _, packet in chosen)
    places = [offered.index(position) for position in senders]
    rows = [_row(packet[COMMITMENT_BYTES:], offered.index(position))[places] for position, packet in chosen]
    return commitments + np.stack(rows).swapaxes(0, 1).tobytes()


def _row(boxes: bytes, own: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """A sender's boxes for everybody who was offered one, with zeros for itself: recipients × BOX_BYTES."""
    split = own * BOX_BYTES
    whole = boxes[:split] + bytes(BOX_BYTES) + boxes[split:]
    return np.frombuffer(whole, np.uint8).reshape(-1, BOX_BYTES)


def column(senders: Sequence[int], recipient: int) -> tuple[int, int]:
    """Where the boxes for `recipient` begin, and how many bytes they have."""
    length = len(senders) * BOX_BYTES
    return len(senders) * COMMITMENT_BYTES + senders.index(recipient) * length, length


def boxes_of(senders: Sequence[int], recipient: int, stretch: bytes) -> dict[int, bytes]:
    """The boxes for `recipient`, by sender."""
    each = {
        sender: stretch[start : start + BOX_BYTES]
        for sender, start in zip(senders, range(0, len(stretch), BOX_BYTES), strict=True)
    }
    del each[recipient]
    return each


def commitments_of(senders: Sequence[int], beginning: bytes) -> dict[int, bytes]:
    size = COMMITMENT_BYTES
    return {sender: beginning[place * size : (place + 1) * size] for place, sender in enumerate(senders)}
