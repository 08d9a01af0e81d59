"""Messages that wait to be made durable together: in order, within bounds, none lost."""

from collections.abc import Sequence
from threading import Event, Thread

import pytest

from quintet.calibration.intake import Intake, Pace
from quintet.kernel.clock import stopwatch
from quintet.kernel.errors import Unavailable
from quintet.kernel.streams import Delivery


def delivery(body: bytes = b"x", received_at: float = 0.0) -> Delivery:
    return Delivery("s1", "inputs", body, None, received_at)


def bodies(group: object) -> list[bytes]:
    return [one.body for one in group]  # type: ignore[attr-defined]


class TestGroups:
    def test_what_waits_goes_together_and_in_order(self) -> None:
        intake = Intake(Pace(seconds=0))
        for number in range(5):
            intake.put(delivery(b"%d" % number))
        assert bodies(intake.take()) == [b"0", b"1", b"2", b"3", b"4"]

    def test_one_that_is_large_enough_waits_for_no_other(self) -> None:
        intake = Intake(Pace(seconds=3600, group_bytes=4))
        intake.put(delivery(b"1234"))
        assert bodies(intake.take()) == [b"1234"]

    def test_it_goes_as_soon_as_it_is_large_enough(self) -> None:
        intake, taken = Intake(Pace(seconds=3600, group_bytes=4)), []
        thread = Thread(target=lambda: taken.append(intake.take()))
        thread.start()
        intake.put(delivery(b"12"))
        intake.put(delivery(b"34"))
        thread.join(30)
        assert bodies(taken[0]) == [b"12", b"34"]

    def test_what_waits_at_the_end_is_given_out_and_then_it_is_over(self) -> None:
        intake = Intake(Pace(seconds=3600))
        groups: list[Sequence[Delivery]] = []
        intake.put(delivery())
        intake.close()
        intake.run(groups.append)
        assert [bodies(group) for group in groups] == [[b"x"]]


class TestBounds:
    def test_who_brings_too_much_is_refused(self) -> None:
        intake = Intake(Pace(waiting_bytes=4, patience=0))
        intake.put(delivery(b"123"))
        with pytest.raises(Unavailable, match="fast enough"):
            intake.put(delivery(b"45"))
        assert bodies(intake.take()) == [b"123"]

    def test_a_message_larger_than_all_may_wait_alone(self) -> None:
        intake = Intake(Pace(seconds=0, waiting_bytes=4, patience=0))
        intake.put(delivery(b"1234567"))
        assert bodies(intake.take()) == [b"1234567"]

    def test_what_is_being_stored_takes_room_too(self) -> None:
        intake = Intake(Pace(seconds=0, waiting_bytes=4, patience=0))
        intake.put(delivery(b"123"))
        intake.take()
        with pytest.raises(Unavailable):
            intake.put(delivery(b"45"))

    def test_who_waits_goes_on_once_there_is_room(self) -> None:
        intake, put = Intake(Pace(seconds=0, waiting_bytes=4, patience=30)), Event()
        intake.put(delivery(b"123"))

        def bring() -> None:
            intake.put(delivery(b"45"))
            put.set()

        Thread(target=bring, daemon=True).start()
        assert bodies(intake.take()) == [b"123"]
        assert bodies(intake.take()) == [b"45"]
        assert put.wait(30)

    def test_nothing_is_taken_in_at_the_end(self) -> None:
        intake = Intake(Pace())
        intake.close()
        with pytest.raises(Unavailable, match="stopping"):
            intake.put(delivery())


def test_it_tells_for_how_long_the_oldest_waits() -> None:
    intake = Intake(Pace(seconds=0))
    assert intake.oldest() == 0.0
    intake.put(delivery(received_at=stopwatch() - 100))
    intake.put(delivery(received_at=stopwatch()))
    assert intake.oldest() >= 100
    intake.take()
    assert intake.oldest() >= 100  # it is being stored
    intake.close()
    intake.take()
    assert intake.oldest() == 0.0
