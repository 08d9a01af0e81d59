"""The halves of one session's batches, brought together by index: in any order, doubled, late or missing.

A half is known by the digest of its content. What comes again is a duplicate; what comes again and differs is a
conflict, and the first stays. Indexes count from 0, and all up to the highest that was seen are expected.
"""

from dataclasses import dataclass, field
from typing import Generic, Literal, Protocol, TypeVar

from quintet.calibration.messages import INPUTS, OUTPUTS, Side

Acceptance = Literal["new", "duplicate", "conflict", "end"]
"""What a half is to those before it. "end": it tells the end, which was not known, and no new content. All but
duplicates make the state another and are to be kept.
"""

SPANS_TOLD = 20


@dataclass(frozen=True, slots=True, order=True)
class Conflict:
    """A second content of an index, or ("end") an index that was said to be its side's last and was not."""

    index: int
    side: Side
    kind: Literal["content", "end"]

    def text(self) -> str:
        if self.kind == "end":
            return f"{self.side} {self.index} was called the last, but later ones came"
        return f"{self.side} {self.index} came again with other content; the first counts"


@dataclass(frozen=True, slots=True)
class Missing:
    """What is expected and has not come: indexes of each side, and the sides whose end was not told."""

    inputs: tuple[range, ...]
    outputs: tuple[range, ...]
    ends: tuple[Side, ...]

    def text(self) -> str:
        """In words.

        >>> Missing((range(3, 4), range(7, 10)), (), ("outputs",)).text()
        'inputs 3, 7–9 and the end of outputs'
        """
        parts = [f"{INPUTS} {_spans(self.inputs)}"] if self.inputs else []
        parts += [f"{OUTPUTS} {_spans(self.outputs)}"] if self.outputs else []
        parts += [f"the end of {side}" for side in self.ends]
        return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]])) or "nothing"


@dataclass(slots=True)
class _Known:
    """One side: digests by index, the indexes called the last, the index of an end that came alone."""

    digests: dict[int, bytes] = field(default_factory=dict)
    lasts: set[int] = field(default_factory=set)
    bare_end: int = -1
    highest: int = -1

    @property
    def ended(self) -> bool:
        return bool(self.lasts) or self.bare_end >= 0

    @property
    def expects(self) -> int:
        """An end that came alone may have the index of the last batch, or the next one, or none at all."""
        return max(self.highest + 1, self.bare_end)


class Join:
    """One session's bookkeeping. It holds no content: some 190 bytes a half."""

    def __init__(self) -> None:
        self._sides: dict[Side, _Known] = {INPUTS: _Known(), OUTPUTS: _Known()}
        self._others: dict[tuple[int, Side], set[bytes]] = {}
        self.joined = 0
        """Batches of which both halves are known."""
        self.duplicates = 0
        self.size = 0
        """All that was accepted but duplicates, which is all that takes memory."""

    def accept(self, side: Side, index: int, last: bool, bare: bool, digest: bytes) -> Acceptance:
        """Judges a half. The same again changes nothing, whatever came between."""
        acceptance = self._bare(side, index) if bare else self._half(side, index, last, digest)
        if acceptance == "duplicate":
            self.duplicates += 1
        else:
            self.size += 1
        return acceptance

    def knows(self, side: Side, index: int, last: bool, bare: bool, digest: bytes) -> bool:
        """Whether `accept` would find a duplicate; nothing is changed."""
        known = self._sides[side]
        if bare:
            return index <= known.bare_end
        if last and index not in known.lasts:
            return False
        return known.digests.get(index) == digest or digest in self._others.get((index, side), ())

    def ended(self, side: Side) -> bool:
        """Whether the side's end was told; late halves may still be on their way."""
        return self._sides[side].ended

    @property
    def expected(self) -> int:
        """Batches that there must be at least."""
        return max(known.expects for known in self._sides.values())

    @property
    def complete(self) -> bool:
        """Both ends were told and every batch has both halves."""
        return self.ended(INPUTS) and self.ended(OUTPUTS) and self.joined == self.expected

    @property
    def conflicts(self) -> list[Conflict]:
        """By index, the same in whatever order the halves came."""
        contents = [Conflict(index, side, "content") for (index, side), more in self._others.items() for _ in more]
        ends = [
            Conflict(index, side, "end")
            for side, known in self._sides.items()
            for index in known.lasts
            if index < known.highest
        ]
        return sorted(contents + ends)

    def missing(self) -> Missing:
        inputs, outputs = (_gaps(self._sides[side].digests, self.expected) for side in (INPUTS, OUTPUTS))
        return Missing(inputs, outputs, tuple(side for side, known in self._sides.items() if not known.ended))

    def _bare(self, side: Side, index: int) -> Acceptance:
        known = self._sides[side]
        if index <= known.bare_end:
            return "duplicate"
        known.bare_end = index
        return "end"

    def _half(self, side: Side, index: int, last: bool, digest: bytes) -> Acceptance:
        known = self._sides[side]
        acceptance: Acceptance = "duplicate"
        if index not in known.digests:
            acceptance = "new"
            known.digests[index] = digest
            known.highest = max(known.highest, index)
            self.joined += index in self._sides[OUTPUTS if side == INPUTS else INPUTS].digests
        elif known.digests[index] != digest and digest not in self._others.get((index, side), ()):
            acceptance = "conflict"
            self._others.setdefault((index, side), set()).add(digest)
        if last and index not in known.lasts:
            known.lasts.add(index)
            acceptance = "end" if acceptance == "duplicate" else acceptance
        return acceptance


