"""The room's routes: bodies, status codes and limits of the original; bad input has a clear answer, never a 500."""

import threading
import time
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from quintet.adapters.memory import MemoryQueue
from quintet.entry.caller import ApiKeyGate
from quintet.kernel.errors import Unavailable
from quintet.kernel.ids import fingerprint
from quintet.training import jobs
from quintet.training.jobs import Claim, JobKey
from quintet.training.ledger import Ledger
from quintet.training.wiring import TrainingRoom

ORDER = {"job_id": "abc12345", "data_yaml": "datasets/my-dataset/data.yaml", "epochs": 4, "imgsz": 320, "batch": 8}
MESSAGE = {
    "job_id": "abc12345",
    "dataset": {"s3_prefix": "datasets/my-dataset/", "name": "my-dataset"},
    "output": {"prefix": "models/yolov8n", "model_name": "my-dataset.pt"},
    "hyperparams": {"model": "yolov8n", "epochs": 100, "batch": 16, "imgsz": 640},
}
EPOCH = {"train_loss": 0.5, "mAP50": 0.25, "box_loss": 0.2, "cls_loss": 0.2, "dfl_loss": 0.1}
KEY = JobKey("broker", "abc12345")
CLAIM = Claim(1, "task")


def start(client: TestClient, **other: Any) -> Any:
    answer = client.post("/api/v1/train", json=ORDER | other)
    assert answer.status_code == 200, answer.text
    return answer.json()


def running(room: TrainingRoom, key: JobKey = KEY) -> None:
    now = room.clock.now()
    room.ledger.amend(key, partial(jobs.begun, slot=0, now=now, patience=jobs.LEASE))
    claimed = partial(jobs.claimed, claim=CLAIM, now=now, total_epochs=4, tellings=())
    room.ledger.amend(key, claimed)


def epoch(room: TrainingRoom, number: int, metrics: Mapping[str, Any] = EPOCH) -> None:
    done = partial(jobs.epoch_done, claim=CLAIM, epoch=number, metrics=metrics, now=room.clock.now())
    room.ledger.amend(KEY, done)


def ended(room: TrainingRoom, key: JobKey = KEY) -> None:
    room.ledger.amend(key, partial(jobs.failed, reason="CUDA out of memory", now=room.clock.now()))


def nudged(queue: Any) -> list[str]:
    assert isinstance(queue, MemoryQueue)
    return [body for body, _ in queue.sent]


