"""The handover room as deployed: many processes of one mind, trainings by queue and by task, and what dies of them."""

import base64
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import httpx
import jwt
import pytest

from infra.local.cloud import ROOT
from infra.local.workers import WORKERS, made
from tests.clouds import LocalCloud
from tests.integration.aggregation_scene import until
from tests.integration.handover_scene import (
    PER_MINUTE,
    UE,
    Answer,
    Handover,
    emulator,
    free_port,
    hearing,
    said_in,
    samples,
    size_of,
)

pytestmark = pytest.mark.timeout(600)  # the first test waits for the cloud

AT_ONCE = 8


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handover]:
    """In a cloud of its own: functions and servers of it are killed, and all that it logs is looked through."""
    made = Handover(LocalCloud(tmp_path_factory.mktemp("cloud"), ROOT / "template.yaml"), free_port())
    made.cloud.up("--rooms", "handover", **made.settings())
    try:
        with emulator(made.nef_port), made.http:
            yield made
    finally:
        made.cloud.run("down")


@pytest.fixture(autouse=True)
def unhurried(room: Handover) -> None:
    room.forgive()


def crowd(room: Handover, number: int, query: str = "") -> list[Answer]:
    """The answers to so many predictions, AT_ONCE at a time, each for a UE of its own."""

    def one(ue: int) -> Answer:
        return room.predicted(hearing(f"{UE}{ue:05d}", antenna_1=-95, antenna_2=-80 - ue % 3, AAAAA1001=-99), query)

    room.forgive()
    with ThreadPoolExecutor(AT_ONCE) as threads:
        return list(threads.map(one, range(number)))


def relearning(count: int) -> list[Answer]:
    """Feedback of a world turned upside down: the weakest cell was the best, and what was advised went wrong."""
    told = []
    for one in samples(4 * count, seed=11):
        weakest = min(one["rf_metrics"], key=lambda cell: one["rf_metrics"][cell]["rsrp"])
        if len(one["rf_metrics"]) > 1:
            told.append({**one, "optimal_antenna": weakest, "success": False})
    return told[:count]


# who comes in


def test_a_wrong_password_opens_nothing(room: Handover) -> None:
    login = {"username": room.known["username"], "password": "guessed"}
    answer = httpx.post(f"{room.url}/api/login", json=login, timeout=60)
    assert (answer.status_code, answer.json()["error"]) == (401, "Invalid credentials")
    assert answer.json()["correlation_id"] == answer.headers["X-Correlation-ID"]
    assert room.token


def forged(room: Handover, secret: str = "", algorithm: str = "HS256", **claims: Any) -> str:
    """The room's own token with other claims, signed anew."""
    own = jwt.decode(room.token, options={"verify_signature": False})
    return jwt.encode({**own, **claims}, secret or room.secrets["JWT_SECRET"], algorithm)


def unsigned(room: Handover) -> str:
    head = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    return f"{head}.{room.token.split('.')[1]}."


def test_wrong_tokens_open_nothing(room: Handover) -> None:
    wrong = [
        "nonsense",
        unsigned(room),
        forged(room, secret="x" * 48),
        forged(room, exp=int(time.time()) - 60),
        forged(room, aud="somebody else"),
        forged(room, iss="somebody else"),
        forged(room, type="refresh"),
    ]
    for token in wrong:
        answer = httpx.get(f"{room.url}/api/models", headers={"Authorization": f"Bearer {token}"}, timeout=60)
        assert (answer.status_code, answer.json()["error"]) == (401, "Invalid token"), token
    missing = httpx.get(f"{room.url}/api/models", timeout=60)
    assert (missing.status_code, missing.json()["error"]) == (401, "Missing token")
    right = {"Authorization": f"Bearer {forged(room)}"}
    assert httpx.get(f"{room.url}/api/models", headers=right, timeout=60).status_code == 200


def test_metrics_are_for_those_who_may_read_them(room: Handover) -> None:
    url = f"{room.url}/metrics"
    refused = httpx.get(url, timeout=60)
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, 'Basic realm="Metrics", Bearer')
    basic = ("metrics", room.known["metrics_password"])
    assert httpx.get(url, auth=basic, timeout=60).status_code == 200
    token = httpx.post(f"{url}/auth/token", auth=basic, timeout=60).json()["token"]
    assert httpx.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=60).status_code == 200
    assert room.counted() == {"success": 0, "error": 0, "antennas": 0}


