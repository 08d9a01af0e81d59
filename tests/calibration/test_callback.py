"""The connections service is told of an end once it can be, and no answer of it makes us ask for ever."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from quintet.calibration.callback import tell_ending
from quintet.calibration.messages import State
from quintet.kernel.errors import Unavailable
from tests.calibration.tracked_sessions import a_session

SERVICE = "http://connections-service:8000"


@dataclass
class Answers:
    """Of the service, one after the other."""

    statuses: list[int]
    heard: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)

    def put(self, url: str, content: Mapping[str, str]) -> int:
        self.heard.append((url, content))
        return self.statuses.pop(0)


@pytest.mark.parametrize(
    ("state", "word"), [("COMPLETED", "completed"), ("TIMED_OUT", "timeout"), ("FAILED", "timeout")]
)
@pytest.mark.parametrize("service", [SERVICE, SERVICE + "/"])
def test_the_end_is_told_in_the_services_words(state: State, word: str, service: str) -> None:
    calls = Answers([200])
    told = tell_ending(calls, service, a_session(state=state))
    assert told.outcome == "told"
    assert calls.heard == [(f"{SERVICE}/sessions/s1/status/{word}", {"user_id": "client_1"})]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(200, "told"), (204, "told"), (409, "known"), (404, "unknown"), (400, "refused"), (302, "refused")],
)
def test_an_answer_is_the_end_of_it(status: int, outcome: str) -> None:
    told = tell_ending(Answers([status]), SERVICE, a_session(state="COMPLETED"))
    assert (told.outcome, told.status) == (outcome, status)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408, 425])
def test_a_service_in_trouble_is_told_later(status: int) -> None:
    calls = Answers([status, 409])
    with pytest.raises(Unavailable):
        tell_ending(calls, SERVICE, a_session(state="COMPLETED"))
    assert tell_ending(calls, SERVICE, a_session(state="COMPLETED")).outcome == "known"


def test_no_session_id_leads_elsewhere() -> None:
    calls = Answers([404])
    session = a_session(state="TIMED_OUT").model_copy(update={"id": "../admin?x=1#"})
    tell_ending(calls, SERVICE, session)
    assert calls.heard[0][0] == f"{SERVICE}/sessions/..%2Fadmin%3Fx%3D1%23/status/timeout"
