"""Work that takes longer than a request: waited for, or a job to follow."""

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

import pytest
from starlette.testclient import TestClient

from quintet.entry.deferral import DeferredRequest, perform
from quintet.handover.messages import CollectMessage, TrainMessage
from tests.handover import nef_emulators as nef
from tests.handover.doors.open_room import USER, OpenRoom, at_the_door

ASYNC = {"Prefer": "respond-async"}
HEARD = {"ue_id": "ue-1", "connected_to": "a", "rf_metrics": {"a": {"rsrp": -100}, "b": {"rsrp": -70, "sinr": 12}}}
SAMPLES = [{**HEARD, "optimal_antenna": "b"}] * 3
METRICS = {
    "samples": 3,
    "classes": 1,
    "feature_importance": {"rsrp": 1.0},
    "val_accuracy": 0.9,
    "val_f1": None,
    "rounds": 7,
}
ANSWER = {"status": "success", "metrics": METRICS}


@pytest.fixture
def room() -> OpenRoom:
    return OpenRoom()


@pytest.fixture
def ada(room: OpenRoom) -> Iterator[TestClient]:
    with at_the_door(room, headers=room.headers) as client:
        yield client


def the_run(room: OpenRoom) -> str:
    return TrainMessage.model_validate_json(room.trainings_queue.sent[-1][0]).run


def work_at(room: OpenRoom) -> Any:
    """Somebody takes the newest training."""
    claim = room.trainings.runs.claim(the_run(room))
    assert claim
    return claim


def succeed(room: OpenRoom) -> None:
    room.trainings.tell(room.trainings.runs.succeed(work_at(room), ANSWER, version="1.0.1", live=True))


def fail(room: OpenRoom, reason: str, status: int) -> None:
    room.trainings.tell(room.trainings.runs.fail(work_at(room), reason, status))


def meanwhile(room: OpenRoom, monkeypatch: pytest.MonkeyPatch, work: Any) -> None:
    """`work` is done as soon as a request waits."""
    room.models = room.models.model_copy(update={"train_wait_seconds": 5.0})

    def wait(seconds: float) -> bool:
        room.clock.advance(seconds)
        work()
        return False

    monkeypatch.setattr("quintet.handover.http.training.time.sleep", wait)


# --- training


@pytest.mark.parametrize(("path", "more"), [("/api/train", {}), ("/api/train-async", {"async": True})])
def test_a_training_that_is_soon_done_is_answered(
    room: OpenRoom, ada: TestClient, monkeypatch: pytest.MonkeyPatch, path: str, more: dict[str, Any]
) -> None:
    meanwhile(room, monkeypatch, lambda: succeed(room))
    answer = ada.post(path, json=SAMPLES)
    assert (answer.status_code, answer.json()) == (200, ANSWER | more)
    assert room.trainings.runs.read(the_run(room)).kind == "lightgbm"


@pytest.mark.parametrize(
    ("reason", "kept", "status", "kind"),
    [
        ("all trees are bare", 500, 500, "ModelError"),
        ("sample 0: nothing is heard", 400, 400, "RequestValidationError"),
        ("none is usable", 422, 400, "RequestValidationError"),
    ],
)
def test_one_that_fails_says_why(
    room: OpenRoom, ada: TestClient, monkeypatch: pytest.MonkeyPatch, reason: str, kept: int, status: int, kind: str
) -> None:
    meanwhile(room, monkeypatch, lambda: fail(room, reason, kept))
    answer = ada.post("/api/train", json=SAMPLES, headers={"X-Correlation-ID": "order-17"})
    assert answer.status_code == status
    assert answer.json() == {"error": reason, "type": kind, "correlation_id": "order-17"}