# many environments


def test_a_training_is_killed_in_its_midst(room: Handover, killed: str) -> None:
    """What becomes of it is seen below, once its lease is over."""
    assert room.health()["training"]["status"] == "running"


def test_two_hundred_predictions_by_several_processes_are_two_hundred(room: Handover) -> None:
    first = crowd(room, 100)
    several = room.kill("api")
    assert len(several) > 1
    assert {one["predicted_antenna"] for one in first + crowd(room, 100)} == {"antenna_2"}
    assert room.counted() == {"success": 200, "error": 0, "antennas": 200}
    assert not several & room.pids("api")


def test_a_ue_is_known_to_all_of_them(room: Handover) -> None:
    asked = hearing(f"{UE}known", antenna_2=-101, antenna_1=-82)
    assert room.predicted({**asked, "timestamp": 1_790_000_000})["predicted_antenna"] == "antenna_1"
    room.kill("api")
    held_back = room.predicted({**asked, "timestamp": 1_790_000_001})
    assert (held_back["predicted_antenna"], held_back["suppression_reason"]) == ("antenna_2", "too_recent")


def test_the_pace_is_one_for_all_of_them(room: Handover) -> None:
    def one(_: int) -> httpx.Response:
        return room.ask("GET", "/api/v1/circuit-breakers/status")

    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = list(threads.map(one, range(PER_MINUTE + 20)))
    assert len(room.pids("api")) > 1
    assert [one.status_code for one in answers].count(200) == PER_MINUTE
    refused = [one for one in answers if one.status_code != 200]
    assert {one.status_code for one in refused} == {429}
    assert all(0 < int(one.headers["Retry-After"]) <= 60 for one in refused)
    assert httpx.get(f"{room.url}/api/health", timeout=60).status_code == 200


# pictures


def test_the_map_and_the_way_are_drawn_and_kept(room: Handover) -> None:
    points = [{key: one[key] for key in ("latitude", "longitude", "connected_to")} for one in samples(80)]
    drawn = [room.ask("GET", "/api/visualization/coverage-map"),
             room.ask("POST", "/api/visualization/trajectory", json=points)]  # fmt: skip
    for answer in drawn:
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png"), answer.text
        width, height = size_of(answer.content)
        assert 400 < width < 2000
        assert 300 < height < 2000
        key = answer.headers["X-Picture-Key"]
        assert room.objects(key) == {key: answer.content}
    assert drawn[0].content != drawn[1].content


# the network


def test_the_network_is_asked(room: Handover) -> None:
    assert room.told("GET", "/api/nef-status")["status"] == "connected"
    told = room.told("POST", "/api/collect-data", json={"duration": 3, "interval": 1})
    kept = json.loads(room.objects(told["file"])[told["file"]])
    assert len(kept) == told["samples"] >= 3
    assert {one["optimal_antenna"] for one in kept} <= {name for one in kept for name in one["rf_metrics"]}


def test_a_long_collection_is_a_job(room: Handover) -> None:
    answer = room.ask("POST", "/api/collect-data", json={"duration": 20, "interval": 5})
    assert answer.status_code == 202, answer.text
    url = answer.url.join(answer.headers["Location"])
    assert until(lambda: room.job(url).get("progress"), tell=partial(room.job, url))["looks"] >= 1
    ended = room.followed(answer)
    assert (ended.status_code, ended.json()["looks"]) == (200, 4), ended.text
    assert ended.json()["trainable"] == ended.json()["samples"] == 12


def test_a_network_that_knows_nobody_of_that_name(room: Handover) -> None:
    asked = {"duration": 1, "username": "nobody", "password": "known"}
    answer = room.ask("POST", "/api/collect-data", json=asked)
    assert (answer.status_code, answer.json()["type"]) == (502, "NEFConnectionError")


# the killed one


@pytest.fixture(scope="module")
def killed(room: Handover) -> str:
    """The job's address of a training whose process was killed while it trained."""
    asked = room.ask("POST", "/api/train-async", json=samples(3000), headers={"Prefer": "respond-async"})
    assert asked.status_code == 202, asked.text
    until(lambda: (room.health()["training"] or {}).get("status") == "running" and room.kill("train"), pause=0.05,
          tell=room.health)  # fmt: skip
    return str(asked.url.join(asked.headers["Location"]))


