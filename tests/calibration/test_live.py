"""A session in memory: judged in the order of indexes whatever the order of arrival, ended once, the same by replay."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.adapters.memory import MemoryObjects
from quintet.calibration.evaluation import Evaluator
from quintet.calibration.journal import Fresh, Journal, Taken
from quintet.calibration.live import End, Limits, Live
from quintet.calibration.messages import INPUTS, OUTPUTS, Session, Stretch
from quintet.kernel.clock import SystemClock
from quintet.kernel.errors import NotFound
from tests.calibration.world import STAGES, Batch, batches, judged


def session(**more: Any) -> Session:
    known = {"id": "s1", "client_id": "ana", "inputs_queue": "a", "outputs_queue": "b", "via": "grpc", "worker": "w"}
    return Session(
        **{**known, "registered_at": SystemClock().now(), "lineage": (Stretch(worker="w", first=1),), **more}
    )


def live(**limits: int) -> Live:
    return Live(session(), lambda: Evaluator(STAGES), Limits(**limits))


def halves(found: Sequence[Batch], journal: Journal | None = None) -> list[Taken]:
    """Inputs and outputs by turns, as the journal gives them back."""
    fresh = []
    for index, (probabilities, labels) in enumerate(found):
        last = index == len(found) - 1
        digest = bytes([index]) * 16
        fresh.append(Fresh(Taken("s1", INPUTS, index, last, digest, np.asarray(labels, np.int64), 4), b"data"))
        fresh.append(Fresh(Taken("s1", OUTPUTS, index, last, digest[::-1], probabilities)))
    return (journal or Journal(MemoryObjects(), "w", keep_inputs=True)).write(fresh)


class TestOrder:
    @given(st.data())
    def test_the_judgement_is_that_of_the_rows_alone(self, data: st.DataObject) -> None:
        found = batches(data.draw(st.integers(1, 7)))
        own = Journal(MemoryObjects(), "w", keep_inputs=False)
        order = data.draw(st.permutations(halves(found, own)))
        made = live(held_bytes=data.draw(st.sampled_from([0, 100, 10_000])))
        for half in order:
            made.take(half)
        assert made.ending == End("COMPLETED")
        assert made.conclude(own).model_dump_json().encode() == judged(found)
        assert [batch.index for batch in made.history()] == list(range(len(found)))

    def test_what_is_judged_is_seen_as_it_comes(self) -> None:
        made, taken = live(), halves(batches(4))
        for half in taken[:2] + taken[4:]:
            made.take(half)
        made.judge()
        assert [batch.index for batch in made.history()] == [0]
        for half in taken[2:4]:
            made.take(half)
        made.judge()
        assert [batch.index for batch in made.history(after=0)] == [1, 2, 3]

    def test_a_gap_is_left_out_at_the_end(self) -> None:
        found, own = batches(4), Journal(MemoryObjects(), "w", keep_inputs=False)
        made, taken = live(), halves(found, own)
        for half in taken[:2] + taken[3:]:
            made.take(half)
        made.end(End("TIMED_OUT", "why"))
        result = made.conclude(own)
        assert [batch.index for batch in result.history] == [0, 2, 3]
        assert made.ending == End("TIMED_OUT", "why")


class TestEnds:
    def test_the_first_stands(self) -> None:
        made = live()
        made.end(End("TIMED_OUT", "one"))
        made.fail("two")
        assert made.ending == End("TIMED_OUT", "one")

    def test_nothing_is_taken_after_it(self) -> None:
        made, taken = live(), halves(batches(2))
        made.fail("over")
        for half in taken:
            made.take(half)
        assert made.join.size == 0

    def test_what_shows_at_the_end_only_fails_the_session_still(self) -> None:
        """A batch of other classes, judged late for one before it was missing."""
        found = [*batches(2), batches(1, classes=5)[0]]
        own = Journal(MemoryObjects(), "w", keep_inputs=False)
        made, taken = live(), halves(found, own)
        for half in taken[2:]:
            made.take(half)
        made.end(End("TIMED_OUT", "silence"))
        made.conclude(own)
        assert made.ending is not None
        assert made.ending.state == "FAILED"
        assert "5" in made.ending.reason

    def test_a_failure_keeps_its_reason_through_the_judgement(self) -> None:
        found = [*batches(2), batches(1, classes=5)[0]]
        own = Journal(MemoryObjects(), "w", keep_inputs=False)
        made, taken = live(), halves(found, own)
        for half in taken[2:]:
            made.take(half)
        made.fail("a reason")
        assert made.conclude(own).batches == 1
        assert made.ending == End("FAILED", "a reason")

    def test_nothing_can_be_judged(self) -> None:
        made = live()
        assert made.conclude_without("the journal has expired").batches == 0
        assert made.conclude(Journal(MemoryObjects(), "w", keep_inputs=False)).batches == 0
        assert made.ending == End("FAILED", "the journal has expired")


class TestWhatIsWrong:
    @given(st.data())
    def test_it_ends_the_session_wherever_it_is_judged_and_what_came_before_counts(self, data: st.DataObject) -> None:
        found = batches(6)
        at = data.draw(st.integers(1, 5))
        found[at] = data.draw(st.sampled_from([batches(1, classes=5)[0], (found[at][0], found[at][1][:-1])]))
        made, own = live(), Journal(MemoryObjects(), "w", keep_inputs=False)
        order = data.draw(st.permutations(halves(found, own)))
        for half in order:
            made.take(half)
            if data.draw(st.booleans()):
                made.judge()
        made.end(End("TIMED_OUT", "silence"))
        result = made.conclude(own)
        assert made.ending is not None
        assert made.ending.state == "FAILED"
        assert f"batch {at} has" in made.ending.reason
        assert result.model_dump_json().encode() == judged(found[:at])
        assert [batch.index for batch in made.history()] == list(range(at))

    def test_the_first_reason_stands(self) -> None:
        found = [*batches(2), batches(1, classes=5)[0], *batches(8)]
        made = live(batches=3)
        for half in halves(found):
            made.take(half)
        assert made.ending is not None
        assert "5 classes" in made.ending.reason


class TestBounds:
    def test_batches(self) -> None:
        made = live(batches=2)
        for half in halves(batches(5)):
            made.take(half)
        assert made.ending is not None
        assert "more than 2 batches" in made.ending.reason

    def test_memory_is_let_go_and_the_judgement_is_made_from_the_store(self) -> None:
        found, own = batches(6), Journal(MemoryObjects(), "w", keep_inputs=False)
        made, taken = live(held_bytes=50), halves(found, own)
        for half in taken[2:]:
            made.take(half)
        assert made.stored
        assert made.status()["judged_at_the_end"]
        assert made._frontier.held_bytes == 0
        for half in taken[:2]:
            made.take(half)
        assert made.conclude(own).model_dump_json().encode() == judged(found)

    def test_a_store_that_has_expired_is_told_of(self) -> None:
        made = live(held_bytes=0)
        for half in halves(batches(2)):
            made.take(half)
        with pytest.raises(NotFound):
            made.conclude(Journal(MemoryObjects(), "w", keep_inputs=False))


class TestContents:
    def test_a_batch_is_found_again_in_the_journal(self) -> None:
        found, own = batches(3), Journal(MemoryObjects(), "w", keep_inputs=True)
        made = live()
        for half in halves(found, own):
            made.take(half)
        contents = made.contents(1, own)
        assert contents.data == b"data"
        assert np.array_equal(contents.probabilities, found[1][0])
        assert contents.labels is not None
        assert contents.labels.tolist() == list(found[1][1])

    def test_inputs_that_were_not_kept_are_empty(self) -> None:
        own, made = Journal(MemoryObjects(), "w", keep_inputs=False), live()
        for half in halves(batches(1), own):
            made.take(half)
        assert made.contents(0, own).data == b""

    def test_batches_without_labels_are_counted_and_not_judged(self) -> None:
        own, made = Journal(MemoryObjects(), "w", keep_inputs=False), live()
        probabilities = batches(1)[0][0]
        for half in own.write(
            [
                Fresh(Taken("s1", INPUTS, 0, True, bytes(16), None, 4), b"data"),
                Fresh(Taken("s1", OUTPUTS, 0, True, bytes(16), probabilities)),
            ]
        ):
            made.take(half)
        assert made.ending == End("COMPLETED")
        assert made.conclude(own).batches == 0
        (told,) = made.history()
        assert (told.index, told.rows, told.accuracy) == (0, len(probabilities), None)
        assert made.contents(0, own).labels is None


def test_its_status_is_json() -> None:
    made = live()
    for half in halves(batches(3))[:5]:
        made.take(half)
    made.judge()
    status = json.loads(json.dumps(made.status()))
    assert (status["halves"], status["joined"], status["judged"], status["latest"]["index"]) == (5, 2, 2, 1)
    assert "outputs 2" in status["missing"]
    made.trouble = "a queue is gone"
    assert made.waits == "ana waits: a queue is gone"
