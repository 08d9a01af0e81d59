"""What health says of one server."""

from collections import deque
from dataclasses import replace

import pytest

from quintet.glucose.health import Condition, Tally, health
from quintet.glucose.ports import QueueState

QUIET = Condition(
    models_ready=True,
    memory_mb=100.0,
    inference=QueueState(capacity=64, workers=2, reserved=1),
    drawing=QueueState(capacity=8192, workers=4),
    cached=3,
    trouble_of_stores="",
)


def test_a_server_that_has_done_nothing_is_idle() -> None:
    told = health(Tally(), QUIET)
    assert (told.status, told.load_status, told.total_http_requests, told.avg_request_time_ms) == ("ok", "idle", 0, 0)
    assert (told.available_priority_models, told.available_general_models, told.cache_size) == (1, 1, 3)
    assert told.notes == []


def test_requests_are_counted_and_timed() -> None:
    tally = Tally()
    for status, milliseconds in [(200, 10.0), (404, 20.0), (500, 60.0)]:
        tally.count_request(status, milliseconds)
    told = health(tally, QUIET)
    assert (told.total_http_requests, told.total_http_errors) == (3, 2)
    assert (told.avg_request_time_ms, told.median_request_time_ms) == (30.0, 20.0)
    assert (told.min_request_time_ms, told.max_request_time_ms) == (10.0, 60.0)


def test_times_are_of_the_last_requests_only() -> None:
    tally = Tally(times=deque(maxlen=10))
    for number in range(1000):
        tally.count_request(200, float(number))
    assert health(tally, QUIET).min_request_time_ms == 990.0


@pytest.mark.parametrize(
    ("waiting", "word"),
    [(0, "idle"), (1, "lightly loaded"), (16, "loaded"), (32, "heavily loaded"), (48, "overloaded"), (64, "full")],
)
def test_the_fuller_queue_gives_the_word(waiting: int, word: str) -> None:
    told = health(Tally(), replace(QUIET, inference=replace(QUIET.inference, size=waiting)))
    assert (told.load_status, told.inference_queue_size) == (word, waiting)


def test_busy_models_are_not_free_and_the_reserved_one_is_kept_to_the_last() -> None:
    told = health(Tally(), replace(QUIET, inference=replace(QUIET.inference, busy=1)))
    assert (told.available_priority_models, told.available_general_models) == (1, 0)
    told = health(Tally(), replace(QUIET, inference=replace(QUIET.inference, busy=2)))
    assert (told.available_priority_models, told.available_general_models) == (0, 0)


def test_what_is_wrong_is_said() -> None:
    told = health(Tally(), replace(QUIET, models_ready=False))
    assert (told.status, told.available_priority_models, "model" in told.notes[0]) == ("degraded", 0, True)
    told = health(Tally(), replace(QUIET, trouble_of_stores="the cache does not answer"))
    assert told.status == "degraded"
    assert told.notes == ["Answers are right, and slower: the cache does not answer."]
    told = health(Tally(), replace(QUIET, drawing=replace(QUIET.drawing, dropped=7)))
    assert (told.status, "7" in told.notes[0]) == ("ok", True)