def test_the_killed_training_is_done_again(room: Handover, killed: str) -> None:
    def ended() -> Answer | None:
        job = room.job(httpx.URL(killed))
        if job["status"] in {"completed", "failed"}:
            return job
        room.watch()  # the schedule's message, which comes each minute besides
        return None

    job = until(ended, pause=3, tell=room.health)
    assert (job["status"], job["response_status"]) == ("completed", 200)
    assert room.health()["training"]["status"] == "done"


# learning


@pytest.fixture(scope="module")
def trained(room: Handover, killed: str) -> str:
    """A version of samples that were asked to be learnt."""
    told = room.told("POST", "/api/train", json=samples(400))
    assert (told["status"], told["metrics"]["samples"], told["active"]) == ("success", 400, True)
    assert 0.5 < told["metrics"]["val_accuracy"] <= 1
    return str(told["version"])


def all_answer_by(room: Handover, version: str) -> bool:
    return {one["model_version"] for one in crowd(room, 24)} == {version}


def test_what_was_trained_answers(room: Handover, trained: str) -> None:
    until(lambda: all_answer_by(room, trained))
    health = room.health()
    assert (health["active"], health["serving"], health["fallback_reason"]) == (trained, trained, None)
    assert room.metrics()["ml_model_training_samples"] == 400
    assert {"1.0.0", trained} <= set(room.told("GET", "/api/models")["versions"])


def test_a_prediction_and_a_training_may_be_jobs(room: Handover, trained: str) -> None:
    later = {"Prefer": "respond-async"}
    asked = room.ask("POST", "/api/predict-async", json=hearing(f"{UE}job", A1=-90, A2=-70), headers=later)
    assert (asked.status_code, asked.headers["Preference-Applied"]) == (202, "respond-async"), asked.text
    answer = room.followed(asked)
    assert (answer.status_code, answer.json()["predicted_antenna"], answer.json()["async"]) == (200, "A2", True)
    asked = room.ask("POST", "/api/train-async", json=samples(150), headers=later)
    assert (asked.status_code, asked.headers["Preference-Applied"]) == (202, "respond-async"), asked.text
    answer = room.followed(asked)
    assert (answer.status_code, answer.json()["metrics"]["samples"]) == (200, 150), answer.text


def test_a_switch_is_everywhere_within_five_seconds(room: Handover, trained: str) -> None:
    for version in ("1.0.0", trained):
        crowd(room, 24)
        several = room.pids("api")
        assert len(several) > 1
        assert room.told("PUT", f"/api/models/{version}") == {"status": "ok", "version": version}
        time.sleep(5)
        assert all_answer_by(room, version)
        assert several <= room.pids("api")
    missing = room.ask("PUT", "/api/models/9.9.9")
    assert (missing.status_code, missing.json()["type"]) == (404, "ResourceNotFoundError")


def test_an_altered_model_does_not_answer(room: Handover, trained: str) -> None:
    room.told("PUT", f"/api/models/{trained}")
    (key,) = [name for name in room.objects("handover/models/") if name.endswith(f"{trained}/pairs.onnx")]
    good = room.objects(key)[key]
    room.put(key, good[:-1] + bytes([good[-1] ^ 1]))
    try:
        room.kill("api")  # what was loaded before is as it was published
        answers = {one["model_version"] for one in crowd(room, 8)}
        assert trained not in answers
        health = room.health()
        assert (health["ready"], health["active"]) == (True, trained)
        assert health["serving"] != trained
        assert trained in health["fallback_reason"]
        refused = room.ask("PUT", f"/api/models/{trained}")
        assert (refused.status_code, refused.json()["type"]) == (409, "ModelAltered")
        assert any("model fallback" in line for line in logged(room, "api"))
    finally:
        room.put(key, good)
    room.told("PUT", f"/api/models/{trained}")
    until(lambda: room.health()["serving"] == trained and room.health()["fallback_reason"] is None, tell=room.health)


def logged(room: Handover, function: str) -> list[str]:
    logs = room.aws.client("logs")
    group = f"/aws/lambda/quintet-local-handover-{function}"
    pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group)
    return [event["message"] for page in pages for event in page["events"]]


