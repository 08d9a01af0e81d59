"""An aggregator of somebody else's is spoken to as the original does, and always comes to an end."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from quintet.aggregation.external import ExternalAggregator, outcome_of
from quintet.aggregation.settings import Coordinator
from quintet.aggregation.watching import Watch
from quintet.kernel.calls import Answer
from quintet.kernel.clock import SteppedClock
from quintet.kernel.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    PermissionDenied,
    QuintetError,
    Unavailable,
)
from tests.aggregation.job_room import JOB, SCHEMA, SUM, JobRoom

COHORT = ("c1", "c2", "c3")


@dataclass
class ScriptedCoordinator:
    """Answers what it is told to; an answer None means that there is none. The last of `results` stays."""

    start: Answer | None = field(default_factory=lambda: Answer(200))
    results: list[Answer | None] = field(default_factory=lambda: [Answer(204)])
    asked: list[tuple[str, str, Any, float]] = field(default_factory=list)

    def post(
        self,
        url: str,
        body: bytes,
        *,
        headers: Mapping[str, str] | None = None,
        seconds: float,
        addresses: Sequence[str] | None = None,
    ) -> Answer:
        assert headers == {"Content-Type": "application/json"}
        assert addresses is None
        self.asked.append(("POST", url, json.loads(body), seconds))
        return self._given(self.start)

    def get(self, url: str, *, headers: Mapping[str, str] | None = None, seconds: float) -> Answer:
        self.asked.append(("GET", url, None, seconds))
        return self._given(self.results.pop(0) if len(self.results) > 1 else self.results[0])

    def _given(self, answer: Answer | None) -> Answer:
        if answer is None:
            raise Unavailable("there is no answer")
        return answer


def said(status: str, **more: Any) -> Answer:
    return Answer(200, json.dumps({"jobId": JOB, "status": status, "computationType": "sum", **more}).encode())


DONE = said("COMPLETED", computationOutput=list(SUM), version=1.5, validation=3)


@pytest.fixture
def coordinator() -> ScriptedCoordinator:
    return ScriptedCoordinator()


def aggregator(calls: ScriptedCoordinator, host: str = "agg.example") -> ExternalAggregator:
    return ExternalAggregator(calls, Coordinator(host=host))


def start(calls: ScriptedCoordinator, job: str = JOB, host: str = "agg.example") -> None:
    aggregator(calls, host).start(job, COHORT, size=9, minimum=3, round_seconds=None)


def test_it_is_asked_as_the_original_asks(coordinator: ScriptedCoordinator) -> None:
    start(coordinator)
    coordinator.results = [DONE]
    assert aggregator(coordinator).outcome(JOB).output == SUM
    assert coordinator.asked == [
        (
            "POST",
            "http://agg.example:12314/api/secure-aggregation/job-id/j1",
            {"computationType": "sum", "clients": ["c1", "c2", "c3"]},
            15,
        ),
        ("GET", "http://agg.example:12314/api/get-result/job-id/j1", None, 15),
    ]


@pytest.mark.parametrize(
    ("job", "host", "url"),
    [
        ("a/../b?c#d", "agg.example", "http://agg.example:12314/api/secure-aggregation/job-id/a%2F..%2Fb%3Fc%23d"),
        (JOB, "fd00::1", "http://[fd00::1]:12314/api/secure-aggregation/job-id/j1"),
    ],
)
def test_no_name_leads_elsewhere(coordinator: ScriptedCoordinator, job: str, host: str, url: str) -> None:
    start(coordinator, job, host)
    assert coordinator.asked[0][1] == url


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, InvalidInput),
        (401, PermissionDenied),
        (403, PermissionDenied),
        (404, NotFound),
        (411, Unavailable),
        (429, Unavailable),
        (500, Unavailable),
        (503, Unavailable),
        (302, InvalidInput),
    ],
)
def test_a_start_that_is_refused_says_so(
    coordinator: ScriptedCoordinator, status: int, error: type[QuintetError]
) -> None:
    coordinator.start = Answer(status, b"The requested clients\x00 were not connected." + 999 * b"x")
    with pytest.raises(error, match=f"the coordinator answered {status}: The requested clients. were") as refusal:
        start(coordinator)
    assert len(refusal.value.message) < 400


@pytest.mark.parametrize("state", ["IN_QUEUE", "RUNNING", "VALIDATING", "COMPLETED"])
def test_a_job_that_is_queued_already_is_started(coordinator: ScriptedCoordinator, state: str) -> None:
    coordinator.start = Answer(409)
    coordinator.results = [said(state, computationOutput=[])]
    start(coordinator)


def test_a_conflict_about_something_else_is_one(coordinator: ScriptedCoordinator) -> None:
    coordinator.start = Answer(409, b"different dataset sizes")
    with pytest.raises(Conflict, match="409: different dataset sizes"):
        start(coordinator)


def test_a_job_that_it_does_not_know(coordinator: ScriptedCoordinator) -> None:
    with pytest.raises(NotFound):
        aggregator(coordinator).outcome(JOB)


@pytest.mark.parametrize("state", ["IN_QUEUE", "RUNNING", "VALIDATING", "FAILED"])
def test_only_a_completed_run_has_an_output(state: str) -> None:
    outcome = outcome_of(said(state, computationOutput="Error", message="Failed computation: no").body)
    assert (outcome.status, outcome.output, outcome.message) == (state, (), "Failed computation: no")


def test_numbers_stay_as_they_are_written() -> None:
    body = b'{"status": "COMPLETED", "computationOutput": [1, 0.10, "12.5", 123456789012345678901234567890, "-3"]}'
    assert outcome_of(body).output == ("1", "0.10", "12.5", "123456789012345678901234567890", "-3")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"status": "DONE"}',
        b'{"status": ["COMPLETED"]}',
        b'{"status": "COMPLETED"}',
        b'{"status": "COMPLETED", "computationOutput": "Error"}',
        b'{"status": "COMPLETED", "computationOutput": [true]}',
        b'{"status": "COMPLETED", "computationOutput": [NaN]}',
        b'{"status": "COMPLETED", "computationOutput": [["1"]]}',
        b'\xff{"status": "COMPLETED"}',
        b"[" * 100_000,
    ],
)
def test_an_answer_of_no_known_form_is_none(body: bytes) -> None:
    with pytest.raises(InvalidInput):
        outcome_of(body)


@dataclass
class Scene:
    """A room whose aggregator is the scripted coordinator; sleeping lets the clock's time pass."""

    calls: ScriptedCoordinator
    clock: SteppedClock = field(default_factory=SteppedClock)
    slept: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.room = JobRoom(
            clock=self.clock, aggregator=aggregator(self.calls), watch=Watch(every=3, sleep=self._sleep)
        )
        self.room.all_report(schema=SCHEMA)
        self.room.nudges.sent.clear()

    def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.advance(seconds)

    @property
    def looks(self) -> int:
        return sum(1 for method, *_ in self.calls.asked if method == "GET")

    @property
    def starts(self) -> int:
        return sum(1 for method, *_ in self.calls.asked if method == "POST")


