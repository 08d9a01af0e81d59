"""How long a request waits for its training."""

import pytest
from fastapi import Request

from quintet.entry.observation import BEGAN
from quintet.handover.http.waiting import LONGEST_ANSWER, patience
from quintet.kernel.clock import stopwatch


@pytest.mark.parametrize(("gone", "most", "expected"), [(0, 20, 20), (17, 20, LONGEST_ANSWER - 17), (40, 20, 0)])
def test_reading_the_body_counts_as_waiting(gone: float, most: float, expected: float) -> None:
    request = Request({"type": "http", "headers": [], BEGAN: stopwatch() - gone})
    assert patience(request, most) == pytest.approx(expected, abs=0.5)


def test_without_a_beginning_all_of_it_is_left() -> None:
    assert patience(Request({"type": "http", "headers": []}), 20) == pytest.approx(20, abs=0.5)
