"""The journal: every half that was taken, durable before its message is acknowledged.

A worker writes one segment for many messages: an object with what is joined (labels, probabilities, digests), and,
where inputs are kept, one beside it with the inputs' bytes, written first. A segment is there whole or not at all.

    calibration/journal/<worker>/0000000017.halves
    calibration/journal/<worker>/0000000017.inputs

The first holds a line of JSON, whose `entries` tell one half each, and then the arrays, little-endian, one after
another: labels as int32, probabilities as float32 in C order.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from quintet.calibration.messages import INPUTS, OUTPUTS, Side, Stretch
from quintet.calibration.ports import Objects
from quintet.kernel.errors import NotFound

FOLDER = "calibration/journal"
SEGMENTS_AT_ONCE = 4
"""Segments held in memory while single halves are looked up: neighbours are asked for one after another."""

Values = NDArray[np.int64] | NDArray[np.float32]
_MOST = 10_000_000


class Spot(NamedTuple):
    """Where a half's arrays, or its inputs, stand: bytes of a segment's object."""

    worker: str
    number: int
    start: int
    length: int


@dataclass(frozen=True, slots=True, eq=False)
class Taken:
    """A half as the journal has it.

    `values`: labels (n,) of the inputs, None where they have none, or probabilities (n, K) of the outputs. `size`: the
    bytes of the inputs, which `inputs` says where to find, where they are kept.
    """

    session: str
    side: Side
    index: int
    last: bool
    digest: bytes
    values: Values | None
    size: int = 0
    spot: Spot | None = None
    inputs: Spot | None = None

    @property
    def bare(self) -> bool:
        """It tells the end and nothing else."""
        return (self.values is None and self.size == 0) or (self.values is not None and len(self.values) == 0)

    @property
    def labels(self) -> NDArray[np.int64]:
        """Of inputs that have them."""
        return cast("NDArray[np.int64]", self.values)

    @property
    def probabilities(self) -> NDArray[np.float32]:
        """Of outputs."""
        return cast("NDArray[np.float32]", self.values)

    @property
    def memory(self) -> int:
        """Bytes that its values take."""
        return 0 if self.values is None else self.values.nbytes


@dataclass(frozen=True, slots=True, eq=False)
class Fresh:
    """A half that is to be written, with the inputs' bytes."""

    half: Taken
    data: bytes = b""


class Journal:
    """One worker's: no other writes under its name. One thread writes; any may read any worker's."""

    def __init__(self, objects: Objects, worker: str, *, keep_inputs: bool) -> None:
        self._objects = objects
        self._worker = worker
        self._keep_inputs = keep_inputs
        self._segment = lru_cache(maxsize=SEGMENTS_AT_ONCE)(self._body)
        self.next = 1
        """The number of the segment that is written next."""

    def write(self, fresh: Sequence[Fresh]) -> list[Taken]:
        """The halves as they stand now, durable. Raises Unavailable; the same halves may then be written again."""
        body, halves = _encoded(fresh, self._worker, self.next)
        if self._keep_inputs:
            data, halves = _inputs(fresh, halves, self._worker, self.next)
            if data:
                self._objects.put(_key(self._worker, self.next, INPUTS), data)
        self._objects.put(_key(self._worker, self.next, "halves"), body)
        self.next += 1
        return halves

    def last(self, worker: str) -> int:
        """The number of the worker's last segment, 0 where it wrote none."""
        names = self._objects.list(f"{FOLDER}/{worker}/", _MOST)
        numbers = [int(key.rpartition("/")[2].partition(".")[0]) for key, _, _ in names if key.endswith(".halves")]
        return max(numbers, default=0)

    def replay(self, lineages: Mapping[str, Sequence[Stretch]]) -> Iterator[Taken]:
        """What was taken of these sessions, each session's in the order in which it was. Stretches must have ended.

        Each segment is read once a level of the lineages: sessions that shared a worker share the reading.
        """
        for level in range(max(map(len, lineages.values()), default=0)):
            stretches = {session: lineage[level] for session, lineage in lineages.items() if level < len(lineage)}
            for worker in sorted({stretch.worker for stretch in stretches.values()}):
                mine = {session: stretch for session, stretch in stretches.items() if stretch.worker == worker}
                yield from self._replayed(worker, mine)

    def values(self, spot: Spot, side: Side, rows: int) -> Values:
        """The arrays that stand at `spot`, of so many rows. Raises NotFound where the journal has expired."""
        body = self._segment(_key(spot.worker, spot.number, "halves"))
        return _array(body[spot.start : spot.start + spot.length], side, rows)

    def inputs(self, spot: Spot) -> bytes:
        """The bytes of a batch's inputs. Raises NotFound where the journal has expired."""
        return self._objects.part(_key(spot.worker, spot.number, INPUTS), spot.start, spot.length)

    def _replayed(self, worker: str, stretches: Mapping[str, Stretch]) -> Iterator[Taken]:
        ended = [(stretch.first, stretch.last or 0) for stretch in stretches.values()]
        for number in range(min(first for first, _ in ended), max(last for _, last in ended) + 1):
            for half in self._read(worker, number):
                stretch = stretches.get(half.session)
                if stretch is not None and stretch.first <= number <= (stretch.last or 0):
                    yield half

    def _read(self, worker: str, number: int) -> list[Taken]:
        key = _key(worker, number, "halves")
        try:
            return _decoded(self._objects.get(key)[0], worker, number)
        except NotFound:
            raise NotFound(f"the journal's segment {key} has expired or been deleted", key=key) from None

    def _body(self, key: str) -> bytes:
        return self._objects.get(key)[0]


