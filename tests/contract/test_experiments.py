"""What a record of many experiments promises, held by MLflow's own server and by the one in memory."""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import product
from pathlib import Path
from threading import Thread
from typing import Any, Protocol

import pytest

from quintet.adapters import parquet
from quintet.adapters.memory_experiments import MemoryExperiments
from quintet.adapters.mlflow_experiments import MlflowExperiments
from quintet.calibration.ports import Experiments, Measurement
from quintet.calibration.tracking import Tracker
from quintet.kernel.errors import Conflict, Unavailable
from quintet.kernel.ids import new_id
from tests.calibration.tracked_sessions import Streamed, a_session

pytestmark = [
    pytest.mark.enable_socket,
    pytest.mark.filterwarnings(
        "ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::pydantic.PydanticDeprecatedSince20"
    ),
]

TAGS = {"quintet.session": "s'1"}


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A real server on a busy machine may take its time."""
    monkeypatch.setattr("quintet.adapters.mlflow_tracking.SECONDS", 60)


class Seen(Protocol):
    """What a person would see there."""

    @property
    def port(self) -> Experiments: ...
    def status(self, run: str) -> str: ...
    def tags(self, run: str) -> dict[str, str]: ...
    def params(self, run: str) -> dict[str, str]: ...
    def history(self, run: str, key: str) -> list[tuple[int, float]]: ...
    def artifact(self, run: str, path: str) -> bytes: ...
    def delete(self, run: str) -> None: ...


@dataclass
class InMemory:
    port: MemoryExperiments

    def status(self, run: str) -> str:
        return self.port.runs[run].status

    def tags(self, run: str) -> dict[str, str]:
        return self.port.runs[run].tags

    def params(self, run: str) -> dict[str, str]:
        return self.port.runs[run].params

    def history(self, run: str, key: str) -> list[tuple[int, float]]:
        return self.port.runs[run].values(key)

    def artifact(self, run: str, path: str) -> bytes:
        return self.port.runs[run].artifacts[path]

    def delete(self, run: str) -> None:
        self.port.runs[run].deleted = True


@dataclass
class InMlflow:
    port: MlflowExperiments
    place: Path

    def status(self, run: str) -> str:
        return str(self.port._client.get_run(run).info.status)

    def tags(self, run: str) -> dict[str, str]:
        return dict(self.port._client.get_run(run).data.tags)

    def params(self, run: str) -> dict[str, str]:
        return dict(self.port._client.get_run(run).data.params)

    def history(self, run: str, key: str) -> list[tuple[int, float]]:
        found = self.port._client.get_metric_history(run, key)
        return sorted((one.step, one.value) for one in found)

    def artifact(self, run: str, path: str) -> bytes:
        return Path(self.port._client.download_artifacts(run, path, str(self.place))).read_bytes()

    def delete(self, run: str) -> None:
        self.port._client.delete_run(run)


@pytest.fixture(params=["memory", "mlflow"])
def seen(request: pytest.FixtureRequest, tmp_path: Path) -> Seen:
    if request.param == "memory":
        return InMemory(MemoryExperiments())
    uri = request.getfixturevalue("mlflow_uri")
    return InMlflow(MlflowExperiments(uri, scratch=str(tmp_path / "on/the/way")), tmp_path)


@pytest.fixture
def experiment() -> str:
    return f"contract-{new_id()} - Client 'a/b'"


@pytest.fixture
def run(seen: Seen, experiment: str) -> str:
    return seen.port.open(experiment, "EvaluationSession-1", TAGS)


def points(steps: range, key: str = "batch/accuracy") -> list[Measurement]:
    return [Measurement(key, step / 7, step, 1_700_000_000_000 + step) for step in steps]


def test_a_run_is_found_again_by_its_tags_in_its_experiment(seen: Seen, run: str, experiment: str) -> None:
    assert seen.port.open(experiment, "EvaluationSession-1", TAGS) == run
    assert seen.port.open(experiment, "EvaluationSession-1", {"quintet.session": "s2"}) != run
    assert seen.port.open(experiment + "2", "EvaluationSession-1", TAGS) != run
    assert seen.status(run) == "RUNNING"


@pytest.mark.parametrize("session", ["it's", 'a"b', "a\\b", "a%27b", "a`b", "ü\n\t", "x OR 1=1 --", "s" * 300])
def test_a_run_is_found_again_whatever_its_session_is_called(seen: Seen, experiment: str, session: str) -> None:
    run = seen.port.open(experiment, session, {"quintet.session": session})
    assert seen.port.open(experiment, session, {"quintet.session": session}) == run
    assert seen.port.open(experiment, session, {"quintet.session": session + "2"}) != run


def test_params_stay_as_they_were_first_said(seen: Seen, run: str) -> None:
    many = {f"p{number}": str(number) for number in range(250)}
    seen.port.params(run, many)
    seen.port.params(run, {**many, "p1": "another", "new": "1"})
    assert seen.params(run) == {**many, "new": "1"}


def test_the_same_measurements_twice_count_once(seen: Seen, run: str) -> None:
    seen.port.metrics(run, points(range(5)))
    seen.port.metrics(run, points(range(2, 8)))
    seen.port.metrics(run, points(range(8)) + points(range(8)))
    assert seen.history(run, "batch/accuracy") == [(step, step / 7) for step in range(8)]


def test_many_measurements_at_once(seen: Seen, run: str) -> None:
    seen.port.metrics(run, [one for key in ("a", "b", "c") for one in points(range(900), key)])
    assert seen.history(run, "c") == [(step, step / 7) for step in range(900)]


def test_no_measurements_are_no_failure(seen: Seen, run: str) -> None:
    seen.port.metrics(run, [])


@pytest.mark.parametrize("path", ["report.html", "batches/client_1/batch0-client_1.parquet"])
def test_a_file_takes_the_place_of_the_one_before(seen: Seen, run: str, path: str) -> None:
    for content in (b"before", b"\0after"):
        seen.port.artifact(run, path, content)
    assert seen.artifact(run, path) == b"\0after"


@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "KILLED"])
def test_a_run_ends_and_may_go_on(seen: Seen, run: str, experiment: str, status: str) -> None:
    reason = "x" * 6000
    for _ in range(2):
        seen.port.close(run, status, {"quintet.state": "COMPLETED", "quintet.reason": reason})
        assert seen.status(run) == status
    assert seen.tags(run)["quintet.state"] == "COMPLETED"
    assert seen.tags(run)["quintet.reason"].startswith("x" * 5000)
    assert seen.port.open(experiment, "EvaluationSession-1", TAGS) == run
    assert seen.status(run) == "RUNNING"
    seen.port.metrics(run, points(range(1)))


def test_a_deleted_run_is_refused_and_begun_anew(seen: Seen, run: str, experiment: str) -> None:
    seen.delete(run)
    with pytest.raises(Conflict):
        seen.port.metrics(run, points(range(3)))
    with pytest.raises(Conflict):
        seen.port.params(run, {"a": "b"})
    with pytest.raises(Conflict):
        seen.port.close(run, "FINISHED", {"a": "b"})
    another = seen.port.open(experiment, "EvaluationSession-1", TAGS)
    assert another != run
    seen.port.metrics(another, points(range(3)))


def test_an_unknown_run_is_refused(seen: Seen) -> None:
    with pytest.raises(Conflict):
        seen.port.metrics("no-such-run", points(range(1)))


# MLflow's alone


@pytest.fixture
def mlflow(mlflow_uri: str) -> MlflowExperiments:
    return MlflowExperiments(mlflow_uri)


def test_a_deleted_experiment_is_restored(mlflow: MlflowExperiments, experiment: str) -> None:
    run = mlflow.open(experiment, "x", TAGS)
    mlflow._client.delete_experiment(mlflow._client.get_run(run).info.experiment_id)
    with pytest.raises(Conflict):
        mlflow.metrics(run, points(range(1)))
    assert mlflow.open(experiment, "x", TAGS) == run
    mlflow.metrics(run, points(range(1)))


def test_what_mlflow_does_not_take_is_refused(mlflow: MlflowExperiments, experiment: str) -> None:
    run = mlflow.open(experiment, "x", TAGS)
    with pytest.raises(Conflict):
        mlflow.metrics(run, [Measurement("a/../b", 1.0, 0, 0)])


@contextmanager
def answering(status: int, body: bytes = b"{}") -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []

    class Always(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_PUT = do_GET  # noqa: N815

        def log_message(self, *_: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Always) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 401, 403])
def test_a_server_that_can_answer_nobody_is_unavailable_and_asked_once(status: int) -> None:
    with answering(status) as (uri, asked):
        with pytest.raises(Unavailable):
            MlflowExperiments(uri).metrics("abc", points(range(1)))
        assert len(asked) == 1


BODIES = [b"<html>", b"[]", b"", b'{"error_code": "WHATEVER", "message": 1}']
STRANGE = [(200, b"<html>"), (200, b"[]"), *product([400, 404, 500], BODIES)]


@pytest.mark.parametrize(("status", "body"), STRANGE)
def test_strange_answers_are_errors_of_the_house(status: int, body: bytes) -> None:
    with answering(status, body) as (uri, _), pytest.raises((Unavailable, Conflict)):
        MlflowExperiments(uri).open("x", "y", TAGS)


@contextmanager
def silent() -> Iterator[tuple[str, list[socket.socket]]]:
    """A server that takes every call and never answers one."""
    taken: list[socket.socket] = []

    def take(listening: socket.socket) -> None:
        with suppress(OSError):
            while True:
                taken.append(listening.accept()[0])

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = Thread(target=take, args=(listening,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}", taken
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join()
            for one in taken:
                one.close()


@pytest.fixture
def impatient(patient: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quintet.adapters.mlflow_tracking.SECONDS", 1)


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        MlflowExperiments("http://127.0.0.1:9").open("x", "y", TAGS)


@pytest.mark.usefixtures("impatient")
def test_a_server_that_never_answers_costs_a_thousand_sessions_one_call() -> None:
    with silent() as (uri, taken):
        tracker = Tracker(MlflowExperiments(uri), parquet.table, "x")
        for number in range(1000):
            tracker.add(Streamed(a_session(number)).come(1))
        done = tracker.round()
        assert len(taken) == 1
        assert len(done.troubles) == 1
        assert done.pause > 0
        assert tracker.round().pause > 0
        assert len(taken) == 1


# Whole sessions


def test_a_session_that_two_workers_logged_has_the_history_of_one(mlflow_uri: str, tmp_path: Path) -> None:
    """The first of them dies with about half of it logged, a request on its way."""
    undisturbed, disturbed = (Streamed(a_session(number, "notification")).come(12).end() for number in range(2))
    prefix = {id(one): f"contract-{new_id()}" for one in (undisturbed, disturbed)}
    for session, requests in ((disturbed, 9), (undisturbed, None), (disturbed, None)):
        log(session, mlflow_uri, prefix[id(session)], requests)
    first, second = (
        whole(mlflow_uri, f"{prefix[id(one)]} {one.session.client_id}", tmp_path / str(number))
        for number, one in enumerate((undisturbed, disturbed))
    )
    assert first == second
    assert first["status"] == "FINISHED"
    assert len(first["artifacts"]) == 14
    assert [step for step, _, _ in first["metrics"]["batch/accuracy"]] == list(range(12))


class Death(BaseException):
    """Of the process: nothing catches it."""


class Mortal(MlflowExperiments):
    """Dies when a number of requests were taken. Experiments have a prefix of the test's own."""

    def __init__(self, uri: str, prefix: str, requests: int | None) -> None:
        super().__init__(uri)
        self._prefix = prefix
        self._left = requests

    def open(self, experiment: str, run_name: str, tags: Mapping[str, str]) -> str:
        return super().open(f"{self._prefix} {experiment}", run_name, tags)

    @contextmanager
    def _answered(self) -> Iterator[None]:
        with super()._answered():
            yield
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                raise Death


def log(session: Streamed, uri: str, prefix: str, requests: int | None) -> None:
    tracker = Tracker(Mortal(uri, prefix, requests), parquet.table, "x")
    tracker.add(session)
    with suppress(Death):
        for _ in range(100):
            if tracker.round().finished:
                return
        raise AssertionError("it was not logged")


def whole(uri: str, experiment: str, place: Path) -> dict[str, Any]:
    """All that stands in the experiment's only run, but for its ids and when it was logged."""
    client = MlflowExperiments(uri)._client
    known = client.get_experiment_by_name(experiment)
    assert known is not None
    (run,) = client.search_runs([known.experiment_id])
    place.mkdir()
    client.download_artifacts(run.info.run_id, "", str(place))
    return {
        "status": run.info.status,
        "params": {key: value for key, value in run.data.params.items() if key != "client_id"},
        "metrics": {
            key: sorted((one.step, one.timestamp, one.value) for one in client.get_metric_history(run.info.run_id, key))
            for key in run.data.metrics
        },
        "artifacts": {str(file.relative_to(place)): file.read_bytes() for file in place.rglob("*") if file.is_file()},
    }