@pytest.mark.parametrize(("path", "more"), [("/api/train", {}), ("/api/train-async", {"async": True})])
def test_one_that_takes_longer_is_a_job(room: OpenRoom, ada: TestClient, path: str, more: dict[str, Any]) -> None:
    taken = ada.post(path, json=SAMPLES)
    assert (taken.status_code, "Preference-Applied" in taken.headers) == (202, False)
    job = taken.json()
    home = "https://api.example/prod"
    assert urljoin(f"{home}{path}", taken.headers["Location"]) == f"{home}{job['url']}"
    assert ada.get(job["url"]).json()["status"] == "pending"
    assert ada.get(f"{job['url']}/result").status_code == 409
    room.trainings.promises.report(*owner(room), {"rounds": 3})
    running = ada.get(job["url"]).json()
    assert (running["status"], running["progress"]) == ("running", {"rounds": 3})
    succeed(room)
    done = ada.get(job["url"]).json()
    assert (done["status"], done["response_status"]) == ("completed", 200)
    assert ada.get(done["result_url"]).json() == ANSWER | more


def owner(room: OpenRoom) -> tuple[str, str]:
    run = room.trainings.runs.read(the_run(room))
    return run.caller, run.job


def test_a_job_that_failed_keeps_the_answer_that_would_have_been_given(room: OpenRoom, ada: TestClient) -> None:
    job = ada.post("/api/train?model_type=lstm", json=SAMPLES, headers=ASYNC).json()
    assert room.trainings.runs.read(the_run(room)).kind == "lstm"
    fail(room, "all trees are bare", 500)
    result = ada.get(f"{job['url']}/result")
    assert (result.status_code, result.json()["error"]) == (500, "all trees are bare")
    assert sorted(result.json()) == ["correlation_id", "error", "type"]