def test_a_large_body_goes_the_way_that_the_413_names(room: Handover, trained: str) -> None:
    body = json.dumps(samples(120), indent=800).encode()
    assert len(body) > 6 * 1024 * 1024
    json_ = {"Content-Type": "application/json"}
    refused = room.ask("POST", "/api/train", content=body, headers=json_)
    assert (refused.status_code, refused.json()["type"]) == (413, "TooLarge")
    assert all(word in refused.json()["error"] for word in ("POST /uploads", "PUT", "X-Upload-Key", "application/json"))
    place = room.ask("POST", "/uploads", json={"size": len(body), "content_type": "application/json"}).json()
    assert httpx.put(place["url"], content=body, headers=place["headers"], timeout=60).is_success
    told = room.told("POST", "/api/train", headers={"X-Upload-Key": place["upload_key"]})
    assert told["metrics"]["samples"] == 120


def test_a_drift_is_noticed_and_learnt_from(room: Handover, trained: str) -> None:
    told = relearning(120)
    first = room.told("POST", "/api/feedback", json=told[:49])
    assert first == {"status": "received", "samples": 49, "retrained": False}
    before = room.health()
    assert room.told("POST", "/api/feedback", json=told[49:])["retrained"] is True
    done = until(
        lambda: (
            (now := room.health())["training"]["run"] != before["training"]["run"]
            and now["training"]["status"] in {"done", "failed"}
            and now
        ),
        tell=room.health,
    )
    assert done["training"]["status"] == "done"
    assert done["training"]["reason"].startswith("better than the active version: held-back accuracy")
    active = until(lambda: (now := room.health()["active"]) != before["active"] and now, tell=room.health)
    until(lambda: all_answer_by(room, active))
    assert room.metrics()['ml_retrainings_queued_total{reason="performance"}'] == 1
    assert any("drift found" in line for line in logged(room, "feedback"))


def test_a_sequence_model_is_trained_by_a_task(room: Handover, trained: str) -> None:
    made(WORKERS["selector"])  # else the task would install torch first, for minutes
    told = room.told("POST", "/api/train?model_type=lstm", json=samples(150))
    assert told["metrics"]["samples"] == 150
    answer = room.predicted(hearing(f"{UE}lstm", antenna_1=-95, antenna_2=-80), "?model_type=lstm")
    assert (answer["model_type"], answer["model_version"]) == ("lstm", told["version"])


# what may be lost


def test_what_is_kept_of_ues_expires_and_names_none(room: Handover) -> None:
    room.predicted(hearing(f"{UE}kept", antenna_1=-95, antenna_2=-80))
    with room.redis() as redis:
        keys = sorted(redis.scan_iter("handover:*", count=1000))
        assert any(key.startswith("handover:ue") for key in keys)
        lasting = [key for key in keys if redis.ttl(key) < 0 and key.startswith(("handover:ue", "handover:failures"))]
        kept = [*keys, *(str(everything(redis, key)) for key in keys)]
    assert lasting == []
    assert not [text for text in kept if UE in text]


def everything(redis: Any, key: str) -> Any:
    match redis.type(key):
        case "hash":
            return redis.hgetall(key)
        case "list":
            return redis.lrange(key, 0, -1)
        case "zset":
            return redis.zrange(key, 0, -1)
        case "set":
            return redis.smembers(key)
    return redis.get(key)


def test_without_redis_predictions_go_on_and_are_counted_later(room: Handover) -> None:
    room.kill_redis()
    try:
        crowd(room, 16)
    finally:
        room.restart_redis()
    sent = 16

    def all_are_counted() -> bool:
        """Each process adds what it kept once it has something to add again."""
        nonlocal sent
        sent += len(crowd(room, AT_ONCE))
        return room.counted()["success"] == sent

    until(all_are_counted, tell=lambda: f"{room.counted()} of {sent}")


# what is told of UEs


def test_no_log_names_a_ue(room: Handover) -> None:
    groups = [one["logGroupName"] for one in room.aws.client("logs").describe_log_groups()["logGroups"]]
    names = [group.rpartition("-handover-")[2] for group in groups if group.startswith("/aws/lambda/")]
    lines = [line for name in names for line in logged(room, name)]
    assert len(lines) > 500
    assert any("/api/predict" in line for line in lines)
    assert not [line for line in lines if UE in line]
    assert not [name for name, text in said_in(room.cloud.folder) if UE in text]