class Held(Protocol):
    @property
    def memory(self) -> int:
        """Bytes that it takes."""
        ...


Content = TypeVar("Content", bound=Held)


class Frontier(Generic[Content]):
    """Gives pairs in the order of indexes, each once, as soon as all before it are there.

    What waits is held, and `held_bytes` tells how much that is.
    """

    def __init__(self) -> None:
        self._waiting: dict[Side, dict[int, Content]] = {INPUTS: {}, OUTPUTS: {}}
        self.next = 0
        """The index of the pair that is given next."""
        self.dropped = False
        self.held_bytes = 0

    def put(self, index: int, side: Side, content: Content) -> list[tuple[int, Content, Content]]:
        """The pairs (index, inputs, outputs) whose turn it is now. The first content of an index stays."""
        waiting = self._waiting[side]
        if self.dropped or index < self.next or index in waiting:
            return []
        waiting[index] = content
        self.held_bytes += content.memory
        pairs = []
        while self.next in self._waiting[INPUTS] and self.next in self._waiting[OUTPUTS]:
            pairs.append(self._taken(self.next))
            self.next += 1
        return pairs

    def flush(self) -> list[tuple[int, Content, Content]]:
        """The pairs that are left, without waiting for what is missing. What comes for these indexes later is late."""
        indexes = sorted(self._waiting[INPUTS].keys() & self._waiting[OUTPUTS].keys())
        pairs = [self._taken(index) for index in indexes]
        self.next = max([self.next, *(index + 1 for index in indexes[-1:])])
        return pairs

    def drop(self) -> None:
        """Forgets what it holds and gives nothing from now on: too much would have had to wait."""
        self._waiting = {INPUTS: {}, OUTPUTS: {}}
        self.held_bytes = 0
        self.dropped = True

    def _taken(self, index: int) -> tuple[int, Content, Content]:
        inputs, outputs = self._waiting[INPUTS].pop(index), self._waiting[OUTPUTS].pop(index)
        self.held_bytes -= inputs.memory + outputs.memory
        return index, inputs, outputs


def _gaps(known: dict[int, bytes], expected: int) -> tuple[range, ...]:
    starts = [0, *(index + 1 for index in sorted(known))]
    ends = [*sorted(known), expected]
    return tuple(range(start, end) for start, end in zip(starts, ends, strict=True) if start < end)


def _spans(spans: tuple[range, ...]) -> str:
    told = [f"{span[0]}–{span[-1]}" if len(span) > 1 else f"{span[0]}" for span in spans[:SPANS_TOLD]]
    rest = sum(map(len, spans[SPANS_TOLD:]))
    return ", ".join(told) + (f" and {rest} more" if rest else "")