def _key(worker: str, number: int, kind: str) -> str:
    return f"{FOLDER}/{worker}/{number:010d}.{kind}"


def _encoded(fresh: Sequence[Fresh], worker: str, number: int) -> tuple[bytes, list[Taken]]:
    """A segment's bytes, and its halves with their spots."""
    arrays = [_bytes(one.half) for one in fresh]
    entries = [_entry(one.half, len(array)) for one, array in zip(fresh, arrays, strict=True)]
    head = json.dumps({"schema": 1, "entries": entries}, separators=(",", ":")).encode() + b"\n"
    spots = _spots(worker, number, len(head), map(len, arrays))
    halves = [_at(one.half, spot=spot) for one, spot in zip(fresh, spots, strict=True)]
    return b"".join([head, *arrays]), halves


def _inputs(fresh: Sequence[Fresh], halves: Sequence[Taken], worker: str, number: int) -> tuple[bytes, list[Taken]]:
    data = b"".join(one.data for one in fresh)
    spots = _spots(worker, number, 0, (len(one.data) for one in fresh))
    found = [
        _at(half, spot=half.spot, inputs=spot if spot.length else None)
        for half, spot in zip(halves, spots, strict=True)
    ]
    return data, found


def _spots(worker: str, number: int, start: int, lengths: Iterable[int]) -> Iterator[Spot]:
    for length in lengths:
        yield Spot(worker, number, start, length)
        start += length


def _at(half: Taken, *, spot: Spot | None, inputs: Spot | None = None) -> Taken:
    return Taken(half.session, half.side, half.index, half.last, half.digest, half.values, half.size, spot, inputs)


def _entry(half: Taken, length: int) -> list[object]:
    rows = None if half.values is None else len(half.values)
    return [half.session, half.side, half.index, half.last, half.digest.hex(), rows, half.size, length]


def _bytes(half: Taken) -> bytes:
    if half.values is None:
        return b""
    return half.values.astype("<i4" if half.side == INPUTS else "<f4").tobytes()


def _decoded(body: bytes, worker: str, number: int) -> list[Taken]:
    head, _, _ = body.partition(b"\n")
    entries = json.loads(head)["entries"]
    spots = _spots(worker, number, len(head) + 1, (entry[7] for entry in entries))
    data_start, halves = 0, []
    for (session, side, index, last, digest, rows, size, _), spot in zip(entries, spots, strict=True):
        array = body[spot.start : spot.start + spot.length]
        values = None if rows is None else _array(array, side, rows)
        inputs = Spot(worker, number, data_start, size) if side == INPUTS and size else None
        data_start += size if side == INPUTS else 0
        halves.append(Taken(session, side, index, last, bytes.fromhex(digest), values, size, spot, inputs))
    return halves


def _array(body: bytes, side: Side, rows: int) -> Values:
    if side == OUTPUTS:
        return np.frombuffer(body, "<f4").reshape(rows, -1) if rows else np.zeros((0, 0), np.float32)
    return np.frombuffer(body, "<i4").astype(np.int64)