@pytest.fixture
def scene(coordinator: ScriptedCoordinator) -> Scene:
    return Scene(coordinator)


def test_it_is_polled_until_it_has_ended(scene: Scene) -> None:
    scene.calls.results = [Answer(204), said("IN_QUEUE"), None, Answer(502), said("VALIDATING"), DONE]
    job = scene.room.look_after()
    assert (job.state, job.summed) == ("COMPLETED", COHORT)
    assert (scene.starts, scene.looks, scene.slept) == (1, 6, [3.0] * 5)


def test_patience_ends_and_goes_on_with_the_next_nudge(scene: Scene) -> None:
    scene.calls.results = [said("RUNNING")]
    job = scene.room.look_after()
    assert (job.state, sum(scene.slept)) == ("AGGREGATING", 27)
    assert scene.room.nudged() == [JOB]
    scene.calls.results = [DONE]
    assert scene.room.look_after().state == "COMPLETED"
    assert scene.starts == 1


def test_one_watches_at_a_time(scene: Scene) -> None:
    scene.calls.results = [said("RUNNING"), said("RUNNING"), DONE]
    seen: list[tuple[int, int]] = []

    def another_comes(seconds: float) -> None:
        before = scene.looks
        assert scene.room.look_after().state == "AGGREGATING"
        seen.append((before, scene.looks))
        scene.clock.advance(seconds)

    object.__setattr__(scene.room.driver, "watch", Watch(every=3, sleep=another_comes))
    assert scene.room.look_after().state == "COMPLETED"
    assert seen == [(1, 1), (2, 2)]


def test_a_watcher_that_was_killed_is_followed_by_another(scene: Scene) -> None:
    class Killed(Exception):
        pass

    def killed(seconds: float) -> None:
        raise Killed

    scene.calls.results = [said("RUNNING")]
    object.__setattr__(scene.room.driver, "watch", Watch(every=3, sleep=killed))
    with pytest.raises(Killed):
        scene.room.look_after()
    scene.calls.results = [DONE]
    assert scene.room.look_after().state == "AGGREGATING"
    scene.clock.advance(60)
    assert scene.room.look_after().state == "COMPLETED"


def test_a_failed_computation_fails_the_job(scene: Scene) -> None:
    scene.calls.results = [said("RUNNING"), said("FAILED", computationOutput="Error", message="SMPC aborted.")]
    assert scene.room.look_after().reason == "SMPC aborted."


def test_a_failed_computation_that_says_nothing_fails_the_job(scene: Scene) -> None:
    scene.calls.results = [said("FAILED")]
    assert scene.room.look_after().reason == "the aggregator does not say why"


def test_clients_that_are_not_connected_fail_the_job(scene: Scene) -> None:
    scene.calls.start = Answer(404, b"The requested clients were not connected. Aborting...")
    assert scene.room.look_after().reason.endswith("404: The requested clients were not connected. Aborting...")


def test_an_answer_that_nobody_understands_fails_the_job(scene: Scene) -> None:
    scene.calls.results = [Answer(200, b"<html>")]
    assert scene.room.look_after().reason == "the coordinator's answer is no JSON"


def test_a_start_that_nobody_answered_is_tried_again(scene: Scene) -> None:
    scene.calls.start = None
    with pytest.raises(Unavailable):
        scene.room.look_after()
    scene.calls.start, scene.calls.results = Answer(409), [said("RUNNING"), DONE]
    assert scene.room.look_after().state == "COMPLETED"


@pytest.mark.parametrize("result", [Answer(204), said("RUNNING"), None], ids=["unknown", "running", "away"])
def test_one_that_never_ends_is_given_up(scene: Scene, result: Answer | None) -> None:
    scene.calls.results = [result]
    for _ in range(99):
        job = scene.room.look_after()
        if job.ended:
            break
        scene.clock.advance(5)
    assert job.reason == "no result within 1200 seconds"
    assert job.ended_at is not None
    assert job.started_at is not None
    assert 1260 <= (job.ended_at - job.started_at).total_seconds() < 1300


def test_one_that_takes_no_start_is_given_up(scene: Scene) -> None:
    scene.calls.start = Answer(411, b"System cannot enqueu more jobs at the moment")
    with pytest.raises(Unavailable):
        scene.room.look_after()
    scene.clock.advance(1260)
    assert "411" in scene.room.look_after().reason
