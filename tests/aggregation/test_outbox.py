"""The outbox: what is still to be told, tried by one at a time, and never forgotten."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.adapters.memory_rows import MemoryRows
from quintet.aggregation.outbox import CHANNELS, OUTBOX, REASON_CHARACTERS, Channel, Delivery, Outbox, pause
from quintet.kernel.clock import SteppedClock
from quintet.kernel.rows import Place

DAYS = timedelta(days=30)


class Box:
    def __init__(self) -> None:
        self.clock = SteppedClock()
        self.rows = MemoryRows(self.clock)
        self.outbox = Outbox(self.rows, self.clock, lambda: 0.0, DAYS)

    def ended(self, job: str, *channels: Channel, **more: str) -> list[Delivery]:
        self.rows.write(*self.outbox.rows_for(job, channels, completed_at=self.clock.now(), **more))
        return self.outbox.of(job)

    def claimed(self, delivery: Delivery) -> Delivery:
        found = self.outbox.claim(delivery)
        assert found is not None
        return found


@pytest.fixture
def box() -> Box:
    return Box()


def test_a_row_for_each_channel(box: Box) -> None:
    box.ended("a#b", "api", "file", correlation="c")
    assert [name for name, _ in box.rows.list(OUTBOX)] == ["a#b#api", "a#b#file"]
    record = box.rows.read(Place(OUTBOX, "a#b#api"))
    assert (record["schema"], record["state"], record["attempts"], record["correlation"]) == (1, "pending", 0, "c")
    assert {one.channel for one in box.outbox.of("a#b")} == {"api", "file"}
    assert box.outbox.of("a") == []


def test_only_the_return_url_has_a_url_of_its_own(box: Box) -> None:
    rows = box.ended("j", *CHANNELS, return_url="https://hooks.example.org/x", body_key="k")
    assert {one.channel: one.url for one in rows} == {
        "api": "", "file": "", "log": "", "return-url": "https://hooks.example.org/x",
    }  # fmt: skip


def test_keys_are_one_for_a_jobs_channel_and_another_for_the_next_job_of_that_name(box: Box) -> None:
    first = {one.channel: one.key for one in box.ended("j", "api", "file")}
    assert {one.channel: one.key for one in box.outbox.of("j")} == first
    assert len({*first.values(), *(one.key for one in Box().ended("k", "api", "file"))}) == 4
    box.clock.advance(DAYS.total_seconds())
    assert box.outbox.of("j") == []
    assert not {one.key for one in box.ended("j", "api", "file")} & set(first.values())


def test_without_a_correlation_it_has_its_own(box: Box) -> None:
    (one,) = box.ended("j", "api")
    assert one.correlation == one.key


def test_who_claims_is_alone_until_the_next_time(box: Box) -> None:
    (one,) = box.ended("j", "api")
    assert box.outbox.due() == [one]
    claimed = box.claimed(one)
    assert claimed.attempts == 1
    assert box.outbox.claim(one) is None
    assert box.outbox.due() == []
    box.clock.advance(29)
    assert box.outbox.due() == []
    box.clock.advance(1)
    assert box.outbox.due() == [claimed]


def test_done_is_forgotten_by_all(box: Box) -> None:
    (one,) = box.ended("j", "api")
    claimed = box.claimed(one)
    box.outbox.done(claimed)
    box.outbox.done(claimed)
    box.outbox.failed(claimed, "late")
    box.outbox.give_up(claimed, "later")
    assert box.outbox.of("j") == []
    assert box.outbox.claim(claimed) is None


def test_a_failure_is_remembered_and_pauses_grow(box: Box) -> None:
    (one,) = box.ended("j", "api")
    for number in range(1, 4):
        one = box.claimed(one)
        box.outbox.failed(one, f"reason {number}" + "x" * 1000)
        (one,) = box.outbox.of("j")
        assert (one.attempts, one.state, one.next_at) == (
            number, "pending", box.clock.now() + timedelta(seconds=30 * 2 ** (number - 1)),
        )  # fmt: skip
        assert one.reason.startswith(f"reason {number}")
        assert len(one.reason) == REASON_CHARACTERS
        box.clock.advance(3600)


def test_what_one_found_late_does_not_stand_against_what_another_finds(box: Box) -> None:
    (one,) = box.ended("j", "api")
    slow = box.claimed(one)
    box.clock.advance(30)
    quick = box.claimed(slow)
    box.outbox.give_up(slow, "the slow one")
    assert box.outbox.of("j") == [quick]


def test_the_dead_are_not_due_until_they_are_revived(box: Box) -> None:
    (one,) = box.ended("j", "api")
    box.outbox.give_up(box.claimed(one), "refused")
    box.clock.advance(3600)
    assert box.outbox.due() == []
    (dead,) = box.outbox.of("j")
    assert (dead.state, dead.reason) == ("dead", "refused")
    revived = box.outbox.revive("j", "api")
    assert revived is not None
    assert (revived.state, revived.attempts, revived.key) == ("pending", 0, one.key)
    assert box.outbox.due() == [revived]
    assert box.outbox.revive("j", "api") is None
    assert box.outbox.revive("j", "file") is None
    assert box.outbox.revive("k", "nonsense") is None


def test_the_longest_due_comes_first_of_however_many(box: Box) -> None:
    for number in range(1100):
        box.rows.write(*box.outbox.rows_for(f"{number:04d}", ["log"], completed_at=box.clock.now()))
        box.clock.advance(-1)
    due = box.outbox.due()
    assert due == []
    box.clock.advance(2000)
    assert [one.job for one in box.outbox.due()] == [f"{number:04d}" for number in reversed(range(1100))]


def test_dead_rows_expire_on_purpose(box: Box) -> None:
    (one,) = box.ended("j", "api")
    box.outbox.give_up(box.claimed(one), "refused")
    box.clock.advance(DAYS.total_seconds() - 1)
    assert len(box.outbox.of("j")) == 1
    box.clock.advance(1)
    assert box.outbox.of("j") == []


@given(st.integers(1, 10**9), st.floats(0, 1, exclude_max=True))
def test_a_pause_is_longer_than_an_attempt_and_ends(attempts: int, random: float) -> None:
    assert timedelta(seconds=30) <= pause(attempts, random) <= timedelta(hours=1.5)
    assert pause(attempts, random) <= pause(attempts + 1, 0.0) * 1.5