class TestTraining:
    def test_a_training_is_taken_with_the_originals_answer(self, client: TestClient, room: TrainingRoom) -> None:
        told = start(client)
        assert {name: told[name] for name in ("job_id", "status", "message")} == {
            "job_id": "abc12345",
            "status": "pending",
            "message": "Training job started",
        }
        request = room.ledger.read(KEY).request
        assert request["dataset"] == {"s3_prefix": "datasets/my-dataset/", "name": "my-dataset"}
        assert request["output"] == {"prefix": "models/job_abc12345"}
        assert request["hyperparams"] == {"model": "yolov8n", "epochs": 4, "imgsz": 320, "batch": 8}
        assert len(nudged(room.nudges.to_tend)) == 1

    def test_the_queues_message_is_taken_as_it_is(self, client: TestClient, room: TrainingRoom) -> None:
        assert client.post("/api/v1/train", json=MESSAGE).status_code == 200
        assert room.ledger.read(KEY).request == MESSAGE

    @pytest.mark.parametrize(
        ("given", "prefix"),
        [
            ({"project": "blood", "name": "first"}, "models/blood/first"),
            ({"project": "models/blood", "name": "first"}, "models/blood/first"),
            ({"name": "first"}, "models/first"),
            ({"project": "blood"}, "models/blood/job_abc12345"),
            ({"job_id": "a/b"}, "models/job_a%2Fb"),
        ],
    )
    def test_project_and_name_say_where_weights_land(
        self, client: TestClient, room: TrainingRoom, given: dict[str, str], prefix: str
    ) -> None:
        told = start(client, **given)
        assert room.ledger.read(JobKey("broker", told["job_id"])).request["output"] == {"prefix": prefix}

    @pytest.mark.parametrize("given", ["yolov8s", "yolov8s.pt", "models/blood/best.pt"])
    def test_a_model_is_a_name_or_the_key_of_weights(self, client: TestClient, room: TrainingRoom, given: str) -> None:
        start(client, model=given)
        known = given if "/" in given else "yolov8s"
        assert room.ledger.read(KEY).request["hyperparams"]["model"] == known

    def test_what_is_left_open_is_the_deployments_default(self, client: TestClient, room: TrainingRoom) -> None:
        wanted = {name: ORDER[name] for name in ("job_id", "data_yaml")}
        assert client.post("/api/v1/train", json=wanted).json()["total_epochs"] == 100

    @pytest.mark.parametrize(
        "wrong",
        [
            {"job_id": ""}, {"job_id": None}, {"job_id": 5}, {"job_id": "a\nb"}, {"job_id": "x" * 201},
            {"data_yaml": ""}, {"data_yaml": "data.yaml"}, {"data_yaml": "datasets/x/labels.txt"}, {"data_yaml": 1},
            {"epochs": 0}, {"epochs": 1001}, {"epochs": True}, {"epochs": "4"}, {"epochs": 4.5},
            {"imgsz": 288}, {"imgsz": 1312}, {"imgsz": 641}, {"batch": 0}, {"batch": 129}, {"batch": False},
            {"model": ""}, {"model": None}, {"device": 0}, {"name": "x" * 301},
        ],
        ids=str,
    )  # fmt: skip
    def test_what_the_original_refuses_is_refused(
        self, client: TestClient, room: TrainingRoom, wrong: dict[str, Any]
    ) -> None:
        answer = client.post("/api/v1/train", json=ORDER | wrong)
        assert (answer.status_code, list(answer.json())) == (422, ["detail"])
        assert list(room.ledger.active()) == []

    @pytest.mark.parametrize(
        "body",
        ["", "{", "[]", "null", "5", '{"dataset": 5}', "[" * 5000, '{"job_id": "\\ud800", "dataset": {}}',
         '{"job_id": "a", "dataset": {"s3_prefix": "datasets/a/"}, "hyperparams": {"lr0": NaN}}',
         '{"job_id": "a", "dataset": {"s3_prefix": "datasets/a/"}, "hyperparams": {"lr0": 1e999}}',
         '{"job_id": "a", "dataset": {"s3_prefix": "datasets/a/"}, "hyperparams": {"x": "\\ud800"}}',
         '{"job_id": "a", "dataset": {"s3_prefix": "datasets/a/"}, "hyperparams": {"epochs": true}}',
         '{"job_id": "a", "dataset": {"s3_prefix": "datasets/a/"}, "hyperparams": {"x": '
         + "[" * 300 + "]" * 300 + "}}"],
        ids=range(13),
    )  # fmt: skip
    def test_what_is_no_request_is_refused(self, client: TestClient, room: TrainingRoom, body: str) -> None:
        answer = client.post("/api/v1/train", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in {400, 422}
        assert list(room.ledger.active()) == []

    @pytest.mark.parametrize(
        ("wrong", "status"),
        [
            ({"data_yaml": "datasets/key-0123456789abcdef/set/data.yaml"}, 403),
            ({"data_yaml": "checkpoints/broker/data.yaml"}, 403),
            ({"data_yaml": "datasets/../claims/data.yaml"}, 400),
            ({"data_yaml": "s3://elsewhere/datasets/set/data.yaml"}, 400),
            ({"project": "../..", "name": "x"}, 400),
            ({"model": "checkpoints/broker/best.pt"}, 403),
        ],
    )
    def test_what_is_not_the_callers_is_refused(
        self, client: TestClient, room: TrainingRoom, wrong: dict[str, str], status: int
    ) -> None:
        answer = client.post("/api/v1/train", json=ORDER | wrong)
        assert (answer.status_code, bool(answer.json()["detail"])) == (status, True)
        assert list(room.ledger.active()) == []

    def test_a_job_that_runs_is_not_started_again(self, client: TestClient, room: TrainingRoom) -> None:
        start(client)
        assert client.post("/api/v1/train", json=ORDER).status_code == 409
        assert client.post("/api/v1/train", json=ORDER | {"epochs": 5}).status_code == 409
        running(room)
        assert client.post("/api/v1/train", json=ORDER).status_code == 409

    def test_one_that_has_ended_is(self, client: TestClient, room: TrainingRoom) -> None:
        start(client)
        running(room)
        epoch(room, 1)
        ended(room)
        told = start(client)
        assert (told["status"], told["current_epoch"], told["error"]) == ("pending", 0, None)
        assert room.ledger.read(KEY).run == 2

    def test_the_correlation_id_goes_along(self, client: TestClient, room: TrainingRoom) -> None:
        client.post("/api/v1/train", json=ORDER, headers={"X-Correlation-ID": "order-17"})
        assert room.ledger.read(KEY).correlation == "order-17"


class TestStatus:
    def test_it_has_the_originals_fields(self, client: TestClient, room: TrainingRoom) -> None:
        start(client)
        told = client.get("/api/v1/train/abc12345").json()
        before = {"status": "pending", "progress": 0.0, "current_epoch": 0, "total_epochs": 4, "current_loss": 0.0,
                  "current_map50": 0.0, "metrics": {}, "error": None}  # fmt: skip
        assert {name: told[name] for name in before} == before
        running(room)
        epoch(room, 1)
        told = client.get("/api/v1/train/abc12345").json()
        after = {"status": "running", "progress": 25.0, "current_epoch": 1, "total_epochs": 4, "current_loss": 0.5,
                 "current_map50": 0.25, "metrics": EPOCH, "error": None}  # fmt: skip
        assert {name: told[name] for name in after} == after

    def test_a_failure_says_why(self, client: TestClient, room: TrainingRoom) -> None:
        start(client)
        ended(room)
        told = client.get("/api/v1/train/abc12345").json()
        assert (told["status"], told["error"]) == ("failed", "CUDA out of memory")
        assert told["outcome"]["type"] == "training_failed"

    def test_a_completed_training_names_its_weights(self, client: TestClient, room: TrainingRoom) -> None:
        start(client)
        running(room)
        body = {"type": "training_completed", "model_path": "models/job_abc12345/best.pt"}
        room.ledger.amend(KEY, partial(jobs.completed, body=body, now=room.clock.now()))
        told = client.get("/api/v1/train/abc12345").json()
        assert (told["status"], told["progress"], told["model_path"]) == ("completed", 100.0, body["model_path"])

    def test_a_loss_that_is_no_number_is_null(self, client: TestClient, room: TrainingRoom) -> None:
        start(client)
        running(room)
        epoch(room, 1, {**EPOCH, "train_loss": float("nan")})
        assert client.get("/api/v1/train/abc12345").json()["current_loss"] is None

    def test_the_history_has_every_epoch(self, client: TestClient, room: TrainingRoom) -> None:
        start(client)
        running(room)
        epoch(room, 1)
        epoch(room, 2)
        assert client.get("/api/v1/train/abc12345").json()["history"] is None
        told = client.get("/api/v1/train/abc12345", params={"history": True}).json()
        assert told["history"] == [{"epoch": 1, **EPOCH}, {"epoch": 2, **EPOCH}]

    @pytest.mark.parametrize("job_id", ["a/b", "a b?#", "ü", "x" * 200])
    def test_a_job_may_be_called_anything(self, client: TestClient, job_id: str) -> None:
        start(client, job_id=job_id)
        assert client.get(f"/api/v1/train/{quote(job_id, safe='')}").json()["job_id"] == job_id

    @pytest.mark.parametrize("path", ["train/nobody", "jobs/nobody", "train/x%00", "jobs/" + "x" * 300])
    def test_no_job_is_a_404(self, client: TestClient, path: str) -> None:
        answer = client.get(f"/api/v1/{path}")
        assert answer.status_code in ({404} if "nobody" in path else {422})
        assert answer.json()["detail"]

    @pytest.mark.parametrize("query", ["wait=26", "wait=-1", "wait=nan", "wait=x", "after=-1", "after=1.5"])
    def test_a_wrong_wait_is_refused(self, client: TestClient, query: str) -> None:
        start(client)
        assert client.get(f"/api/v1/train/abc12345?{query}").status_code == 422


class TestLongPoll:
    def waited(self, client: TestClient, query: str) -> tuple[Any, float]:
        began = time.perf_counter()
        answer = client.get(f"/api/v1/train/abc12345?{query}")
        return answer.json(), time.perf_counter() - began

    def test_without_news_it_ends_in_time(self, client: TestClient) -> None:
        start(client)
        told, seconds = self.waited(client, "wait=0.5&after=0")
        assert told["status"] == "pending"
        assert 0.5 <= seconds < 2

    def test_what_is_known_to_be_new_is_told_at_once(self, client: TestClient, room: TrainingRoom) -> None:
        start(client)
        running(room)
        epoch(room, 1)
        told, seconds = self.waited(client, "wait=10&after=0")
        assert (told["current_epoch"], seconds < 2) == (1, True)
        ended(room)
        told, seconds = self.waited(client, "wait=10&after=7")
        assert (told["status"], seconds < 2) == ("failed", True)

    @pytest.mark.parametrize("query", ["wait=10", "wait=10&after=0"])
    def test_an_epoch_ends_the_wait(self, client: TestClient, room: TrainingRoom, query: str) -> None:
        start(client)
        running(room)
        later = threading.Timer(0.4, epoch, (room, 1))
        later.start()
        told, seconds = self.waited(client, query)
        later.join()
        assert told["current_epoch"] == 1
        assert seconds < 3

    def test_another_state_ends_the_wait(self, client: TestClient, room: TrainingRoom) -> None:
        start(client)
        later = threading.Timer(0.4, running, (room,))
        later.start()
        told, seconds = self.waited(client, "wait=10&after=0")
        later.join()
        assert (told["status"], seconds < 3) == ("running", True)

    def test_many_may_wait_while_others_are_answered(self, client: TestClient) -> None:
        start(client)
        waiters = [threading.Thread(target=self.waited, args=(client, "wait=3&after=0")) for _ in range(60)]
        for waiter in waiters:
            waiter.start()
        time.sleep(0.5)
        _, seconds = self.waited(client, "wait=0")
        for waiter in waiters:
            waiter.join()
        assert seconds < 2


class TestCancel:
    def test_a_job_that_waits_is_cancelled_at_once(self, client: TestClient, room: TrainingRoom) -> None:
        start(client)
        answer = client.delete("/api/v1/train/abc12345")
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
        assert answer.json()["message"] == "Job abc12345 cancelled"
        assert room.ledger.unpublished(KEY)[0].body.startswith('{"type": "training_cancelled"')
        assert len(nudged(room.nudges.to_publish)) == 1

    def test_one_that_runs_is_asked_to_stop(self, client: TestClient, room: TrainingRoom) -> None:
        start(client)
        running(room)
        for _ in range(2):
            answer = client.delete("/api/v1/train/abc12345")
            assert (answer.status_code, answer.json()["status"]) == (200, "cancelling")
        assert room.ledger.read(KEY).cancel_requested
        assert client.get("/api/v1/train/abc12345").json()["status"] == "cancelling"
        room.ledger.amend(KEY, partial(jobs.cancelled, now=room.clock.now()))
        assert client.get("/api/v1/train/abc12345").json()["status"] == "cancelled"

    def test_one_that_has_ended_is_left_alone(self, client: TestClient, room: TrainingRoom) -> None:
        start(client)
        ended(room)
        answer = client.delete("/api/v1/train/abc12345")
        assert answer.status_code == 409
        assert "failed" in answer.json()["detail"]

    def test_what_is_not_there_is_not_found(self, client: TestClient) -> None:
        assert client.delete("/api/v1/train/nobody").status_code == 404


class TestJobs:
    def test_they_are_told_newest_first(self, client: TestClient, room: TrainingRoom) -> None:
        for job_id in ("first", "second", "third"):
            start(client, job_id=job_id)
        ended(room, JobKey("broker", "second"))
        start(client, job_id="second")
        told = client.get("/api/v1/jobs").json()["jobs"]
        assert [job["job_id"] for job in told] == ["second", "third", "first"]
        assert {job["kind"] for job in told} == {"train"}

    def test_they_are_filtered(self, client: TestClient, room: TrainingRoom) -> None:
        for job_id in ("first", "second", "third"):
            start(client, job_id=job_id)
        ended(room, JobKey("broker", "second"))
        queries = ("status=failed", "kind=convert", "kind=train&status=pending&limit=1")
        answers = [client.get(f"/api/v1/jobs?{query}").json()["jobs"] for query in queries]
        assert [[job["job_id"] for job in told] for told in answers] == [["second"], [], ["third"]]

    @pytest.mark.parametrize("query", ["limit=0", "limit=101", "kind=other", "status=lost"])
    def test_a_wrong_filter_is_refused(self, client: TestClient, query: str) -> None:
        assert client.get(f"/api/v1/jobs?{query}").status_code == 422

    def test_one_of_any_kind_is_told(self, client: TestClient, room: TrainingRoom) -> None:
        content = {"job_id": "c1", "model_path": "models/a/best.pt", "target_format": "onnx"}
        room.submissions.take("convert", content, "broker", correlation="")
        told = client.get("/api/v1/jobs/c1").json()
        assert (told["kind"], told["status"]) == ("convert", "pending")
        assert client.get("/api/v1/train/c1").status_code == 404
        assert client.delete("/api/v1/train/c1").status_code == 404


class TestHealth:
    def test_it_says_why_the_broker_is_not_used(self, client: TestClient) -> None:
        told = client.get("/health").json()
        assert (told["status"], told["active_jobs"]) == ("healthy", 0)
        assert told["broker"]["status"] == "not configured"
        assert "RABBITMQ_HOST" in told["broker"]["reason"]

    def test_it_counts_jobs(self, client: TestClient) -> None:
        start(client)
        assert client.get("/health").json()["active_jobs"] == 1

    def test_it_answers_while_the_ledger_is_away(self, client: TestClient, room: TrainingRoom) -> None:
        class Away:
            def write(self, *step: Any, **options: Any) -> Any:
                raise Unavailable("away")

            read = list = write

        rows: Any = Away()
        room.ledger = Ledger(rows, room.clock)
        told = client.get("/health").json()
        assert (told["status"], told["active_jobs"]) == ("degraded", None)
        answer = client.get("/api/v1/train/abc12345")
        assert (answer.status_code, int(answer.headers["Retry-After"]) > 0) == (503, True)


class TestClosed:
    @pytest.fixture(autouse=True)
    def closed(self, room: TrainingRoom) -> None:
        room.gate = ApiKeyGate(lambda: "ada\nbob\n", required=True)

    PATHS = ("train/x", "jobs", "jobs/x")

    @pytest.mark.parametrize("path", PATHS)
    @pytest.mark.parametrize(("headers", "status"), [({}, 401), ({"X-API-Key": "eve"}, 403)])
    def test_strangers_stay_out(self, client: TestClient, path: str, headers: dict[str, str], status: int) -> None:
        assert client.get(f"/api/v1/{path}", headers=headers).status_code == status

    def test_a_stranger_is_not_told_what_is_wrong_with_the_body(self, client: TestClient) -> None:
        assert client.post("/api/v1/train", content=b"{").status_code == 401
        assert client.delete("/api/v1/train/x").status_code == 401

    def test_health_and_the_document_are_public(self, client: TestClient) -> None:
        assert [client.get(path).status_code for path in ("/health", "/docs", "/openapi.json")] == [200, 200, 200]

    def test_jobs_are_their_callers_own(self, client: TestClient, room: TrainingRoom) -> None:
        ada, bob = f"key-{fingerprint('ada')}", {"X-API-Key": "bob"}
        wanted = ORDER | {"data_yaml": f"datasets/{ada}/set/data.yaml"}
        answer = client.post("/api/v1/train", json=wanted, headers={"X-API-Key": "ada"})
        assert answer.status_code == 200
        assert room.ledger.read(JobKey(ada, "abc12345")).request["output"]["prefix"] == f"models/{ada}/job_abc12345"
        assert client.post("/api/v1/train", json=wanted, headers=bob).status_code == 403
        assert client.get("/api/v1/train/abc12345", headers=bob).status_code == 404
        assert client.delete("/api/v1/train/abc12345", headers=bob).status_code == 404
        assert client.get("/api/v1/jobs", headers=bob).json() == {"jobs": []}
