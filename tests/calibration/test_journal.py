"""What was taken is read back as it was written, by whoever takes a session over."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.adapters.memory import MemoryObjects
from quintet.calibration.journal import FOLDER, Fresh, Journal, Taken
from quintet.calibration.messages import INPUTS, OUTPUTS, Stretch
from quintet.kernel.errors import NotFound, Unavailable

DIGEST = bytes(range(16))


def inputs(
    index: int, session: str = "s1", labels: list[int] | None = None, data: bytes = b"", last: bool = False
) -> Fresh:
    values = None if labels is None else np.array(labels, np.int64)
    return Fresh(Taken(session, INPUTS, index, last, DIGEST, values, len(data)), data)


def outputs(index: int, session: str = "s1", rows: int = 2, classes: int = 3, last: bool = False) -> Fresh:
    values = np.random.default_rng(index).random((rows, classes), np.float32)
    return Fresh(Taken(session, OUTPUTS, index, last, DIGEST, values))


def same(one: Taken, other: Taken) -> bool:
    told = [
        (half.session, half.side, half.index, half.last, half.digest, half.size, half.bare) for half in (one, other)
    ]
    if (one.values is None) != (other.values is None):
        return False
    return told[0] == told[1] and (one.values is None or np.array_equal(one.values, other.values))  # type: ignore[arg-type]


def journal(objects: MemoryObjects, worker: str = "w1", keep: bool = True) -> Journal:
    return Journal(objects, worker, keep_inputs=keep)


def replayed(objects: MemoryObjects, *stretches: Stretch, session: str = "s1") -> list[Taken]:
    return list(journal(objects, "another").replay({session: stretches}))


FRESH = st.one_of(
    st.builds(
        inputs,
        st.integers(0, 2**31 - 1),
        st.sampled_from(["s1", "s2"]),
        st.none() | st.lists(st.integers(0, 2**31 - 1), max_size=5),
        st.binary(max_size=30),
        st.booleans(),
    ),
    st.builds(
        outputs,
        st.integers(0, 2**31 - 1),
        st.sampled_from(["s1", "s2"]),
        st.integers(1, 4),
        st.integers(1, 4),
        st.booleans(),
    ),
)


class TestSegments:
    @given(st.lists(st.lists(FRESH, min_size=1, max_size=6), max_size=4), st.booleans())
    def test_all_is_read_as_it_was_written(self, groups: list[list[Fresh]], keep: bool) -> None:
        objects = MemoryObjects()
        own = journal(objects, keep=keep)
        written = [half for group in groups for half in own.write(group)]
        for session in ("s1", "s2"):
            mine = [half for half in written if half.session == session]
            read = replayed(objects, Stretch(worker="w1", first=1, last=len(groups)), session=session)
            assert len(read) == len(mine)
            for one, other in zip(mine, read, strict=True):
                assert same(one, other)
                assert one.spot == other.spot
                assert one.inputs == other.inputs or not keep

    @given(st.lists(FRESH, min_size=1, max_size=6))
    def test_each_half_is_found_by_its_spot(self, group: list[Fresh]) -> None:
        own = journal(MemoryObjects())
        for fresh, half in zip(group, own.write(group), strict=True):
            assert half.spot is not None
            if half.values is not None and len(half.values):
                assert np.array_equal(own.values(half.spot, half.side, len(half.values)), half.values)
            if fresh.data:
                assert half.inputs is not None
                assert own.inputs(half.inputs) == fresh.data

    def test_the_end_alone_stays_the_end_alone(self) -> None:
        objects = MemoryObjects()
        bare = Fresh(Taken("s1", OUTPUTS, 7, True, DIGEST, np.zeros((0, 0), np.float32)))
        journal(objects).write([bare, inputs(7, last=True)])
        one, other = replayed(objects, Stretch(worker="w1", first=1, last=1))
        assert (one.bare, one.last, other.bare, other.last) == (True, True, True, True)

    def test_inputs_are_kept_where_they_are_wanted_alone(self) -> None:
        for keep, kinds in ((True, ["halves", "inputs"]), (False, ["halves"])):
            objects = MemoryObjects()
            journal(objects, keep=keep).write([inputs(0, data=b"1234"), outputs(0)])
            assert [key.rpartition(".")[2] for key, *_ in objects.list("", 9)] == kinds

    def test_its_form_is_what_is_documented(self) -> None:
        objects = MemoryObjects()
        journal(objects).write([inputs(3, labels=[1, 2], data=b"1234"), outputs(3, rows=1, classes=2)])
        body = objects.get(f"{FOLDER}/w1/0000000001.halves")[0]
        head, _, arrays = body.partition(b"\n")
        told = json.loads(head)
        assert told["schema"] == 1
        assert [entry[:4] for entry in told["entries"]] == [["s1", "inputs", 3, False], ["s1", "outputs", 3, False]]
        assert np.frombuffer(arrays[:8], "<i4").tolist() == [1, 2]
        assert len(arrays) == 8 + 8
        assert objects.get(f"{FOLDER}/w1/0000000001.inputs")[0] == b"1234"


class TestWriting:
    def test_what_could_not_be_written_is_written_again_under_its_number(self, monkeypatch: pytest.MonkeyPatch) -> None:
        objects = MemoryObjects()
        own, put, fails = journal(objects), objects.put, [True, False, True, False]

        def unsure(key: str, body: bytes, **more: str) -> None:
            put(key, body, **more)
            if fails and fails.pop(0):
                raise Unavailable("the answer was lost")

        monkeypatch.setattr(objects, "put", unsure)
        for _ in range(2):
            with pytest.raises(Unavailable):
                own.write([inputs(0, labels=[1], data=b"1")])
        own.write([inputs(0, labels=[1], data=b"1")])
        assert own.next == 2
        assert len(replayed(objects, Stretch(worker="w1", first=1, last=1))) == 1

    def test_the_last_number_is_told_of_any_worker(self) -> None:
        objects = MemoryObjects()
        own = journal(objects)
        assert own.last("w1") == 0
        for index in range(12):
            own.write([inputs(index, data=b"1")])
        objects.put(f"{FOLDER}/w1/0000000013.inputs", b"its halves were never written")
        journal(objects, "w10").write([inputs(0)])
        assert journal(objects, "w2").last("w1") == 12


class TestLineages:
    def test_a_session_is_read_from_worker_to_worker(self) -> None:
        objects = MemoryObjects()
        one, two = journal(objects, "w1"), journal(objects, "w2")
        for index in range(4):
            one.write([inputs(index, labels=[index])])
            two.write([inputs(10 + index, labels=[index])])
        read = replayed(objects, Stretch(worker="w2", first=2, last=3), Stretch(worker="w1", first=3, last=4))
        assert [half.index for half in read] == [11, 12, 2, 3]

    def test_sessions_that_shared_a_worker_are_read_together_each_within_its_own(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        objects = MemoryObjects()
        own = journal(objects)
        for index in range(4):
            own.write([inputs(index, "s1", [0]), inputs(index, "s2", [0])])
        asked: list[str] = []
        get = objects.get

        def noted(key: str) -> tuple[bytes, str]:
            asked.append(key)
            return get(key)

        monkeypatch.setattr(objects, "get", noted)
        lineages = {"s1": [Stretch(worker="w1", first=1, last=2)], "s2": [Stretch(worker="w1", first=2, last=4)]}
        read = [(half.session, half.index) for half in own.replay(lineages)]
        assert read == [("s1", 0), ("s1", 1), ("s2", 1), ("s2", 2), ("s2", 3)]
        assert len(asked) == 4

    def test_one_that_wrote_nothing_is_read_as_nothing(self) -> None:
        assert replayed(MemoryObjects(), Stretch(worker="w1", first=5, last=4)) == []

    def test_a_segment_that_has_expired_is_named(self) -> None:
        with pytest.raises(NotFound, match=r"0000000001\.halves has expired"):
            replayed(MemoryObjects(), Stretch(worker="w1", first=1, last=1))
