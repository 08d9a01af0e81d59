"""All boxes in one object: each recipient's are one stretch, and say who made them."""

from hypothesis import given
from hypothesis import strategies as st

from quintet.aggregation.box_table import boxes_of, column, commitments_of, packed, table
from quintet.aggregation.secagg.messages import BOX_BYTES, Shares


def named(position: int) -> str:
    return f"owner-{position:03d}"


def commitment(sender: int) -> bytes:
    return bytes([sender]) * 32


def box(sender: int, recipient: int) -> bytes:
    return bytes([sender, recipient]) * (BOX_BYTES // 2) + bytes(BOX_BYTES % 2)


def packet(sender: int, offered: list[int]) -> str:
    boxes = {named(recipient): box(sender, recipient) for recipient in offered if recipient != sender}
    return packed(Shares(client=named(sender), commitment=commitment(sender), boxes=boxes, signature=bytes(64)))


@given(st.sets(st.integers(0, 60), min_size=2, max_size=12).map(sorted), st.data())
def test_each_recipient_finds_what_was_sealed_for_it(offered: list[int], data: st.DataObject) -> None:
    senders = data.draw(st.sets(st.sampled_from(offered), min_size=2).map(sorted))
    others = data.draw(st.sets(st.sampled_from(offered)).map(sorted))
    packets = [(sender, packet(sender, offered)) for sender in sorted({*senders, *others})]
    whole = table(offered, senders, packets)
    assert commitments_of(senders, whole) == {sender: commitment(sender) for sender in senders}
    for recipient in senders:
        start, length = column(senders, recipient)
        expected = {sender: box(sender, recipient) for sender in senders if sender != recipient}
        assert boxes_of(senders, recipient, whole[start : start + length]) == expected