def test_who_prefers_not_to_wait_does_not(room: OpenRoom, ada: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    meanwhile(room, monkeypatch, lambda: pytest.fail("waited"))
    taken = ada.post("/api/train-async", json=SAMPLES, headers=ASYNC)
    assert (taken.status_code, taken.headers["Preference-Applied"]) == (202, "respond-async")
    assert room.queue.sent == []


def test_the_first_answer_stands(room: OpenRoom, ada: TestClient) -> None:
    job = ada.post("/api/train", json=SAMPLES).json()
    caller, name = owner(room)
    for body in (b'"first"', b'"second"'):
        room.trainings.promises.fulfil(caller, name, 200, body)
    room.trainings.promises.report(caller, name, {"late": True})
    assert ada.get(job["url"]).json()["status"] == "completed"
    assert ada.get(f"{job['url']}/result").json() == "first"
    room.trainings.promises.fulfil(caller, "never promised", 200, b"")
    room.trainings.promises.report(caller, "never promised", {})


def test_a_job_that_nobody_works_at_fails_in_the_end(room: OpenRoom, ada: TestClient) -> None:
    job = ada.post("/api/train", json=SAMPLES).json()
    room.clock.advance(7000)
    assert ada.get(job["url"]).json()["status"] == "pending"
    room.clock.advance(300)
    assert ada.get(job["url"]).json()["status"] == "failed"


def test_a_job_is_its_callers_own(room: OpenRoom, ada: TestClient) -> None:
    job = ada.post("/api/train", json=SAMPLES).json()
    bob = {"Authorization": f"Bearer {room.access.issue('bob', seconds=60)}"}
    assert ada.get(job["url"], headers=bob).status_code == 404


def test_without_jobs_it_is_said_that_it_goes_on(room: OpenRoom, ada: TestClient) -> None:
    room.with_jobs = False
    answer = ada.post("/api/train", json=SAMPLES)
    assert (answer.status_code, answer.json()["type"]) == (504, "DeadlineExceeded")
    assert len(room.trainings_queue.sent) == 1


def test_nothing_is_begun_for_samples_that_cannot_be_learnt(room: OpenRoom, ada: TestClient) -> None:
    assert ada.post("/api/train", json=[{"optimal_antenna": "b"}]).status_code == 400
    assert room.trainings_queue.sent == []


# --- collecting


def test_a_short_collection_is_waited_for(room: OpenRoom, ada: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    class Waiting:
        def wait(self, seconds: float) -> bool:
            collect(room)
            return room.scene.wait(seconds)

    monkeypatch.setattr("quintet.handover.http.collecting.Event", Waiting)
    room.scene.emulator.start_all()
    asked = {"duration": 2, "interval": 1, "username": nef.USER, "password": nef.PASSWORD}
    answer = ada.post("/api/collect-data", json=asked)
    assert answer.status_code == 200, answer.text
    assert answer.json()["samples"] > 0
    assert answer.json()["file"].startswith("handover/collected/")


def collect(room: OpenRoom) -> None:
    for body, _ in room.collections_queue.sent:
        room.collections.perform(CollectMessage.model_validate_json(body).run, room.scene.wait)
    room.collections_queue.sent.clear()


@pytest.mark.parametrize("body", [{"duration": 3600}, {}, None])
def test_a_long_one_is_a_job(room: OpenRoom, ada: TestClient, body: Any) -> None:
    taken = ada.post("/api/collect-data", json=body) if body is not None else ada.post("/api/collect-data")
    assert taken.status_code == 202
    assert ada.get(taken.json()["url"]).json()["status"] == "pending"
    assert len(room.collections_queue.sent) == 1


def test_a_collection_that_fails_is_a_bad_gateway_afterwards_too(room: OpenRoom, ada: TestClient) -> None:
    job = ada.post("/api/collect-data", json={"duration": 60}).json()
    room.scene.away = True
    collect(room)
    result = ada.get(f"{job['url']}/result")
    assert (result.status_code, result.json()["type"]) == (502, "NEFConnectionError")


# --- predictions


@pytest.mark.parametrize("path", ["/api/predict", "/api/predict-async", "/api/predict-with-qos"])
def test_a_prediction_may_be_a_job(room: OpenRoom, ada: TestClient, path: str) -> None:
    taken = ada.post(path, json=HEARD, headers=ASYNC)
    assert (taken.status_code, taken.headers["Preference-Applied"]) == (202, "respond-async")
    (message, _) = room.queue.sent[0]
    assert "rf_metrics" not in message
    perform(DeferredRequest.model_validate_json(message), room.jobs, room.app())
    result = ada.get(f"{taken.json()['url']}/result")
    assert (result.status_code, result.json()["predicted_antenna"]) == (200, "b")
    assert result.json().get("async") is (True if path.endswith("async") else None)


@pytest.mark.parametrize(
    ("path", "body"), [("/api/feedback", SAMPLES), ("/api/login", {"username": USER, "password": "x"})]
)
def test_nothing_else_is_deferred_as_it_is(room: OpenRoom, ada: TestClient, path: str, body: Any) -> None:
    assert ada.post(path, json=body, headers=ASYNC).status_code in {200, 401}
    assert room.queue.sent == []


def test_an_async_prediction_is_the_prediction(ada: TestClient) -> None:
    """Apart from what the first one left in the memory of the UE."""
    answers = [ada.post(f"/api/{path}", json={**HEARD, "ue_id": path}).json() for path in ("predict", "predict-async")]
    assert answers[1].pop("async") is True
    assert {**answers[0], "ue_id": "predict-async"} == answers[1]
    assert list(answers[0])[:4] == ["ue_id", "predicted_antenna", "confidence", "features_used"]


def test_a_prediction_is_counted_once_and_so_is_a_refused_one(room: OpenRoom, ada: TestClient) -> None:
    for body in (HEARD, HEARD, {"ue_id": "u"}, {}):
        ada.post("/api/predict", json=body)
    counts = {
        series.labels: series.value
        for family in room.telemetry.read()
        for series in family.series
        if family.metric.name == "ml_prediction_requests_total"
    }
    assert counts == {("success",): 2, ("error",): 1}


def test_another_kind_is_asked_by_its_name(ada: TestClient) -> None:
    fixed = ada.post("/api/predict?model_type=fixed_labels", json={**HEARD, "ue_id": "u2"}).json()
    assert (fixed["model_type"], json.dumps(fixed["features_used"]).count("_a")) != ("lightgbm", 0)
    assert ada.post("/api/predict?model_type=lstm", json=HEARD).status_code == 503
