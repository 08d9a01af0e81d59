"""Which samples of feedback a new model is judged by, and so never learns from.

Always the same ones, whatever comes beside them: by a hash of what was seen, so that a sample that is sent twice is on
one side; samples of one UE within a minute, which are nearly the same, stay together.
"""

import hashlib
import json
from collections.abc import Sequence

from quintet.handover.messages import FeedbackSample

TOGETHER_S = 60
IN_A_BLOCK = 5
FEW = 10

Samples = list[FeedbackSample]


def parted(samples: Sequence[FeedbackSample], share: float) -> tuple[Samples, Samples]:
    """(to learn from, held back), each in the order of `samples`.

    Where that leaves too few on a side, as it does where one sample was sent again and again, blocks are taken in turn.
    """
    held = [is_held_back(sample, share) for sample in samples]
    if len(samples) > 1 and not share / 2 <= sum(held) / len(samples) <= (1 + share) / 2:
        places = _places(samples)
        length = min(IN_A_BLOCK, max(1, (max(places) + 1) // 2))
        held = [_in_turn(place // length, share) for place in places]
    learn = [sample for sample, out in zip(samples, held, strict=True) if not out]
    return learn, [sample for sample, out in zip(samples, held, strict=True) if out]


def _places(samples: Sequence[FeedbackSample]) -> list[int]:
    """The place of each among those that differ, in the order of `samples`; of a few that were sent again and again,
    the place among all.
    """
    first: dict[str, int] = {}
    for sample in samples:
        first.setdefault(_content(sample), len(first))
    if len(first) < FEW:
        return list(range(len(samples)))
    return [first[_content(sample)] for sample in samples]


def _content(sample: FeedbackSample) -> str:
    return sample.model_dump_json(exclude={"success"}, exclude_none=True)


def is_held_back(sample: FeedbackSample, share: float) -> bool:
    digest = hashlib.sha256(_group(sample).encode()).digest()
    return int.from_bytes(digest[:4]) < share * 2**32


def _group(sample: FeedbackSample) -> str:
    if sample.ue_id is not None and isinstance(sample.timestamp, int | float):
        return json.dumps([sample.ue_id, sample.timestamp // TOGETHER_S])
    return _content(sample)


def _in_turn(block: int, share: float) -> bool:
    """
    >>> [_in_turn(block, 0.2) for block in range(5)]
    [False, False, False, False, True]
    """
    return int((block + 1) * share + 1e-9) > int(block * share + 1e-9)
